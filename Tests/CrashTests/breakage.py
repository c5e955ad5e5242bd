"""Breaks programs of an instance at system calls: death by SIGKILL before a call, or an error as its result.

The instance runs its programs by way of small scripts. A script that finds an order for its program takes it and runs the program under
strace with that order; everything after that is the program as it is. The tracer is no parent (-D): master sees its child as always.
"""

import itertools
import os
import shlex
from pathlib import Path

from harness import BIN

PROGRAMS = ["master", "smtpd", "cleanup", "qmgr", "smtp", "local", "bounce", "pickup", "resolver", "postdrop", "postqueue", "sendmail", "martlet"]

WRITE, PWRITE = r"/^(writev?|send(to|msg|file))$", r"/^pwrite(64|v)$"
# The calls that change the queue or the mailboxes, or tell of it, with the highest number worth a try in a process's life. Where a name is
# a pattern strace counts all that match as one: rename and renameat, unlink and unlinkat, all that puts bytes into a file or a socket.
CALLS = {
    "cleanup": {"flock": 8, PWRITE: 24, "ftruncate": 2, "fallocate": 4, "fdatasync": 16, "io_submit": 8, "io_getevents": 8, "fsync": 12, "/^unlink": 2, "/^rename": 1, WRITE: 12},
    # The syncs are those of the recovery of commit logs.
    "qmgr": {PWRITE: 8, "flock": 3, "fdatasync": 2, "io_submit": 1, "fsync": 4, "utimensat": 4, "/^rename": 4, "/^unlink": 6, WRITE: 24},
    "bounce": {"flock": 6, "fdatasync": 4, "fsync": 4, "/^unlink": 4, WRITE: 16},
    "pickup": {"pread64": 8, "/^unlink": 3, WRITE: 8},
    "local": {"sync_file_range": 2, "fdatasync": 4, "io_submit": 8, "io_getevents": 8, "fsync": 4, "/^rename": 4, "/^link": 3, "ftruncate": 1, WRITE: 12},
    "smtp": {"pread64": 3, "connect": 2, WRITE: 20},
    # Says 250.
    "smtpd": {WRITE: 20},
    "postdrop": {"write": 3, "fchmod": 1, "fdatasync": 1, "/^rename": 1, "fsync": 1, "connect": 1},
}
# Calls that can fail for want of a descriptor. Most of the first ones are those of the start, which may fail, too.
DESCRIPTOR_CALLS = {
    "cleanup": {"openat": 60, "socket": 2}, "qmgr": {"openat": 60, "socket": 4}, "bounce": {"openat": 50, "socket": 2},
    "pickup": {"openat": 50, "socket": 2}, "local": {"openat": 50}, "smtp": {"socket": 4}, "postdrop": {"openat": 20},
}
ERRORS = ["EIO", "ENOSPC"]

SCRIPT = """#!/bin/sh
if /bin/mv {order} {order}.taken 2>/dev/null; then
    . {order}.taken
    exec /usr/bin/strace -D -f -qq -o "$REPORT" -e trace=$CALL -e inject=$INJECT {program} "$@"
fi
exec {program} "$@"
"""


def label(call):
    """The name of a call for people."""
    return {WRITE: "write, writev or send", PWRITE: "pwrite or pwritev"}.get(call, call.strip("/^$"))


class Breakage:
    """One order, and what came of it."""

    def __init__(self, program, call, effect, number):
        self.program, self.call, self.effect, self.number = program, call, effect, number

    def __str__(self):
        return f"{self.program}: {self.effect} at {label(self.call)} number {self.number}"


def kills():
    """Every kill there is, in order."""
    return [Breakage(program, call, "KILL", n) for program, calls in CALLS.items() for call, most in calls.items() for n in range(1, most + 1)]


def faults():
    """Every fault there is, in order."""
    found = [Breakage(program, call, error, n) for program, calls in CALLS.items() for call, most in calls.items() for n in range(1, most + 1) for error in ERRORS]
    return found + [Breakage(program, call, "EMFILE", n) for program, calls in DESCRIPTOR_CALLS.items() for call, most in calls.items() for n in range(1, most + 1)]


class Scripts:
    """The directory of scripts."""

    def __init__(self, base):
        self.path = Path(base) / "programs"
        self.path.mkdir()
        self.numbers = itertools.count()
        for program in PROGRAMS:
            if not (BIN / program).exists():
                continue
            script = self.path / program
            script.write_text(SCRIPT.format(order=shlex.quote(str(self.order(program))), program=shlex.quote(str(BIN / program))))
            script.chmod(0o755)

    def order(self, program):
        return self.path / f"{program}.order"

    def give(self, breakage):
        """The next process of the program is the broken one."""
        breakage.report = self.path / f"report.{next(self.numbers)}"
        breakage.report.write_text("")
        os.chmod(breakage.report, 0o666)
        # An error names itself for the descriptor's sake only: signal=KILL leaves the call undone, too.
        effect = "error=EIO:signal=KILL" if breakage.effect == "KILL" else f"error={breakage.effect}"
        draft = self.path / "draft"
        draft.write_text(f"REPORT='{breakage.report}'\nCALL='{breakage.call}'\nINJECT='{breakage.call}:{effect}:when={breakage.number}'\n")
        draft.rename(self.order(breakage.program))

    def is_taken(self, breakage):
        return not self.order(breakage.program).exists()

    def has_happened(self, breakage):
        report = breakage.report.read_bytes()
        return b"INJECTED" in report or b"killed by SIGKILL" in report

    def withdraw(self, breakage):
        """Whether it came to the breakage."""
        self.order(breakage.program).unlink(missing_ok=True)
        happened = self.has_happened(breakage)
        breakage.report.unlink(missing_ok=True)
        return happened
