"""TLS as an administrator sets it: versions, certificates, and peers whose certificate must be right."""

import re
import ssl
import subprocess

import pytest

from dialogue import Dialogue
from tlsfiles import Certificate

MESSAGE = "From: phil@sender.test\r\nSubject: tls\r\n\r\nx\r\n"


def handshake(port, version):
    """The version of a STARTTLS session of a client that speaks one version only; None where there is none."""
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-starttls", "smtp", f"-{version}", "-cipher", "ALL:@SECLEVEL=0"],
        input=b"QUIT\r\n", capture_output=True, timeout=30,
    )
    found = re.search(rb"(?:New|Reused), (TLSv[\d.]+), Cipher is (?!\(NONE\))", result.stdout)
    return found and found.group(1).decode()


@pytest.mark.parametrize(
    "protocols, accepted",
    [(">=TLSv1.2", {"tls1_2", "tls1_3"}), (">=TLSv1.3", {"tls1_3"}), ("!SSLv2, !SSLv3", {"tls1_2", "tls1_3"}), ("TLSv1.2", {"tls1_2"})],
)
def test_the_server_speaks_the_versions_that_it_may(story, protocols, accepted):
    host = story.host("sender.test", users=["anna"], main=Certificate(story.base / "tls").smtpd | {"smtpd_tls_protocols": protocols}).start()
    assert {version for version in ("tls1", "tls1_1", "tls1_2", "tls1_3") if handshake(host.port, version)} == accepted, host.explain()


def test_a_bad_version_is_told_at_the_start_of_the_server(story):
    host = story.host("sender.test", users=["anna"], main=Certificate(story.base / "tls").smtpd | {"smtpd_tls_protocols": ">=TLSv9"}).start()
    host.wait_for_log(r"smtpd\[\d+\]: fatal: .*>=TLSv9: not a TLS version")


def test_chain_files(story):
    certificate = Certificate(story.base / "tls")
    both = story.base / "tls" / "chain.pem"
    both.write_bytes(certificate.key.read_bytes() + certificate.certificate.read_bytes())
    host = story.host("sender.test", users=["anna"], main={"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": both}).start()
    assert handshake(host.port, "tls1_3") == "TLSv1.3"
    host.stop()
    host.set(smtpd_tls_chain_files=f"{certificate.key}, {certificate.certificate}")
    host.start()
    assert handshake(host.port, "tls1_3") == "TLSv1.3"


def test_sessions_may_be_resumed(story):
    """mistakes-of-others: Microsoft inbound mail failing on TLS session tickets."""
    host = story.host("sender.test", users=["anna"], main=Certificate(story.base / "tls").smtpd).start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    session = None
    for number in range(3):
        with Dialogue(host.port) as c:
            c.ehlo()
            c.expect("STARTTLS", 220)
            c.socket = context.wrap_socket(c.socket, server_hostname="localhost", session=session)
            c.ehlo()
            assert c.transaction("anna@sender.test", MESSAGE + ".\r\n")[0] == 250
            c.expect("QUIT", 221)
            session = c.socket.session
            # A session that is offered is taken, or a whole handshake is made; neither may fail.
    assert len(host.wait_for_mail("anna", 3)) == 3


def relay(story, level, certificate_name, **more):
    """sender.test relays everything to mail.receiver.test, which shows a certificate of that name."""
    certificate = Certificate(story.base / "tls", certificate_name)
    receiver = story.host("receiver.test", users=["matt"], main=certificate.smtpd | {"smtpd_tls_received_header": "yes"})
    sender = story.host("sender.test", users=["phil"], main={"smtp_tls_security_level": level, "smtp_tls_loglevel": "1", "relayhost": f"receiver.test:{receiver.port}", **{k: v.format(ca=certificate.certificate) for k, v in more.items()}})
    receiver.start()
    sender.start()
    sender.send("phil@sender.test", ["matt@receiver.test"], MESSAGE)
    return sender, receiver


@pytest.mark.parametrize("level", ["verify", "secure"])
def test_a_trusted_peer_of_the_right_name(story, level):
    sender, receiver = relay(story, level, "mail.receiver.test", smtp_tls_CAfile="{ca}")
    assert "with ESMTPS id" in receiver.wait_for_mail("matt")[0]["Received"]
    sender.wait_for_log(r"Verified TLS connection established to mail\.receiver\.test\[127\.0\.0\.1\]:\d+: TLSv1\.3 with cipher")


def test_secure_takes_the_name_of_the_next_hop_and_verify_that_of_the_host(story):
    sender, receiver = relay(story, "secure", "receiver.test", smtp_tls_CAfile="{ca}")
    sender.wait_for_log(r"status=deferred")
    sender.stop()
    # mail.receiver.test lies under the next hop; a host elsewhere would have to have the next hop's name.
    assert receiver.messages("matt") == []


@pytest.mark.parametrize("level, name, more", [("verify", "other.test", {"smtp_tls_CAfile": "{ca}"}), ("verify", "mail.receiver.test", {}), ("secure", "mail.receiver.test", {})])
def test_mail_waits_where_the_peer_is_not_trusted(story, level, name, more):
    sender, receiver = relay(story, level, name, **more)
    sender.wait_for_log(r"SSL_connect error to mail\.receiver\.test\[127\.0\.0\.1\]:\d+: .*CERTIFICATE_VERIFY_FAILED|SSL_connect error to mail\.receiver\.test")
    sender.wait_for_log(r"to=<matt@receiver\.test>, .*dsn=4\.7\.5, status=deferred")
    assert receiver.messages("matt") == []
    assert "with ESMTP id" not in receiver.log()


def test_opportunistic_tls_trusts_anybody_and_a_directory_of_authorities_is_read(story):
    sender, receiver = relay(story, "may", "other.test", smtp_tls_CApath="/etc/ssl/certs")
    receiver.wait_for_mail("matt")
    sender.wait_for_log(r"Untrusted TLS connection established to mail\.receiver\.test")
