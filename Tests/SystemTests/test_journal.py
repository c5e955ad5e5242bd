"""The log in journald: the classic line, and the facts beside it as fields. Needs root, for a journald of the test's own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# A /run and a /dev that nobody else sees; /dev/log leads to journald, as on Debian.
NAMESPACE = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal /run/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /run/dev/
ln -s /proc/self/fd /run/dev/fd
ln -s /run/systemd/journal/dev-log /run/dev/log
mount --bind /run/dev /dev
exec "$@"
"""


def can_have_a_namespace():
    return os.getuid() == 0 and Path("/lib/systemd/systemd-journald").exists() and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_have_a_namespace(), reason="needs root, systemd-journald and the right to make a mount namespace")
def test_lines_in_the_journal_have_their_facts_as_fields(tmp_path):
    script = Path(__file__).with_name("journald_instance.py")
    result = subprocess.run(["unshare", "-m", "sh", "-c", NAMESPACE, "sh", sys.executable, str(script), str(tmp_path / "host")], capture_output=True, timeout=120, cwd=script.parent)
    assert result.returncode == 0, result.stderr.decode()
    entries = json.loads(result.stdout)
    for entry in entries:
        assert entry["_TRANSPORT"] == "journal" and entry["SYSLOG_FACILITY"] == "19", entry
        assert entry["PRIORITY"] in "23456" and entry["SYSLOG_PID"].isdigit(), entry
        if match := re.match(r"(\w{12,}): ", entry["MESSAGE"]):
            assert entry["MARTLET_QUEUE_ID"] == match.group(1), entry
    deliveries = {e["MARTLET_RECIPIENT"]: e for e in entries if e.get("MARTLET_EVENT") == "delivery"}
    sent, deferred = deliveries["anna@sender.test"], deliveries["x@away.test"]
    assert sent["MARTLET_STATUS"] == "sent" and sent["MARTLET_DSN"] == "2.0.0" and sent["MARTLET_SENDER"] == "phil@sender.test"
    assert re.fullmatch(r"\d+\.\d{6}", sent["MARTLET_DELAY"])
    # The classic line is what it is everywhere.
    assert re.fullmatch(r"\w+: to=<anna@sender\.test>, relay=local, delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent \(delivered to maildir\)", sent["MESSAGE"])
    assert deferred["MARTLET_STATUS"] == "deferred" and "Connection refused" in deferred["MARTLET_REASON"]
