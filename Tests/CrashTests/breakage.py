"""Breaks one program of an instance at one system call, once: death by SIGKILL before the call, or an error as its result.

The instance runs its programs by way of small scripts. A script that finds an order for its program takes it and runs the program under
strace with that order; everything after that is the program as it is. The tracer is no parent (-D): master sees its child as always.
"""

import os
import re
import shlex
from pathlib import Path

from harness import BIN

PROGRAMS = ["master", "smtpd", "cleanup", "qmgr", "smtp", "local", "bounce", "pickup", "resolver", "postdrop", "postqueue", "sendmail", "martlet"]

SCRIPT = """#!/bin/sh
if /bin/mv {order} {order}.taken 2>/dev/null; then
    . {order}.taken
    exec /usr/bin/strace -D -f -qq -o {report} -e trace=$CALL -e inject=$INJECT {program} "$@"
fi
exec {program} "$@"
"""


class Breakage:
    """One order, and what came of it."""

    def __init__(self, program, call, effect, number):
        self.program, self.call, self.effect, self.number = program, call, effect, number

    def __str__(self):
        return f"{self.program}: {self.effect} at {self.call} number {self.number}"


class Scripts:
    """The directory of scripts."""

    def __init__(self, base):
        self.path = Path(base) / "programs"
        self.path.mkdir()
        for program in PROGRAMS:
            if not (BIN / program).exists():
                continue
            script = self.path / program
            script.write_text(SCRIPT.format(order=shlex.quote(str(self.order(program))), report=shlex.quote(str(self.report(program))), program=shlex.quote(str(BIN / program))))
            script.chmod(0o755)

    def order(self, program):
        return self.path / f"{program}.order"

    def report(self, program):
        return self.path / f"{program}.report"

    def give(self, breakage):
        report = self.report(breakage.program)
        report.write_text("")
        os.chmod(report, 0o666)
        # An error names itself for the descriptor's sake only: signal=KILL leaves the call undone, too.
        effect = "error=EIO:signal=KILL" if breakage.effect == "KILL" else f"error={breakage.effect}"
        draft = self.path / "draft"
        draft.write_text(f"CALL='{breakage.call}'\nINJECT='{breakage.call}:{effect}:when={breakage.number}'\n")
        draft.rename(self.order(breakage.program))

    def withdraw(self, breakage):
        """Whether it came to the breakage."""
        self.order(breakage.program).unlink(missing_ok=True)
        report = self.report(breakage.program).read_text(errors="replace")
        return bool(re.search(r"INJECTED|killed by SIGKILL", report))
