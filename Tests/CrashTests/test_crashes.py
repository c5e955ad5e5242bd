"""Kills and faults at the system calls that change the queue: nothing that was acknowledged is lost.

For each program an instance of its own lives through a number of breakages, one after the other; during each it is given messages by SMTP and
by sendmail, each to a local mailbox, to another host, and to an address that fails, so that each leads to three results. In the end the queue
must become empty and every acknowledged message must have all three. Results that are there twice are counted and printed: ARCHITECTURE.md
says in which windows they may occur.

MARTLET_CRASH_TRIALS sets the number of breakages for each program, MARTLET_CRASH_SEED the seed, which is printed.
"""

import os
import random
import re
import shutil
import smtplib
import time

import pytest
from aiosmtpd.controller import Controller

from breakage import Breakage, Scripts
from harness import Instance, free_port, wait_until

SEED = int(os.environ.get("MARTLET_CRASH_SEED", random.randrange(1 << 32)))
TRIALS = int(os.environ.get("MARTLET_CRASH_TRIALS", 4))

# The calls that change the queue or the mailboxes, or tell of it, with the highest number worth a try in a process's short life.
CALLS = {
    "cleanup": {"flock": 4, "pwrite64": 4, "fdatasync": 3, "fsync": 3, "writev": 6, "write": 8},
    "qmgr": {"pwrite64": 6, "utimensat": 3, "/^rename": 3, "/^unlink": 4, "writev": 12, "sendmsg": 6},
    "bounce": {"flock": 6, "write": 6, "fdatasync": 3, "fsync": 3, "/^unlink": 4, "writev": 8},
    "pickup": {"pread64": 8, "/^unlink": 2, "writev": 6},
    "local": {"write": 8, "fdatasync": 3, "fsync": 3, "/^rename": 3, "sendto": 4},
    "smtp": {"writev": 10, "write": 12, "pread64": 3, "connect": 2},
    "postdrop": {"write": 2, "fdatasync": 1, "/^rename": 1, "fsync": 1, "fchmod": 1},
}

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


class Sink:
    """The other host."""

    def __init__(self):
        self.received = []
        self.port = free_port()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, server_hostname="mail.remote.test")
        self.controller.start()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        self.received.append(envelope.content.decode("latin-1"))
        return "250 2.0.0 Ok"


class Load:
    """Messages, and what is known of each."""

    def __init__(self, instance, sink):
        self.instance, self.sink = instance, sink
        # By token, the results that are to come.
        self.acknowledged = {}
        self.refused = set()
        self.count = 0

    def message(self):
        self.count += 1
        token = f"token{self.count}x"
        return token, f"From: phil@sender.test\nTo: anna@sender.test\nSubject: {token}\n\n{token}\n"

    RESULTS = {"anna@sender.test": "delivered", "matt@remote.test": "sent", "nobody@remote.test": "reported"}

    def by_smtp(self):
        token, text = self.message()
        try:
            with smtplib.SMTP("127.0.0.1", self.instance.port, timeout=20) as client:
                refused = client.sendmail("phil@sender.test", list(self.RESULTS), text)
            self.acknowledged[token] = [result for address, result in self.RESULTS.items() if address not in refused]
        except (smtplib.SMTPException, OSError):
            self.refused.add(token)

    def by_sendmail(self):
        token, text = self.message()
        result = self.instance.command("sendmail", "-i", "-f", "phil@sender.test", *self.RESULTS, stdin=text.encode())
        if result.returncode == 0:
            self.acknowledged[token] = list(self.RESULTS.values())
        else:
            self.refused.add(token)

    def results(self):
        """For each token how often it is in the mailbox, at the other host and in reports."""
        token = re.compile(r"Subject: (token\d+x)")
        found = {}

        def note(kind, texts):
            for text in texts:
                for name in set(token.findall(text)):
                    found.setdefault(name, {}).setdefault(kind, 0)
                    found[name][kind] += 1

        note("delivered", (m.decode("latin-1") for m in self.instance.raw_messages("anna")))
        note("sent", self.sink.received)
        note("reported", (m.decode("latin-1") for m in self.instance.raw_messages("phil")))
        return found


@pytest.mark.parametrize("program", sorted(CALLS))
def test_nothing_acknowledged_is_lost(directory, program):
    chance = random.Random(f"{SEED} {program}")
    scripts = Scripts(directory)
    sink = Sink()
    instance = Instance(
        directory / "one", "mail.sender.test", users=["phil", "anna", "postmaster"],
        main={
            "daemon_directory": scripts.path, "command_directory": scripts.path, "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "queue_run_delay": "1s", "service_throttle_time": "1s", "transport_retry_time": "1s", "maximal_queue_lifetime": "1h",
            "transport_maps": f"inline:{{remote.test=smtp:[127.0.0.1]:{sink.port}}}",
        },
    )
    load = Load(instance, sink)
    happened = 0
    try:
        instance.start()
        load.by_smtp()
        instance.wait_until_empty()
        begun = time.monotonic()
        for _ in range(TRIALS):
            call = chance.choice(sorted(CALLS[program]))
            effect = chance.choice(["KILL", "KILL", "EIO", "ENOSPC"])
            breakage = Breakage(program, call, effect, chance.randint(1, CALLS[program][call]))
            scripts.give(breakage)
            # The next process of the program is the broken one.
            instance.kill_children(program)
            for _ in range(2):
                load.by_smtp()
                load.by_sendmail()
            instance.wait_until_empty(patience=120)
            happened += scripts.withdraw(breakage)
        # Nothing that is broken is left; what is still there must go.
        instance.kill_children(program)
        load.by_smtp()
        load.by_sendmail()
        instance.wait_until_empty(patience=120)
        found = load.results()
        kinds = Load.RESULTS.values()
        lost = {t: found.get(t) for t, due in load.acknowledged.items() if any(not found.get(t, {}).get(kind) for kind in due)}
        twice = {kind: sum(found.get(t, {}).get(kind, 0) - 1 for t in load.acknowledged if found.get(t, {}).get(kind, 0) > 1) for kind in kinds}
        unasked = sum(1 for t in load.refused if t in found)
        print(
            f"\n{program}: seed {SEED}: {happened} of {TRIALS} breakages happened in {time.monotonic() - begun:.0f} s, {len(load.acknowledged)} messages"
            f" acknowledged, {len(load.refused)} not (of which {unasked} went on all the same), lost {len(lost)}, more than once {twice}"
        )
        assert not lost, f"seed {SEED}: {lost}\n{instance.explain()}"
        left = {d: f for d, f in instance.queue_files().items() if f}
        assert not left, left
        assert happened > 0 or TRIALS < 4, "no breakage came about"
    finally:
        instance.stop()
        sink.controller.stop()
