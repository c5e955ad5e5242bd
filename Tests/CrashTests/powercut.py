"""Power cuts: the queue, the maildrop and the mailboxes on a file system in a loop file, of which a copy is made while all is under way.

Why a copy of the backing file is what a power failure leaves: what programs wrote and nobody synced is in the page cache of the inner file
system, above the loop device; the backing file has only what the inner file system sent to its device. A copy of it loses the rest, as a
machine does whose power fails (it has been seen to lose unsynced data, and renames without a sync of their directory). Everything that the
inner file system took for completed is in it, which is a disk without a volatile cache; whether a file system flushes the cache of a disk
where it should is a matter of the kernel and not of ours.

Why the copy is of one moment: the backing file lies on an xfs with reflinks, and is cloned by FICLONE. The clone is made under the lock of the
inode that every write of the loop device needs, too, so no write is half in it or in it out of turn. Programs may go on meanwhile, or be
stopped by SIGSTOP, which makes sure that nothing between the acknowledgement and the clone helps.
"""

import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from commit_log import logged_messages
from harness import Instance, wait_until
from load import WINDOWS, Account, Load, Sink, copy_of, maildir, mbox, settle, start, waiting

FICLONE = 0x40049409

# What mkfs and mount are told for each kind of file system under test.
KINDS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], "128M", "loop"),
    "ext4 data=writeback": (["mkfs.ext4", "-q", "-F"], "128M", "loop,data=writeback"),
    # The copy has the name (UUID) of the original, which is mounted.
    "xfs": (["mkfs.xfs", "-q", "-f"], "320M", "loop,nouuid"),
}

# What a power failure may leave, as the state table says. Nothing else may be found.
ALLOWED_FINDINGS = {"unrecovered", "incomplete", "unfinished-submission", "log-without-message", "note"}


def run(*command):
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def obstacle():
    """Why there can be no power cuts here; None where there can."""
    if os.geteuid() != 0:
        return "power cuts need root, for loop devices and mounts"
    for program in ("mkfs.ext4", "mkfs.xfs", "losetup", "mount"):
        if shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
            return f"power cuts need {program}"
    with_loop = Path("/dev/loop-control").exists()
    return None if with_loop else "power cuts need loop devices"


class Disks:
    """The outer file system, and what is mounted from it."""

    def __init__(self, base):
        self.base = Path(base)
        self.mounted = []
        self.outer = self.base / "outer"
        image = self.base / "outer.img"
        with open(image, "wb") as file:
            file.truncate(6 << 30)
        run("mkfs.xfs", "-q", "-f", "-m", "reflink=1", image)
        self.mount(image, self.outer, "loop")

    def make(self, kind, name):
        """An image with an empty file system."""
        command, size, _ = KINDS[kind]
        image = self.outer / f"{name}.img"
        run("truncate", "-s", size, image)
        run(*command, image)
        return image

    def mount(self, image, place, options):
        place.mkdir(exist_ok=True)
        run("mount", "-o", options, image, place)
        self.mounted.append(place)
        os.chmod(place, 0o755)

    def unmount(self, place):
        def done():
            return subprocess.run(["umount", str(place)], capture_output=True).returncode == 0

        # A process that was killed a moment ago may still have a file open.
        wait_until(done, f"{place} is unmounted", 60)
        self.mounted.remove(place)

    def clone(self, image, copy):
        with open(image, "rb") as source, open(copy, "wb") as target:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())

    def close(self):
        for place in reversed(list(self.mounted)):
            try:
                self.unmount(place)
            except AssertionError as error:
                # Not worth the loss of what the test has found.
                print(error)
                subprocess.run(["umount", "-l", str(place)], capture_output=True)


def queued_messages(queue):
    """The contents of the queue files and submissions in a queue that nobody works on."""
    texts = []
    files = [path.read_bytes() for directory in ("incoming", "deferred", "hold") for path in (queue / directory).iterdir()]
    for data in files + [data for _, _, data in logged_messages(queue / "commit")]:
        if data[:8] != b"MARTLET\n" or data[-16:-12] != b"\nEND" or int.from_bytes(data[-8:], "little") != len(data):
            continue
        offset = int.from_bytes(data[24:32], "little")
        texts.append(data[offset : offset + int.from_bytes(data[32:40], "little")])
    for path in (queue / "maildrop").iterdir():
        data, position, text = path.read_bytes(), len(b"Martlet maildrop 1\n"), b""
        while position + 5 <= len(data):
            kind, length = data[position : position + 1], int.from_bytes(data[position + 1 : position + 5], "little")
            if kind == b"C":
                text += data[position + 5 : position + 5 + length]
            position += 5 + length
            if kind == b"Z" and position == len(data):
                texts.append(text)
    return texts


class PowerCuts:
    """An instance on a disk of its own, its load, and the counts."""

    def __init__(self, directory, seed, kind, cuts_in_one_go=15, preload=None, kills=()):
        """`kills` are programs that die, one after the other, in the moments before each cut."""
        self.kills = kills
        self.directory, self.kind, self.cuts_in_one_go, self.preload = directory, kind, cuts_in_one_go, preload
        self.chance = random.Random(f"{seed} {kind}")
        self.log_size = self.chance.choice([65536, 262144])
        self.disks = Disks(directory)
        self.sinks = []
        self.instance = None
        self.cuts = self.frozen = self.acknowledged = self.checks = self.reported = 0
        self.windows = Counter()
        self.findings = Counter()
        self.slowest = 0.0
        try:
            self.image = self.disks.make(kind, "original")
            self.disks.mount(self.image, directory / "disk", KINDS[kind][2])
            self.sink, self.second_sink = Sink(), Sink()
            self.sinks = [self.sink, self.second_sink]
            self.instance = self._instance(directory / "disk", self.sink, "first.log")
            self.load = Load(self.instance, self.chance, pause=0.05, most_queued=40)
            start(self.instance)
        except BaseException:
            self.close()
            raise

    def _instance(self, disk, sink, log):
        # The log is not on the disk: what it says was done must be there after the power failure.
        instance = Instance(
            disk / "one", "mail.sender.test", users=["phil", "anna", "postmaster"], aliases={"boxer": f"{disk}/one/mail/boxer.mbox"},
            main={
                "maillog_file": self.directory / log, "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "queue_run_delay": "1s",
                "transport_retry_time": "1s", "maximal_queue_lifetime": "1h",
                # Small, so that they are full again and again; the smallest are hardly ever not being settled.
                "commit_log_size": self.log_size,
                # Of a lock file that was just made the power failure may leave the name alone, and then only its age tells that it is nobody's.
                "stale_lock_time": "1s",
                "transport_maps": f"inline:{{remote.test=smtp:[127.0.0.1]:{sink.port}}}",
            },
        )
        instance.log_path = self.directory / log
        if self.preload:
            instance.set(import_environment=f"PATH LD_PRELOAD={self.preload}")
        return instance

    def close(self):
        for sink in self.sinks:
            sink.stop()
        if self.instance and self.instance.process:
            self._kill(self.instance)
        self.disks.close()

    def _kill(self, instance):
        self._signal([instance.process.pid], signal.SIGSTOP)
        processes = [*instance.children(), instance.process.pid]
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            self._signal(processes, sig)
        instance.process.wait()

    def _signal(self, processes, sig):
        for pid in processes:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    # Cutting

    def run(self, count, deadline=None):
        """That many cuts, or as many as there is time for."""
        while count > 0 and (deadline is None or time.monotonic() < deadline):
            self.load.start()
            try:
                for _ in range(min(count, self.cuts_in_one_go)):
                    time.sleep(self.chance.uniform(0.1, 0.7))
                    for program in self.kills:
                        self.instance.kill_children(program)
                        time.sleep(self.chance.uniform(0, 0.3))
                    self.cut(freezes=self.chance.random() < 0.5)
                    count -= 1
                    if deadline is not None and time.monotonic() > deadline:
                        break
            finally:
                self.load.stop()
            acknowledged, windows, _ = settle(self.instance, self.sink, self.load)
            assert self.kills or not windows["D2"] and not windows["D3"] and not windows["D4"], f"more than once although nothing failed: {windows}"
            self.acknowledged += acknowledged

    def cut(self, freezes):
        copy = self.disks.outer / "copy.img"
        processes = []
        if freezes:
            # master first: a child that it starts in the middle would escape.
            os.kill(self.instance.process.pid, signal.SIGSTOP)
            processes = [*self.instance.children(), self.instance.process.pid]
            self._signal(processes, signal.SIGSTOP)
        # In this order: everything in these accounts was said before the power failed.
        with self.load.lock:
            acknowledged, refused, by_sendmail = dict(self.load.acknowledged), set(self.load.refused), set(self.load.by_sendmail)
        log = self.instance.log_path.read_bytes()
        self.disks.clone(self.image, copy)
        # What the other host has by now is out of danger, whether the queue knows that or not.
        sent = list(self.sink.received)
        self._signal(processes, signal.SIGCONT)
        self.load.is_paused = True
        self.cuts += 1
        self.frozen += freezes
        place = self.directory / "copy"
        self.disks.mount(copy, place, KINDS[self.kind][2])
        try:
            self.recover(place, acknowledged, refused, by_sendmail, log, sent)
        finally:
            self.disks.unmount(place)
            copy.unlink()
            self.load.is_paused = False

    def recover(self, place, acknowledged, refused, by_sendmail, log, sent):
        begun = time.monotonic()
        second = self._instance(place, self.second_sink, "second.log")
        second.log_path.write_bytes(b"")
        self.second_sink.received.clear()
        self.check_at_rest(second, acknowledged, log, sent)
        # A power failure comes with another start of the machine, which the lock file of a mailbox names.
        lock = second.mail / "boxer.mbox.lock"
        if lock.exists() and lock.read_bytes().count(b" ") == 2:
            lock.write_text(" ".join([*lock.read_text().split()[:2], "another-start"]) + "\n")
        start(second)
        try:
            second.martlet("flush")
            wait_until(lambda: not waiting(second), "the copy's queue becomes empty", 60, lambda: f"{waiting(second)}\n{second.explain()}")
            account = Account()
            account.note_mailboxes(second.mail)
            account.note("sent", sent)
            account.note("sent", self.second_sink.received)
            # What a sender had not been told of when the power failed may be there or not.
            unsaid = {token for token in account.found if token not in acknowledged}
            self.windows += account.judge(acknowledged, refused | unsaid, by_sendmail, second.explain)
            self.checks += len(acknowledged)
        finally:
            self._kill(second)
        self.slowest = max(self.slowest, time.monotonic() - begun)

    def check_at_rest(self, second, acknowledged, log, sent):
        """What is on the copy before anything has touched it."""
        account = Account()
        account.note_mailboxes(second.mail)
        account.note("sent", sent)
        assert not account.torn, f"torn by the power failure: {account.torn}"
        queued = queued_messages(second.queue)
        waiting = {known[0] for known in map(copy_of, queued) if known and known[1].is_whole}
        lost = {token: kinds for token, kinds in account.lost(acknowledged).items() if token not in waiting}
        assert not lost, f"LOST, neither delivered nor queued: {lost}\n{self.instance.explain()}"
        # A delivery that was reported as done is durable, too.
        for user, texts in (("anna", maildir(second.mail / "anna")), ("boxer", mbox(second.mail / "boxer.mbox"))):
            there = {known[1].queue_id for known in map(copy_of, texts) if known and known[1].is_whole}
            said = {m[1].decode() for m in re.finditer(rb"local\[\d+\]: (\w+): to=<%s@sender.test>.* status=sent " % user.encode(), log)}
            assert said <= there, f"LOST, reported as delivered to {user}: {said - there}\n{self.instance.explain()}"
            self.reported += len(said)
        result = second.martlet("queue", "fsck", "--json")
        report = json.loads(result.stdout)
        kinds = Counter(finding["kind"] for finding in report["findings"])
        self.findings += kinds
        assert set(kinds) <= ALLOWED_FINDINGS, f"{report}\n{result.stderr.decode()}"

    def summary(self):
        return (
            f"{self.kind}: {self.cuts} power cuts ({self.frozen} with everything stopped), {self.acknowledged} messages acknowledged, checked {self.checks} times,"
            f" lost 0; {self.reported} times a delivery that was said to be done was looked for, lost 0; more than once: "
            + ", ".join(f"{w} {self.windows[w]}" for w in WINDOWS)
            + f"; left by the cuts: {dict(self.findings)}; slowest recovery {self.slowest:.1f} s"
        )
