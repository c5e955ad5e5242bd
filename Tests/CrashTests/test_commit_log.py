"""Commit logs after everything died: what a power failure took of the files is made by hand here, so that each case comes about.

A power failure may take any file that is in a log only; nothing else is touched. The transports are deferred, so that mail stays in the queue
until it is looked at.
"""

import fcntl
import os
import shutil
import signal
import smtplib
import subprocess
import threading

import pytest

from breakage import Breakage, Scripts
from commit_log import logged_messages
from harness import BIN, Instance, wait_until
from load import start
from powercut import queued_messages

MESSAGE = "From: phil@sender.test\r\nTo: anna@sender.test\r\nSubject: {0}\r\n\r\n{0}\r\n"

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


STATE = ("incoming", "deferred", "hold", "corrupt", "commit")


def is_free(log):
    with open(log) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


class Logged:
    """An instance with acknowledged mail in a commit log, and everything dead."""

    def __init__(self, directory):
        self.scripts = Scripts(directory)
        self.one = Instance(
            directory / "one", "mail.sender.test", users=["phil", "anna"],
            main={
                "daemon_directory": self.scripts.path, "command_directory": self.scripts.path, "commit_log_size": "262144", "defer_transports": "local",
                "service_throttle_time": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "queue_run_delay": "1s",
            },
        )
        self.acknowledged = []
        self.lock = threading.Lock()
        start(self.one)
        # The log is made when two messages come at a time; a message is in it for five seconds at most.
        wait_until(lambda: self._send(4, 4) or len(self.logged()) >= 12, "messages are in a log", 60, self.one.explain)
        self.kill()

    def _send(self, connections, each):
        def run(number):
            with smtplib.SMTP("127.0.0.1", self.one.port, timeout=60) as client:
                for _ in range(each):
                    with self.lock:
                        subject = f"s{len(self.acknowledged)}"
                        self.acknowledged.append(subject)
                    client.sendmail("phil@sender.test", ["anna@sender.test"], MESSAGE.format(subject))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def logged(self):
        return logged_messages(self.one.queue / "commit")

    def kill(self):
        if self.one.process.poll() is not None:
            return
        os.kill(self.one.process.pid, signal.SIGSTOP)
        processes = [*self.one.children(), self.one.process.pid]
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            for pid in processes:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
        self.one.process.wait()
        # A lock is there until the last thread of its process is gone.
        wait_until(lambda: all(map(is_free, (self.one.queue / "commit").glob("log.*"))), "everything is dead", 20)

    def save(self):
        """The state of the queue, to begin with it again."""
        for name in STATE:
            shutil.rmtree(self.one.base / "saved" / name, ignore_errors=True)
            shutil.copytree(self.one.queue / name, self.one.base / "saved" / name)

    def restore(self):
        for name in STATE:
            shutil.rmtree(self.one.queue / name)
            shutil.copytree(self.one.base / "saved" / name, self.one.queue / name)

    def assert_nothing_is_lost(self, what):
        found = {line[9:].decode() for text in queued_messages(self.one.queue) for line in text.split(b"\r\n") if line.startswith(b"Subject: s")}
        assert set(self.acknowledged) <= found, f"{what}: LOST {set(self.acknowledged) - found}\n{self.one.explain()}"

    def paths(self, message_id):
        return [path for path in (self.one.queue / name / message_id for name in ("incoming", "deferred", "hold")) if path.exists()]

    def lose_files(self, keeps=0):
        """What a power failure may do to files that were not synced: they are gone, or cut."""
        for message_id, _, _ in self.logged():
            for path in self.paths(message_id):
                if keeps:
                    os.truncate(path, keeps)
                else:
                    path.unlink()

    def start(self):
        start(self.one, keeps_ports=True)

    def deliver(self):
        """Everything acknowledged is delivered, whatever was tried before."""
        self.kill()
        self.one.set(defer_transports="")
        self.start()
        self.one.martlet("queue", "release", "ALL")
        self.one.martlet("flush")
        wait_until(lambda: len({m["Subject"] for m in self.one.messages("anna")}) >= len(self.acknowledged), "all is delivered", 60, self.one.explain)
        assert sorted({m["Subject"] for m in self.one.messages("anna")}) == sorted(self.acknowledged)


@pytest.fixture
def logged(directory):
    made = Logged(directory)
    yield made
    made.one.stop()


# The calls of a recovery, in order: the turn, files made again, synced, their names synced, the header.
CALLS = {"flock": (1, 2, 3), "/^rename": (1, 5), "io_submit": (1,), "io_getevents": (1,), "fsync": (1, 3), "pwrite64": (1,), "fdatasync": (1,)}


@needs_strace
@pytest.mark.parametrize("keeps", [0, 100], ids=["gone", "cut"])
@pytest.mark.parametrize("program", ["qmgr", "cleanup"])
def test_recovery_may_die_at_each_of_its_calls(logged, program, keeps):
    logged.lose_files(keeps)
    logged.save()
    happened = []
    for call, number in [(call, number) for call, numbers in CALLS.items() for number in numbers]:
        logged.restore()
        breakage = Breakage(program, call, "KILL", number)
        logged.scripts.give(breakage)
        lock = None
        if program == "cleanup":
            # Without its lock there is no queue manager, which would be there first.
            lock = os.open(logged.one.queue / "incoming", os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        logged.start()
        if program == "cleanup":
            try:
                # Has cleanup started; whether it answers does not matter.
                with smtplib.SMTP("127.0.0.1", logged.one.port, timeout=5) as client:
                    client.sendmail("phil@sender.test", ["nobody@sender.test"], "x")
            except (smtplib.SMTPException, OSError):
                pass
        try:
            wait_until(lambda: logged.scripts.has_happened(breakage) or not logged.logged(), str(breakage), 10)
        except AssertionError:
            pass
        logged.kill()
        if lock is not None:
            os.close(lock)
        if logged.scripts.withdraw(breakage):
            happened.append(f"{call} {number}")
        logged.assert_nothing_is_lost(str(breakage))
    print(f"\n{program} died at {happened}")
    assert len(happened) >= 6, happened
    logged.deliver()


def test_a_log_that_was_cut_is_told_of(logged):
    """By a disk, or by hand: no crash cuts one. What can be read of it is recovered, once."""
    messages = [(message_id, file) for message_id, _, file in logged.logged()]
    logged.lose_files()
    (path,) = [path for path in sorted((logged.one.queue / "commit").glob("log.*")) if messages[0][1][:100] in path.read_bytes()]
    size = path.read_bytes().index(messages[-1][1][:100]) + 10
    os.truncate(path, size)
    text = f"it has {size} bytes of 262144: what was in the others is lost unless it is in the queue"
    checked = logged.one.martlet("queue", "fsck")
    assert checked.returncode == 1 and f"commit/{path.name}: {text} (--repair can mend this)" in checked.stdout.decode(), checked
    logged.start()
    logged.one.wait_for_log(rf"warning: commit log: {path}: {text}")
    wait_until(lambda: all(logged.paths(message_id) for message_id, _ in messages[:-1]), "what was before the cut is recovered", 20, logged.one.explain)
    assert not logged.paths(messages[-1][0])
    assert [kept.name.rsplit(".", 1)[0] for kept in (logged.one.queue / "corrupt").iterdir()] == [path.name]
    logged.kill()
    checked = logged.one.martlet("queue", "fsck")
    assert text not in checked.stdout.decode(), checked
    # The next recovery has nothing to tell.
    logged.one.set(defer_transports="")
    logged.start()
    assert logged.one.wait_for_mail("anna", len(messages) - 1)
    assert logged.one.log().count(text) == 1


def test_what_is_torn_in_hold_is_made_whole_there(logged):
    """The name was moved durably, the content was not."""
    ids = []
    for message_id, _, file in logged.logged():
        for path in logged.paths(message_id):
            path.unlink()
        (logged.one.queue / "hold" / message_id).write_bytes(file[:200])
        ids.append(message_id)
    assert ids
    logged.start()
    wait_until(lambda: not logged.logged(), "the log is recovered", 20, logged.one.explain)
    for message_id in ids:
        assert [path.parent.name for path in logged.paths(message_id)] == ["hold"]
    logged.deliver()


@pytest.mark.parametrize("is_lost", [False, True], ids=["files-there", "files-lost"])
def test_what_is_deleted_while_stopped_after_a_kill_does_not_come_back(logged, is_lost):
    if is_lost:
        logged.lose_files()
    link = logged.one.base / "postsuper"
    link.symlink_to(BIN / "martlet")
    result = subprocess.run([link, "-c", logged.one.config, "-d", "ALL"], capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert b"warning" not in result.stderr
    assert f"Deleted: {len(logged.acknowledged)} messages".encode() in result.stdout + result.stderr
    logged.one.set(defer_transports="")
    logged.start()
    # A later message is the proof that the queue was looked at.
    logged.one.send("phil@sender.test", ["anna@sender.test"], MESSAGE.format("later"))
    assert [m["Subject"] for m in logged.one.wait_for_mail("anna", 1)] == ["later"]
    assert "recovered from the commit log" not in logged.one.log()
