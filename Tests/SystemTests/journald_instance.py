"""Run by test_journal.py in a mount namespace of its own: a real systemd-journald on a private /run and /dev, and an instance that logs as a
system of Debian does by default. Prints what journalctl has of it as a list of JSON objects."""

import json
import os
import subprocess
import sys

from harness import Instance, wait_until


def main(base):
    journald = subprocess.Popen(["/lib/systemd/systemd-journald"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.exists("/run/systemd/journal/socket"), "journald listens")
        host = Instance(base, "mail.sender.test", users=["anna"], main={"maillog_file": "", "syslog_facility": "local3", "transport_maps": "inline:{ away.test=smtp:[127.0.0.1]:1 }"})
        host.start()
        try:
            host.send("phil@sender.test", ["anna@sender.test", "x@away.test"], "From: phil@sender.test\r\nSubject: journal\r\n\r\nx\r\n")
            host.wait_for_mail("anna")
            wait_until(lambda: host.queue_files()["deferred"], "one recipient is deferred")
        finally:
            host.stop()

        def entries():
            subprocess.run(["journalctl", "--sync"], check=False, capture_output=True)
            out = subprocess.run(["journalctl", "-D", "/run/log/journal", "-o", "json"], capture_output=True, check=True).stdout
            found = [json.loads(line) for line in out.splitlines()]
            ours = [e for e in found if str(e.get("SYSLOG_IDENTIFIER", "")).startswith("martlet/")]
            return ours if any("terminating" in e["MESSAGE"] for e in ours) else None

        print(json.dumps(wait_until(entries, "the journal has the end of it")))
    finally:
        journald.terminate()
        journald.wait()


main(sys.argv[1])
