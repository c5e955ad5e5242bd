"""A set-gid installation as the Debian package makes it, for tests as root: accounts of its own, /etc/martlet, set-gid copies of postdrop and
postqueue, and programs run as ordinary users. It lives in a mount namespace with its own copy of /etc, so that the host sees nothing of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from harness import BIN, Instance

OWNER, NETWORK, PHIL, MALLORY, GROUP = 50001, 50002, 50003, 50004, 50010
USERS = {"martlet": OWNER, "martlet-net": NETWORK, "phil": PHIL, "mallory": MALLORY}


class SetgidInstallation(Instance):
    def __init__(self, base, **options):
        self.etc = Path(base) / "etc-of-its-own"
        self.commands = Path(base) / "sbin"
        shutil.copytree("/etc", self.etc, symlinks=True)
        for name, uid in USERS.items():
            with open(self.etc / "passwd", "a") as passwd, open(self.etc / "group", "a") as group:
                passwd.write(f"{name}:x:{uid}:{uid}:{name.capitalize()},,,:/nonexistent:/bin/sh\n")
                group.write(f"{name}:x:{uid}:\n")
        with open(self.etc / "group", "a") as group:
            group.write(f"martdrop:x:{GROUP}:\n")
        self.commands.mkdir()
        for name in ("sendmail", "postdrop", "postqueue", "martlet"):
            shutil.copy(BIN / name, self.commands / name)
            os.chmod(self.commands / name, 0o755)
        for name in ("postdrop", "postqueue"):
            os.chown(self.commands / name, 0, GROUP)
            os.chmod(self.commands / name, 0o2755)
        main = {"mail_owner": "martlet", "network_owner": "martlet-net", "setgid_group": "martdrop", "command_directory": self.commands}
        super().__init__(base, "mail.sender.test", main={**main, **options.pop("main", {})}, **options)
        self.log_path.touch(mode=0o666)
        os.chmod(self.log_path, 0o666)
        self.namespace = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", f"mount --bind {self.etc} /etc && echo ready && exec sleep 100000"], stdout=subprocess.PIPE
        )
        assert self.namespace.stdout.readline() == b"ready\n"

    def write_configuration(self):
        super().write_configuration()
        # As installed: only local keeps the rights of root.
        master = self.config / "master.cf"
        lines = [re.sub(r"^((?!local )\S+ (?:unix|inet) \S+) n ", r"\1 - ", line) for line in master.read_text().splitlines()]
        master.write_text("\n".join(lines) + "\n")
        shutil.copytree(self.config, self.etc / "martlet", dirs_exist_ok=True)

    def inside(self, *words):
        return ["nsenter", "-t", str(self.namespace.pid), "-m", *map(str, words)]

    def start(self):
        real = subprocess.Popen

        def enter(words, **options):
            return real(self.inside(words[0], "-c", "/etc/martlet"), **options)

        subprocess.Popen = enter
        try:
            return super().start()
        finally:
            subprocess.Popen = real

    def stop(self, patience=20):
        try:
            return super().stop(patience)
        finally:
            self.namespace.kill()
            self.namespace.wait()

    def user_words(self, program, *arguments, user=PHIL, prelude="", env=None, group=None):
        """Runs a program as a user, after lines of Python that do what a hostile caller does before execve(2)."""
        path = program if "/" in program else str(self.commands / program)
        environment = {"PATH": "/usr/bin:/bin", **(env or {})}
        code = f"import ctypes, os, resource, signal, time\n{prelude}\nos.execve({path!r}, {[Path(path).name, *map(str, arguments)]!r}, {environment!r})"
        return self.inside("setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups", sys.executable, "-c", code)

    def as_user(self, program, *arguments, stdin=b"", check=None, timeout=60, **options):
        result = subprocess.run(self.user_words(program, *arguments, **options), input=stdin, capture_output=True, timeout=timeout)
        if check is not None:
            assert result.returncode == check, f"{program} {arguments}: {result}\n{self.explain()}"
        return result

    def submission(self, recipient="anna", text=b"Subject: direct\n\nx\n"):
        """The bytes that sendmail gives to postdrop, caught by a postdrop of the test's."""
        trap = self.base / "trap"
        trap.mkdir(exist_ok=True)
        (trap / "postdrop").write_text(f"#!/bin/sh\ncat > {trap}/caught\n")
        os.chmod(trap / "postdrop", 0o755)
        (trap / "main.cf").write_text((self.config / "main.cf").read_text() + f"command_directory = {trap}\n")
        (trap / "master.cf").write_text((self.config / "master.cf").read_text())
        subprocess.run(self.inside(self.commands / "sendmail", "-C", trap, "-f", "phil", recipient), input=text, check=True)
        return (trap / "caught").read_bytes()

    def unfinished(self):
        return sorted(p.name for p in (self.queue / "maildrop").glob("*"))
