"""An installation as root has it: the shipped master.cf with an account for each role, programs jailed and without rights. The accounts are
some of Debian's own that nothing else uses here; postdrop and postqueue are set-group-id copies."""

import grp
import os
import pwd
import re
import shutil
from pathlib import Path

from harness import BIN, ROOT, Instance

MAIL_OWNER, NETWORK_OWNER, SUBMISSION_GROUP, NOBODY = "games", "irc", "lp", "nobody"


def available():
    try:
        for name in (MAIL_OWNER, NETWORK_OWNER, NOBODY):
            pwd.getpwnam(name)
        grp.getgrnam(SUBMISSION_GROUP)
    except KeyError:
        return False
    return os.geteuid() == 0


class Installation(Instance):
    """An instance of root's. `services` are lines for master.cf beside the shipped ones."""

    def __init__(self, base, hostname, services="", main=None, **options):
        self.services = services
        self.commands = Path(base) / "sbin"
        super().__init__(
            base, hostname,
            main={
                "mail_owner": MAIL_OWNER, "network_owner": NETWORK_OWNER, "setgid_group": SUBMISSION_GROUP, "default_privs": NOBODY,
                **(main or {}),
            },
            **options,
        )
        self.commands.mkdir()
        for name in ("postdrop", "postqueue"):
            shutil.copy(BIN / name, self.commands / name)
            os.chown(self.commands / name, 0, grp.getgrnam(SUBMISSION_GROUP).gr_gid)
            os.chmod(self.commands / name, 0o2755)

    def configuration_for_users(self):
        """The configuration with the set-group-id commands, for where they look for one: in /etc/martlet only."""
        path = self.base / "etc-for-users"
        shutil.copytree(self.config, path)
        with (path / "main.cf").open("a") as file:
            file.write(f"command_directory = {self.commands}\n")
        return path

    def write_configuration(self):
        super().write_configuration()
        shipped = (ROOT / "etc" / "master.cf").read_text()
        changed, count = re.subn(r"^smtp  +inet", f"127.0.0.1:{self.port} inet", shipped, flags=re.MULTILINE)
        assert count == 1, shipped
        (self.config / "master.cf").write_text(changed + self.services)


class Process:
    """What /proc says of a process."""

    def __init__(self, pid):
        self.pid = pid
        self.path = Path("/proc", str(pid))
        self.status = dict(line.split(":\t", 1) for line in (self.path / "status").read_text().splitlines() if ":\t" in line)
        self.name = self.status["Name"]

    def ids(self, field):
        """Real, effective, saved and file system id."""
        return [int(word) for word in self.status[field].split()]

    @property
    def groups(self):
        return [int(word) for word in self.status["Groups"].split()]

    def capabilities(self, kind):
        return int(self.status[f"Cap{kind}"], 16)

    @property
    def is_dumpable(self):
        # What is not dumpable belongs to root in /proc (proc(5)).
        return (self.path / "environ").stat().st_uid == self.ids("Uid")[1]

    @property
    def root(self):
        return os.readlink(self.path / "root")

    @property
    def umask(self):
        return int(self.status["Umask"], 8)

    def descriptors(self):
        """{number: (what it is, open flags)}"""
        found = {}
        for entry in (self.path / "fd").iterdir():
            try:
                target = os.readlink(entry)
                flags = int(re.search(r"^flags:\t(\d+)", (self.path / "fdinfo" / entry.name).read_text(), re.MULTILINE).group(1), 8)
            except OSError:
                continue  # closed while this looks
            found[int(entry.name)] = (target, flags)
        return found

    def limit(self, name):
        """The soft and the hard limit."""
        line = next(line for line in (self.path / "limits").read_text().splitlines() if line.startswith(name))
        return line[len(name) :].split()[:2]

    def environment(self):
        return dict(item.split("=", 1) for item in (self.path / "environ").read_bytes().decode().split("\0") if "=" in item)
