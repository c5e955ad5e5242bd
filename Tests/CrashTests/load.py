"""Mail for the crash tests: messages that prove by themselves that they are whole, what was acknowledged of them, and what became of them.

Each message goes to a Maildir, to an mbox, to another host, and to an address there that fails, so that each leads to four results. The last
line of a body is a checksum of the lines before it: whoever has the message can tell whether it is whole, without asking the sender.
A result that is there more than once is put down to the window of ARCHITECTURE.md that explains it, and is an error where none does.
"""

import hashlib
import os
import re
import smtplib
import subprocess
import threading
import time
from collections import Counter, namedtuple
from pathlib import Path

from aiosmtpd.controller import Controller

from commit_log import logged_messages
from harness import BIN, free_port, wait_until

ADDRESSES = {"anna@sender.test": "delivered", "boxer@sender.test": "boxed", "matt@remote.test": "sent", "nobody@remote.test": "reported"}
KINDS = list(ADDRESSES.values())
# By window, as counted here: D1 (no 250, and there all the same), D2 (one queue file delivered twice), D3 (reported twice),
# D4 (one submission became two queue files).
WINDOWS = ("D1", "D2", "D3", "D4")

TOKEN = re.compile(rb"^Subject: (token\d+x)\r?$", re.MULTILINE)
QUEUE_ID = re.compile(rb"^Received: [^\n]*(?:\n[ \t][^\n]*)*?\bid ([0-9A-Za-z]+);", re.MULTILINE)
REPORTED_ID = re.compile(rb"^X-Martlet-Queue-ID: ([0-9A-Za-z]+)", re.MULTILINE)

Copy = namedtuple("Copy", "queue_id original is_whole")


def body(token, size):
    """About `size` octets of lines that depend on the token, and their checksum."""
    lines = [token]
    seed = token.encode()
    while sum(map(len, lines)) < size:
        seed = hashlib.sha256(seed).digest()
        lines.append(seed.hex())
        # Long messages need not cost long computations.
        lines.extend([seed.hex()[::-1]] * (size // 4096))
    return "\n".join(lines) + "\nsum " + hashlib.sha256("\n".join(lines).encode()).hexdigest() + "\n"


def is_whole(text):
    """Whether a message ends with a body that is what its sender made."""
    _, _, content = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    lines, mark, checksum = content.rstrip(b"\n").rpartition(b"\nsum ")
    return bool(mark) and hashlib.sha256(lines).hexdigest().encode() == checksum


def copy_of(text):
    """Token and facts of a message as it was found; None where it is none of ours."""
    head = text.split(b"\n\n", 1)[0] if b"\r\n" not in text[:200] else text.split(b"\r\n\r\n", 1)[0]
    received = QUEUE_ID.search(head)
    token = TOKEN.search(text)
    if not token:
        return None
    reported = REPORTED_ID.search(text)
    return token[1].decode(), Copy(received[1].decode() if received else None, reported[1].decode() if reported else None, bool(reported) or is_whole(text))


def maildir(path):
    folder = Path(path) / "new"
    texts = []
    for name in folder.iterdir() if folder.is_dir() else []:
        texts.append(name.read_bytes())
    return texts


def mbox(path):
    if not Path(path).exists():
        return []
    return [b"From " + part for part in re.split(rb"(?:^|\n)From (?=\S+  \S)", Path(path).read_bytes())[1:]]


class Sink:
    """The other host."""

    def __init__(self, port=None):
        self.received = []
        self.port = port or free_port()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, server_hostname="mail.remote.test")
        self.controller.start()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        self.received.append(envelope.content)
        return "250 2.0.0 Ok"

    def stop(self):
        self.controller.stop()


class Load:
    """Senders that go on sending until they are told to stop."""

    def __init__(self, instance, chance, smtp_senders=2, sendmail_senders=1, pause=0.02, most_queued=60):
        self.instance, self.chance = instance, chance
        self.pause, self.most_queued = pause, most_queued
        self.kinds = [self._send_by_smtp] * smtp_senders + [self._send_by_sendmail] * sendmail_senders
        self.lock = threading.Lock()
        # By token, the results that are to come.
        self.acknowledged = {}
        self.refused = set()
        self.by_sendmail = set()
        self.count = 0
        self.total = 0
        self.threads = []
        self.is_stopping = False
        # While something else needs the processors; what is under way goes on.
        self.is_paused = False

    def start(self):
        self.is_stopping = False
        self.threads = [threading.Thread(target=self._run, args=(kind,), daemon=True) for kind in self.kinds]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_stopping = True
        for thread in self.threads:
            thread.join()

    def forget(self):
        """Begins a new account; everything up to here was checked."""
        self.acknowledged, self.refused, self.by_sendmail = {}, set(), set()

    def _run(self, kind):
        while not self.is_stopping:
            if self.is_paused or self.queued() >= self.most_queued:
                time.sleep(0.05)
                continue
            kind()
            time.sleep(self.pause)

    def queued(self):
        count = 0
        for name in ("maildrop", "incoming", "deferred"):
            try:
                count += sum(1 for _ in (self.instance.queue / name).iterdir())
            except OSError:
                pass
        return count + len(logged_messages(self.instance.queue / "commit"))

    def _message(self):
        with self.lock:
            self.count += 1
            token = f"token{self.count}x"
            # The last size is more than cleanup writes in one go, and more than smtpd keeps to itself.
            size = self.chance.choices([800, 6000, 30_000, 400_000], [60, 30, 8, 2])[0]
        return token, f"From: phil@sender.test\nTo: anna@sender.test\nSubject: {token}\n\n{body(token, size)}"

    def _acknowledge(self, token, kinds):
        with self.lock:
            self.acknowledged[token] = kinds
            self.total += 1

    def _send_by_smtp(self):
        tokens = []
        try:
            with smtplib.SMTP("127.0.0.1", self.instance.port, timeout=60) as client:
                for _ in range(3):
                    token, text = self._message()
                    tokens.append(token)
                    refused = client.sendmail("phil@sender.test", list(ADDRESSES), text)
                    # Here and not later: what happens to the connection after 250 does not matter.
                    self._acknowledge(token, [kind for address, kind in ADDRESSES.items() if address not in refused])
        except (smtplib.SMTPException, OSError):
            pass
        with self.lock:
            self.refused.update(token for token in tokens if token not in self.acknowledged)

    def _send_by_sendmail(self):
        token, text = self._message()
        with self.lock:
            self.by_sendmail.add(token)
        environment = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(self.instance.config)}
        command = [str(BIN / "sendmail"), "-i", "-f", "phil@sender.test", *ADDRESSES]
        status = subprocess.run(command, input=text.encode(), capture_output=True, env=environment, timeout=120).returncode
        if status == 0:
            self._acknowledge(token, KINDS)
        else:
            with self.lock:
                self.refused.add(token)


class Account:
    """What is there, held against what was acknowledged."""

    def __init__(self):
        # token -> kind -> copies
        self.found = {}
        self.torn = []

    def note(self, kind, texts):
        for text in texts:
            known = copy_of(text)
            if known is None:
                continue
            token, copy = known
            # Half a message in an mbox is what the death of its writer leaves; the next attempt put a whole one behind it.
            if not copy.is_whole:
                if kind != "boxed":
                    self.torn.append((kind, token, copy.queue_id))
                continue
            self.found.setdefault(token, {}).setdefault(kind, []).append(copy)

    def note_mailboxes(self, mail):
        self.note("delivered", maildir(mail / "anna"))
        self.note("boxed", mbox(mail / "boxer.mbox"))
        self.note("reported", maildir(mail / "phil"))

    def lost(self, acknowledged):
        return {t: [k for k in kinds if not self.found.get(t, {}).get(k)] for t, kinds in acknowledged.items() if any(not self.found.get(t, {}).get(k) for k in kinds)}

    def judge(self, acknowledged, refused, by_sendmail, explain):
        """Fails where something is lost, torn or unexplained; returns the duplicates by window."""
        lost = self.lost(acknowledged)
        assert not lost, f"LOST: {lost}\n{explain()}"
        assert not self.torn, f"torn: {self.torn}\n{explain()}"
        windows, unexplained = self.duplicates(acknowledged, refused, by_sendmail)
        assert not unexplained, f"more than once, in no window: {unexplained}\n{explain()}"
        return windows

    def duplicates(self, acknowledged, refused, by_sendmail):
        """Counts by window, and what no window explains."""
        windows, unexplained = Counter(), []
        windows["D1"] += sum(1 for token in refused if token in self.found)
        for token in [*acknowledged, *refused]:
            for kind, copies in self.found.get(token, {}).items():
                if len(copies) < 2:
                    continue
                files = {copy.queue_id for copy in copies}
                windows["D2"] += len(copies) - len(files)
                if kind == "reported":
                    originals = {copy.original for copy in copies}
                    windows["D3"] += len(files) - len(originals)
                else:
                    originals = files
                if len(originals) > 1:
                    if token in by_sendmail:
                        windows["D4"] += len(originals) - 1
                    else:
                        unexplained.append((token, kind, sorted(map(str, originals))))
        return windows, unexplained


def start(instance, keeps_ports=False):
    """Starts an instance and makes sure that it is this one that listens. A connection alone proves nothing: a port may have gone to somebody else,
    or be held for a while by the children of a master that was killed."""
    deadline = time.monotonic() + 60
    while True:
        before = instance.log().count("daemon started")
        try:
            instance.start()
            wait_until(lambda: instance.is_listening() and instance.log().count("daemon started") > before, "master is up", 20, instance.explain)
            return
        except AssertionError as failure:
            if "Address already in use" not in str(failure) or time.monotonic() > deadline:
                raise
        if not keeps_ports:
            instance.port, instance.submission_port = free_port(), free_port()
            instance.write_configuration()
        time.sleep(0.2)


def waiting(instance):
    """The files of the queue that are messages or may become some, and what is in a commit log and not done. An empty file in incoming is
    none: its writer died between creating and locking it, and the queue manager removes it after 10 s, in case the writer lives."""
    found = []
    for directory in ("maildrop", "incoming", "deferred", "hold", "corrupt"):
        try:
            for entry in os.scandir(instance.queue / directory):
                if not entry.name.endswith(".tmp") and not (directory == "incoming" and entry.stat().st_size == 0):
                    found.append(f"{directory}/{entry.name}")
        except FileNotFoundError:
            # It went on while this looked.
            found.append(directory)
    return found + [f"commit/{message_id}" for message_id, _, _ in logged_messages(instance.queue / "commit")]


def settle(instance, sink, load, patience=120):
    """Waits until the queue is empty, holds what is there against what was acknowledged, and begins a new account.

    Returns how many messages were acknowledged, the duplicates by window, and how long the queue took."""
    begun = time.monotonic()

    def is_empty():
        # An order to hold that came while a delivery was under way is carried out at its end.
        if any((instance.queue / "hold").iterdir()):
            instance.martlet("queue", "release", "ALL")
        return not waiting(instance)

    wait_until(is_empty, "the queue becomes empty", patience, lambda: f"{waiting(instance)}\n{instance.explain()}")
    took = time.monotonic() - begun
    account = Account()
    account.note_mailboxes(instance.mail)
    account.note("sent", sink.received)
    windows = account.judge(load.acknowledged, load.refused, load.by_sendmail, instance.explain)
    count = len(load.acknowledged)
    # What was checked is taken out of the mailboxes, as a reader of mail would.
    load.forget()
    for user in ("anna", "phil"):
        for path in (instance.mail / user / "new").glob("*"):
            path.unlink()
    (instance.mail / "boxer.mbox").unlink(missing_ok=True)
    sink.received.clear()
    instance.log_path.write_bytes(b"")
    return count, windows, took
