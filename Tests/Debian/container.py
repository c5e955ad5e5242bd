"""A Debian root booted under systemd-nspawn, with a network of its own that has only loopback, and commands in it."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from debian_roots import Overlay

BOOT_TIMEOUT = 60


def wait_until(question, timeout=30, what=None):
    """Polls until the answer is true, and gives it."""
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"this did not happen in {timeout} s: {what or question.__doc__ or question}")
        time.sleep(0.05)


class Result:
    def __init__(self, status, output, errors):
        self.status = status
        self.output = output
        self.errors = errors

    def __repr__(self):
        return f"status {self.status}\n{self.output}{self.errors}"


class Container:
    def __init__(self, below, base):
        self.overlay = Overlay(below, base)
        self.root = self.overlay.root
        self.base = Path(base)
        self.process = None
        self.init = None

    # -- life

    def boot(self):
        log = open(self.base / "console.log", "ab")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--private-network", "--link-journal=no",
             "--resolv-conf=off", "--timezone=off", "--hostname=mail", "--console=pipe", f"--directory={self.root}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        self.init = wait_until(self._find_init, BOOT_TIMEOUT, "the container has an init")
        self.wait_for_boot()
        return self

    def _find_init(self):
        """The process that is number 1 in a PID namespace below nspawn's process."""
        if self.process.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended: {(self.base / 'console.log').read_text(errors='replace')[-2000:]}")
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                for child in map(int, children):
                    status = Path(f"/proc/{child}/status").read_text()
                    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
                    if numbers[-1] == "1" and len(numbers) > 2 and Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                        return child
                    waiting.append(child)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return None

    def wait_for_boot(self):
        def is_up():
            state = self.run("systemctl", "is-system-running", check=False).output.strip()
            return state in ("running", "degraded") and state
        return wait_until(is_up, BOOT_TIMEOUT, "the container has booted")

    def halt(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)  # nspawn asks the init to power off
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self):
        self.halt()
        self.overlay.close()

    # -- inside

    def run(self, *command, user=None, stdin=None, check=True, environment=None, timeout=120):
        """A command in the container; raises where it fails unless `check` is false."""
        inside = ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--"]
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root",
                     "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb", **(environment or {})}
        inside += ["env", "--chdir=/", "-i", *(f"{name}={value}" for name, value in variables.items())]
        if user:
            inside += ["runuser", "-u", user, "--", "env", f"HOME=/home/{user}", f"USER={user}", f"LOGNAME={user}"]
        result = subprocess.run([*inside, *command], input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout)
        out = Result(result.returncode, result.stdout, result.stderr)
        assert not check or out.status == 0, f"{' '.join(command)}: {out!r}"
        return out

    def shell(self, script, **options):
        return self.run("sh", "-c", script, **options)

    def systemctl(self, *words, **options):
        return self.run("systemctl", *words, **options)

    def property(self, name, unit="martlet.service"):
        return self.systemctl("show", "--property", name, "--value", unit).output.strip()

    def main_pid(self):
        return int(self.property("MainPID"))

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text, mode=0o644):
        # Through the container: what is in its own mounts is not below the root as seen from outside.
        self.run("sh", "-c", f'cat >"$1" && chmod {mode:o} "$1"', "sh", name, stdin=text)

    def read(self, name):
        return self.run("cat", name).output

    def journal(self, unit="martlet.service"):
        """Messages of the unit, oldest first."""
        return self.run("journalctl", "--unit", unit, "--output", "cat", "--no-pager").output

    def journal_entries(self, *matches):
        lines = self.run("journalctl", "--output", "json", "--no-pager", *matches).output.splitlines()
        return [json.loads(line) for line in lines]

    def mailbox(self, user):
        """The messages of /var/mail/USER, each as text."""
        text = self.run("cat", f"/var/mail/{user}", check=False).output
        return ["From " + part for part in ("\n" + text).split("\nFrom ")[1:]]

    def wait_for_mail(self, user, containing, timeout=30):
        def arrived():
            return next((message for message in self.mailbox(user) if containing in message), None)
        try:
            return wait_until(arrived, timeout)
        except AssertionError:
            raise AssertionError(f"no mail with {containing!r} in {user}'s mailbox\n{self.journal()[-3000:]}") from None


def available():
    return os.geteuid() == 0 and all(any((Path(d) / tool).exists() for d in ("/usr/bin", "/usr/sbin"))
                                     for tool in ("systemd-nspawn", "debootstrap", "nsenter"))
