"""martlet queue fsck, the version of the queue, and the rights that postdrop needs to make a submission durable."""

import json
import os
import pwd
import re
import shutil
import subprocess

import pytest

from harness import BIN, Instance, wait_until

MESSAGE = b"Subject: test\n\nbody\n"


@pytest.fixture
def stopped(tmp_path):
    """An instance that was started and stopped, with a message on hold, a deferred one, and a submission."""
    made = Instance(tmp_path / "one", "mail.sender.test", users=["phil"], main={"defer_transports": "local", "minimal_backoff_time": "1h", "maximal_backoff_time": "1h"})
    made.start()
    made.sendmail("-f", "phil@sender.test", "phil@sender.test", stdin=MESSAGE)
    made.sendmail("-f", "phil@sender.test", "phil@sender.test", stdin=MESSAGE)
    made.wait_for_log("status=deferred", 2)
    wait_until(lambda: len(made.queue_files()["deferred"]) == 2, "both are deferred")
    made.martlet("queue", "hold", made.queue_files()["deferred"][0], check=0)
    made.stop()
    made.sendmail("-f", "phil@sender.test", "phil@sender.test", stdin=MESSAGE)
    assert {d: len(f) for d, f in made.queue_files().items()} == {"maildrop": 1, "incoming": 0, "deferred": 1, "hold": 1, "corrupt": 0}
    yield made
    if made.process.poll() is None:
        made.stop()


def fsck(instance, *options, status=0):
    return json.loads(instance.martlet("queue", "fsck", "--json", *options, check=status).stdout)


def test_a_queue_in_order_is_said_to_be(stopped):
    report = fsck(stopped)
    assert report == {"files": report["files"], "found": 0, "repaired": 0, "left": 0, "findings": []}
    # Three messages, and the defer logs of two.
    assert report["files"] == 5
    result = stopped.martlet("queue", "fsck", check=0)
    assert result.stdout == b"" and b"5 files checked, 0 findings" in result.stderr


def test_what_is_wrong_is_told_and_repaired(stopped):
    files = stopped.queue_files()
    deferred = stopped.queue / "deferred" / files["deferred"][0]
    data = bytearray(deferred.read_bytes())
    data[-30] ^= 1
    deferred.write_bytes(data)
    (stopped.queue / "incoming" / "4abcDEF12z").write_bytes(b"")
    os.chmod(stopped.queue / "incoming" / "4abcDEF12z", 0o600)
    os.chmod(stopped.queue / "hold" / files["hold"][0], 0o644)

    report = fsck(stopped, status=1)
    assert sorted((f["kind"], f["path"]) for f in report["findings"]) == [
        ("content", f"deferred/{files['deferred'][0]}"), ("incomplete", "incoming/4abcDEF12z"), ("ownership", f"hold/{files['hold'][0]}"),
    ]
    assert report["left"] == 3 and report["repaired"] == 0
    text = stopped.martlet("queue", "fsck", check=1).stdout.decode()
    assert text.count("(--repair can mend this)") == 3

    report = fsck(stopped, "--repair", status=0)
    assert report["repaired"] == 3 and report["left"] == 0
    assert {f["done"] for f in report["findings"]} >= {"moved to corrupt", "removed"}
    assert stopped.queue_files()["corrupt"] == files["deferred"] and not stopped.queue_files()["incoming"]
    # What is left: the file in corrupt, for information, and the defer log of the message that is no message any more.
    assert [f["kind"] for f in fsck(stopped, status=1)["findings"]] == ["log-without-message", "note"]
    fsck(stopped, "--repair", status=0)
    assert fsck(stopped)["found"] == 0

    stopped.set(defer_transports="")
    stopped.start()
    stopped.martlet("queue", "release", "ALL", check=0)
    stopped.wait_for_mail("phil", 2)


def test_a_running_mail_system_is_not_repaired(stopped):
    stopped.start()
    assert b"the mail system runs" in stopped.martlet("queue", "fsck", check=0).stderr
    (stopped.queue / "deferred" / "stray.name").write_bytes(b"")
    assert b"stop it before" in stopped.martlet("queue", "fsck", "--repair", check=69).stderr
    assert (stopped.queue / "deferred" / "stray.name").exists()


def contents(queue):
    return {str(p.relative_to(queue)): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(queue.rglob("*")) if p.is_file() and p.parent.name != "pid"}


@pytest.mark.parametrize("text", [b"Martlet queue 4\n", b"something else\n"])
def test_a_queue_of_another_version_is_refused_before_anything_is_touched(stopped, text):
    (stopped.queue / "format").write_bytes(text)
    before = contents(stopped.queue)
    assert len(before) >= 6
    result = subprocess.run([str(BIN / "master"), "-c", str(stopped.config)], capture_output=True, timeout=30)
    assert result.returncode == 71
    assert b"nothing was touched" in result.stderr
    for options in ([], ["--repair"]):
        result = stopped.martlet("queue", "fsck", *options, check=65)
        assert b"nothing was touched" in result.stderr
    assert contents(stopped.queue) == before
    (stopped.queue / "format").write_bytes(b"Martlet queue 3\n")
    assert fsck(stopped)["found"] == 0


def test_a_queue_from_before_there_was_a_version_is_taken_over(stopped):
    (stopped.queue / "format").unlink()
    # What an earlier version made.
    os.chmod(stopped.queue / "maildrop", 0o730)
    stopped.start()
    assert (stopped.queue / "format").read_bytes() == b"Martlet queue 3\n"
    assert (stopped.queue / "maildrop").stat().st_mode & 0o7777 == 0o1770


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become the group of postdrop")
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("mode, status", [(0o1770, 0), (0o730, 75)])
def test_postdrop_syncs_the_maildrop_with_the_rights_of_its_group(stopped, tmp_path, mode, status):
    """postdrop is set-group-id: here it runs with another user's id and the group's, which is the same to the file system."""
    nobody = pwd.getpwnam("nobody").pw_uid
    group = 54321
    maildrop = stopped.queue / "maildrop"
    os.chown(maildrop, 0, group)
    os.chmod(maildrop, mode)
    submission = (maildrop / stopped.queue_files()["maildrop"][0]).read_bytes()
    before = os.listdir(maildrop)
    trace = tmp_path / "trace"
    trace.touch()
    os.chmod(trace, 0o666)
    result = subprocess.run(
        ["strace", "-o", str(trace), "-e", "trace=openat,fdatasync,fsync,rename,renameat,renameat2", str(BIN / "postdrop"), "-c", str(stopped.config)],
        input=submission, capture_output=True, user=nobody, group=group, extra_groups=[], timeout=60,
    )
    assert result.returncode == status, result.stderr.decode()
    calls = trace.read_text()
    if status == 0:
        # The order of the state table: content, name, directory.
        opened = re.search(rf'fdatasync\(\d+\) += 0.*rename\w*\(.*\.tmp.* = 0\n.*openat\(AT_FDCWD, "{maildrop}", [^)]*O_DIRECTORY[^)]*\) = (\d+)\n.*fsync\(\1\) += 0', calls, re.DOTALL)
        assert opened, calls
        assert len(os.listdir(maildrop)) == len(before) + 1
    else:
        # Without the right to sync there is no promise, and no message that might go out all the same.
        assert b"Permission denied" in result.stderr
        assert sorted(os.listdir(maildrop)) == sorted(before)
