"""Private instances of the built programs, and a real name server beside them, for the system tests.

Everything lives under a temporary directory and on loopback ports that were free a moment before. Nothing sleeps to be right: waiting is
polling for a condition with a deadline, and a deadline that passes fails with the logs.
"""

import itertools
import mailbox
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import textwrap
import time
from email import policy
from email.parser import BytesParser
from pathlib import Path

from commit_log import logged_messages

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("MARTLET_BIN", ROOT / ".build" / "debug"))
PATIENCE = float(os.environ.get("MARTLET_TEST_PATIENCE", "30"))
_taken = set()


def free_port():
    """A loopback port that nobody listens on, not given out before in this run (below the ephemeral range, so that no client takes it)."""
    for port in itertools.chain(range(20000 + os.getpid() % 5000, 32000), range(12000, 20000)):
        if port in _taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        return port
    raise RuntimeError("no free port")


def wait_until(condition, what, patience=None, context=None):
    """Polls until condition() is true and returns its value; fails with `what` and context() otherwise."""
    deadline = time.monotonic() + (patience or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen: {what}\n{context() if context else ''}")
        time.sleep(0.02)


class Instance:
    """One complete mail system: its own configuration, queue, ports and mailboxes."""

    def __init__(self, base, hostname, users=(), dns_port=None, main=None, master=None, smtpd_options=(), aliases=None, extra_tables=None):
        self.base = Path(base)
        self.base.mkdir(parents=True, exist_ok=True)
        os.chmod(self.base, 0o755)
        self.hostname = hostname
        self.domain = hostname.split(".", 1)[1] if hostname.count(".") > 1 else hostname
        self.config = self.base / "etc"
        self.queue = self.base / "queue"
        self.mail = self.base / "mail"
        self.log_path = self.base / "mail.log"
        self.port = free_port()
        self.submission_port = free_port()
        for directory in (self.config, self.queue, self.mail):
            directory.mkdir(exist_ok=True)
        # Delivery to files happens without root's rights.
        os.chmod(self.mail, 0o777)
        self.aliases = {user: f"{self.mail}/{user}/" for user in users}
        self.aliases.update(aliases or {})
        self.dns_port = dns_port
        self.settings = {
            "queue_directory": self.queue,
            "daemon_directory": BIN,
            "command_directory": BIN,
            "data_directory": self.base,
            "maillog_file": self.log_path,
            "mail_owner": _user_name(),
            "myhostname": hostname,
            "mydomain": self.domain,
            "myorigin": "$mydomain",
            "mydestination": "$myhostname, $mydomain, localhost",
            "mynetworks": "127.0.0.0/8 [::1]/128",
            "inet_interfaces": "127.0.0.1",
            "alias_maps": f"texthash:{self.config}/aliases",
            "local_recipient_maps": "$alias_maps",
            "smtp_helo_timeout": "20s",
            "smtpd_peername_lookup": "no",
        }
        if dns_port:
            self.settings["resolver_nameservers"] = f"127.0.0.1@{dns_port}"
        self.settings.update(main or {})
        self.smtpd_options = list(smtpd_options)
        self.master_extra = master or ""
        self.process = None
        for name, text in (extra_tables or {}).items():
            (self.config / name).write_text(text)
        self.write_configuration()

    # Configuration

    def write_configuration(self):
        (self.config / "aliases").write_text("".join(f"{name} {value}\n" for name, value in self.aliases.items()))
        (self.config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in self.settings.items()))
        options = "".join(f"\n    -o {option}" for option in self.smtpd_options)
        (self.config / "master.cf").write_text(
            textwrap.dedent(
                f"""\
                # service type private unpriv chroot wakeup maxproc command
                127.0.0.1:{self.port} inet n n n - - smtpd{options}
                127.0.0.1:{self.submission_port} inet n n n - - smtpd
                    -o syslog_name=martlet/submission
                pickup unix n n n 60 1 pickup
                cleanup unix n n n - 0 cleanup
                qmgr unix n n n 300 1 qmgr
                bounce unix - n n - 1 bounce
                resolver unix - n n - 1 resolver
                smtp unix - n n - - smtp
                relay unix - n n - - smtp
                lmtp unix - n n - - smtp
                local unix - n n - - local
                """
            )
            + self.master_extra
        )

    def set(self, **parameters):
        self.settings.update(parameters)
        self.write_configuration()

    # Life

    def start(self):
        self.process = subprocess.Popen(
            [str(BIN / "master"), "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        wait_until(self.is_listening, f"{self.hostname} listens on port {self.port}", context=self.explain)
        return self

    def is_listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f"master ended with status {self.process.returncode}: {self.process.stdout.read().decode()}\n{self.explain()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self, patience=20):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"master did not stop within {patience} s\n{self.explain()}") from None
        return self.process.returncode if self.process else None

    def kill_children(self, command, sig=signal.SIGKILL):
        """Kills this instance's processes of one program; returns how many there were."""
        count = 0
        for pid in self.children(command):
            try:
                os.kill(pid, sig)
                count += 1
            except ProcessLookupError:
                # It ended by itself a moment ago.
                pass
        return count

    def children(self, command=None):
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text()
                parent = int(stat.rsplit(")", 1)[1].split()[1])
                name = stat.split("(", 1)[1].rsplit(")", 1)[0]
            except (OSError, IndexError, ValueError):
                continue
            if parent == self.process.pid and (command is None or name == command):
                found.append(int(entry.name))
        return found

    # Commands

    def command(self, name, *arguments, stdin=b"", check=None, env=None):
        environment = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(self.config), **(env or {})}
        result = subprocess.run([BIN / name, *map(str, arguments)], input=stdin, capture_output=True, env=environment, timeout=60)
        if check is not None:
            assert result.returncode == check, f"{name} {arguments}: status {result.returncode}, {result.stderr.decode()}{self.explain()}"
        return result

    def sendmail(self, *arguments, stdin, check=0):
        return self.command("sendmail", *arguments, stdin=stdin, check=check)

    def martlet(self, *arguments, check=None):
        return self.command("martlet", *arguments, check=check)

    def mailq(self):
        return self.command("postqueue", "-p", check=0).stdout.decode()

    # SMTP

    def smtp(self, port=None, **options):
        return smtplib.SMTP("127.0.0.1", port or self.port, timeout=PATIENCE, **options)

    def send(self, sender, recipients, message, port=None, **options):
        """Sends by SMTP with Python's smtplib; returns the refused recipients."""
        with self.smtp(port) as client:
            return client.sendmail(sender, recipients, message, **options)

    # What came of it

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for_log(self, pattern, count=1, patience=None):
        """The matches of a regular expression in the log, once there are at least `count`."""

        def matches():
            found = list(re.finditer(pattern, self.log(), re.MULTILINE))
            return found if len(found) >= count else None

        return wait_until(matches, f"{count} x /{pattern}/ in the log of {self.hostname}", patience, self.explain)

    def messages(self, user):
        """The messages in a user's Maildir, parsed."""
        path = self.mail / user
        parser = BytesParser(policy=policy.default)
        # glob: the directories are made one by one while this looks.
        return [parser.parsebytes(p.read_bytes()) for folder in ("new", "cur") for p in sorted((path / folder).glob("*"))]

    def raw_messages(self, user):
        path = self.mail / user / "new"
        return [p.read_bytes() for p in sorted(path.iterdir())] if path.is_dir() else []

    def wait_for_mail(self, user, count=1, patience=None):
        wait_until(lambda: len(self.messages(user)) >= count, f"{count} message(s) for {user} at {self.hostname}", patience, self.explain)
        return self.messages(user)

    def queue_files(self):
        return {d: sorted(p.name for p in (self.queue / d).glob("*") if p.is_file() and p.suffix != ".tmp") for d in ("maildrop", "incoming", "deferred", "hold", "corrupt") if (self.queue / d).is_dir()}

    def wait_until_empty(self, patience=None):
        # What is delivered at once is in a commit log alone.
        wait_until(lambda: not any(self.queue_files().values()) and not logged_messages(self.queue / "commit"), f"queue of {self.hostname} is empty", patience, lambda: f"{self.queue_files()}\n{self.explain()}")

    def explain(self):
        return f"--- log of {self.hostname} ---\n{self.log()[-12000:]}\n--- queue: {self.queue_files()} ---"


def _user_name():
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


class NameServer:
    """A real NSD on loopback, serving the zones given as texts."""

    def __init__(self, base, zones):
        self.base = Path(base)
        self.base.mkdir(parents=True, exist_ok=True)
        os.chmod(self.base, 0o755)
        self.port = free_port()
        self.zones = dict(zones)
        self.process = None

    def start(self):
        sections = []
        for zone, text in self.zones.items():
            name = zone.rstrip(".") + ".zone"
            head = f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 60\n@ NS ns.{zone}.\nns A 127.0.0.1\n"
            if zone.endswith("in-addr.arpa"):
                head = f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.test. hostmaster.test. 1 3600 600 86400 60\n@ NS ns.test.\n"
            if "SOA" in text:
                # A whole zone, such as a signed one.
                head = ""
            (self.base / name).write_text(head + textwrap.dedent(text))
            sections.append(f'zone:\n  name: "{zone}"\n  zonefile: "{name}"\n')
        (self.base / "nsd.conf").write_text(
            textwrap.dedent(
                f"""\
                server:
                  ip-address: 127.0.0.1@{self.port}
                  username: "{_user_name()}"
                  zonesdir: "{self.base}"
                  database: ""
                  pidfile: "{self.base}/nsd.pid"
                  xfrdfile: "{self.base}/xfrd.state"
                  zonelistfile: "{self.base}/zone.list"
                  server-count: 1
                remote-control:
                  control-enable: no
                """
            )
            + "".join(sections)
        )
        program = shutil.which("nsd") or "/usr/sbin/nsd"
        self.process = subprocess.Popen(
            [program, "-d", "-c", str(self.base / "nsd.conf")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.base / "nsd.log", "wb")
        )
        wait_until(self._answers, "nsd answers", context=lambda: (self.base / "nsd.log").read_text())
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.base / "nsd.log").read_text()
        query = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"".join(bytes([len(l)]) + l.encode() for l in next(iter(self.zones)).split(".")) + b"\x00\x00\x06\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            try:
                s.sendto(query, ("127.0.0.1", self.port))
                return s.recv(512)
            except OSError:
                return None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
