"""A message of 1 MB waits in cleanup's memory, and the thread that commits makes its file: each call of that cut, by a kill and by faults."""

import hashlib
import shutil
import smtplib

import pytest

from breakage import PWRITE, Breakage, Scripts, label
from harness import Instance, wait_until
from load import start

SIZE = 1 << 20
# flock: the file's own is the first after those of the start, whose number is not ours to know.
CUTS = [(call, effect) for call in ("fallocate", PWRITE, "fdatasync", "fsync") for effect in ("KILL", "EIO", "ENOSPC")]


def message(token):
    line = hashlib.sha256(token.encode()).hexdigest()
    return f"From: phil@sender.test\r\nTo: anna@sender.test\r\nSubject: {token}\r\n\r\n" + f"{line}\r\n" * (SIZE // 66)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_each_call_that_makes_a_large_file_may_fail(directory):
    scripts = Scripts(directory)
    one = Instance(
        directory / "one", "mail.sender.test", users=["phil", "anna"],
        # No log: its calls would be counted, too.
        main={"daemon_directory": scripts.path, "command_directory": scripts.path, "commit_log_size": "0", "service_throttle_time": "1s"},
    )
    acknowledged, happened, unhurt = [], [], []
    start(one)
    try:
        for number, (call, effect) in enumerate(CUTS):
            breakage = Breakage("cleanup", call, effect, 1)
            one.kill_children("cleanup")
            scripts.give(breakage)
            token = f"token{number}x"
            try:
                with smtplib.SMTP("127.0.0.1", one.port, timeout=60) as client:
                    client.sendmail("phil@sender.test", ["anna@sender.test"], message(token))
                acknowledged.append(token)
            except (smtplib.SMTPException, OSError):
                pass
            if scripts.withdraw(breakage):
                happened.append(f"{effect} at {label(call)}")
                if token in acknowledged:
                    unhurt.append(happened[-1])
        assert len(happened) == len(CUTS), f"{happened}\n{one.explain()}"
        # Room that is not found before is found when it is needed, or not; everything else is needed for the 250.
        assert unhurt == ["EIO at fallocate", "ENOSPC at fallocate"], one.explain()
        # The last one is still under a breakage, which each of its threads meets once.
        one.kill_children("cleanup")
        with smtplib.SMTP("127.0.0.1", one.port, timeout=60) as client:
            client.sendmail("phil@sender.test", ["anna@sender.test"], message("token99x"))
        acknowledged.append("token99x")
        wait_until(lambda: set(acknowledged) <= {m["Subject"] for m in one.messages("anna")}, "what was acknowledged is delivered", 60, one.explain)
        for raw in one.raw_messages("anna"):
            token = next(line[9:] for line in raw.decode().splitlines() if line.startswith("Subject: "))
            body = raw.decode().split("\n\n", 1)[1]
            assert body == message(token).replace("\r\n", "\n").split("\n\n", 1)[1], f"{token} is not whole"
    finally:
        one.stop()
