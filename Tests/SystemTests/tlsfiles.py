"""A self-signed certificate for the tests, made with openssl."""

import os
import subprocess
from pathlib import Path


class Certificate:
    def __init__(self, base, name="localhost"):
        base = Path(base)
        base.mkdir(parents=True, exist_ok=True)
        self.key = base / "key.pem"
        self.certificate = base / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True,
        )
        os.chmod(self.key, 0o644)

    @property
    def smtpd(self):
        return {"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": self.certificate, "smtpd_tls_key_file": self.key}
