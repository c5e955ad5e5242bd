"""Debian's Postfix as the one that says how its commands behave: each command runs in a root of its own (see peers.py) and here, in two copies
of the same directory, and what comes out is compared byte for byte."""

import os
import re
import shutil
import subprocess

from harness import BIN
from peers import Peer

NAMES = ["postfix", "postconf", "postmap", "postalias", "postsuper", "postcat", "qshape"]


class PostfixCommands(Peer):
    """Postfix installed in a root of its own; nothing listens."""

    package = "postfix postfix-lmdb"

    def __init__(self, base):
        super().__init__(base, "reference.test")

    def configure(self):
        return "set -e\nmkdir -p /srv/peer/work\nchmod 777 /srv/peer /srv/peer/work\n"

    def run(self):
        return "touch /srv/peer/ready\nexec sleep 100000\n"

    def is_listening(self):
        assert self.process.poll() is None, self.explain()
        return (self.base / "shared" / "ready").exists()


def classic_names(directory):
    """Links to `martlet` under the names of Postfix's commands, as the package installs them."""
    directory.mkdir(exist_ok=True)
    for name in NAMES:
        (directory / name).symlink_to(BIN / "martlet")
    return directory


class Pair:
    """One directory here and a copy of it at Postfix."""

    def __init__(self, reference, base, files):
        self.reference = reference
        self.here = base / "here"
        self.there = reference.base / "shared" / "work"
        self.bin = classic_names(base / "bin")
        shutil.rmtree(self.there, ignore_errors=True)
        for directory in (self.here, self.there):
            directory.mkdir()
            os.chmod(directory, 0o755)
            for name, content in files.items():
                (directory / name).write_text(content)

    def run_here(self, *words, stdin=b""):
        # One name for both directories.
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "MAIL_CONFIG": "."}
        return subprocess.run([str(self.bin / words[0]), *words[1:]], input=stdin, capture_output=True, cwd=self.here, env=environment, timeout=60)

    def run_there(self, *words, stdin=b""):
        script = 'cd /srv/peer/work; export PATH=/usr/sbin:/usr/bin:/sbin:/bin MAIL_CONFIG=.; exec "$@"'
        return self.reference.inside("sh", "-c", script, "sh", *words, stdin=stdin)

    def differences(self, words, stdin=b"", lines_in_order=True):
        """What differs between the two, in words; empty where nothing does."""
        here, there = self.run_here(*words, stdin=stdin), self.run_there(*words, stdin=stdin)
        found = []
        if here.returncode != there.returncode:
            found.append(f"status {here.returncode}, Postfix {there.returncode}")
        for name in ("stdout", "stderr"):
            ours, theirs = (getattr(r, name).decode().splitlines() for r in (here, there))
            if name == "stderr":
                # Postfix says some things once for each table it looks a name up in, in the order of a hash table.
                ours, theirs = sorted(set(map(usage, ours))), sorted(set(map(usage, theirs)))
                # It reads main.cf a second time, on top of the first, and warns of the first entries then.
                again = [line for line in theirs if "overriding earlier entry" in line and line not in ours]
                if any("overriding earlier entry" in line for line in ours):
                    theirs = [line for line in theirs if line not in again]
            elif not lines_in_order:
                ours, theirs = sorted(ours), sorted(theirs)
            if ours != theirs:
                found.append(f"{name}\n  ours     {ours}\n  Postfix's {theirs}")
        return [f"{' '.join(words)}: {text}" for text in found]


def usage(line):
    """Usage lines name options that are not there; that they are usage lines is all that matters."""
    return re.sub(r"(fatal: usage:) .*", r"\1", line)
