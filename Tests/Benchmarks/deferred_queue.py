"""Start-up with many deferred messages: how long until the queue manager knows them, what memory they take, how long mailq takes, and how
soon a new message gets through.

The queue is made from specimens: each MTA is given some messages for a next hop that refuses connections, and its own deferred files (and
what it keeps beside them) are copied under new names while it is stopped. So the tool knows no format, only how each names its files. The
copies are due in an hour. "Known" is when the queue manager uses no CPU any more, at a resolution of 50 ms: it works the same for both.

Known limits: the files are in the page cache, as after a restart of the service, not of the machine. Postfix's queue manager keeps no
deferred message in memory, so that it has nothing to know; its start is `postfix start`, which has postsuper look at every file."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from harness import free_port, wait_until
from processes import process_cpu, proportional_kilobytes
from throughput import GrowingLog

SPECIMENS = 100
# Beyond this, the records of why (defer/ID) are not copied, and mailq is not measured.
FEW = 100_000
POSTFIX_MOST = 20_000
BASE51 = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxy"


def _files(directory):
    return {name: os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names if not name.endswith(".tmp")}


def _base51(number):
    text = ""
    while number:
        number, digit = divmod(number, 51)
        text = BASE51[digit] + text
    return text


def multiply(mta, count):
    """Copies the specimens until there are `count` deferred messages."""
    deferred, reasons = _files(mta.queue / "deferred"), _files(mta.queue / "defer")
    specimens, mask = [], os.umask(0)
    for name, path in deferred.items():
        with open(path, "rb") as file:
            specimens.append((name, path, os.stat(path), file.read(), reasons.get(name)))
    due = int(time.time()) + 3600
    for path in deferred.values():
        os.utime(path, (due, due))
    for number in range(count - len(specimens)):
        name, path, stat, data, reason = specimens[number % len(specimens)]
        folder = os.path.dirname(path)
        # Martlet: the same time, so that the file is where hashing by time puts it; another unique part. The real name of Postfix's files
        # is known when they are there: microseconds, and the inode's number; the first digit chooses the directory.
        new = f"{name.rpartition('z')[0]}z{_base51(51**6 + number)}"
        fd = os.open(os.path.join(folder, new), os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.st_mode & 0o7777)
        os.write(fd, data)
        if stat.st_uid != os.geteuid():
            os.fchown(fd, stat.st_uid, stat.st_gid)
        os.utime(fd, (due + number % 3600, due + number % 3600))
        if mta.name == "Postfix":
            inode = os.fstat(fd).st_ino
            os.rename(os.path.join(folder, new), os.path.join(folder, f"{name[:5]}{inode:X}"))
            new = f"{name[:5]}{inode:X}"
        os.close(fd)
        if reason and count <= FEW:
            copy = os.path.join(os.path.dirname(reason), new)
            with open(reason, "rb") as source, open(copy, "wb") as file:
                file.write(source.read())
                stat = os.stat(reason)
                os.fchown(file.fileno(), stat.st_uid, stat.st_gid)
                os.fchmod(file.fileno(), stat.st_mode & 0o7777)
    os.umask(mask)
    os.sync()
    found = len(_files(mta.queue / "deferred"))
    assert found == count, f"{found} deferred messages were made, not {count}"


def settle(mta, started):
    """Seconds from `started` to the last moment at which the queue manager used CPU, once it has used none for a second."""
    last, moment = -1.0, time.monotonic()
    while time.monotonic() - moment < 1.0:
        used, is_there = process_cpu(mta.root_pid(), "qmgr")
        if not is_there or used > last + 0.005:
            last, moment = used, time.monotonic()
        time.sleep(0.05)
    return moment - started


def measure(bench):
    for count in bench.options.deferred:
        for mta in bench.mtas:
            if mta.name == "Postfix" and count > POSTFIX_MOST:
                bench.note(
                    f"Postfix was not measured with {count:,} deferred messages: its queue manager holds none of them in memory, "
                    "and looks at each file in every queue run."
                )
                continue
            mta.configure(empties=True, relay_port=free_port())
            for number in range(SPECIMENS):
                bench.own.send(mta.port, f"m@d{number}.test", 1, 1, 300, True)
            wait_until(lambda: len(_files(mta.queue / "deferred")) == SPECIMENS, f"{SPECIMENS} messages are deferred", 120, mta.explain)
            mta.stop_for_a_while()
            made = time.monotonic()
            multiply(mta, count)
            bench.progress(f"{count} deferred messages made in {time.monotonic() - made:.0f} s")
            log = GrowingLog(mta.log_path)
            started = time.monotonic()
            # It watches from the start, beside what follows.
            with ThreadPoolExecutor(1) as pool:
                settled = pool.submit(settle, mta, started)
                mta.start_again()
                listens = time.monotonic() - started
                bench.own.send(mta.port, "matt@receiver.test", 1, 1, 300, True)
                log.wait_for(1, mta)
                new = time.monotonic() - started
                known = settled.result()
            total, by_name = proportional_kilobytes(mta.root_pid())
            values = {
                "listens": listens,
                "new_mail": new,
                "known": known,
                "qmgr_megabytes": by_name["qmgr"][1] / 1024,
                "megabytes": total / 1024,
            }
            if count <= FEW:
                asked = time.monotonic()
                listing = mta.list_queue()
                values["mailq"] = time.monotonic() - asked
                last = listing.rstrip().rpartition(b"\n")[2]
                assert f" in {count} Requests".encode() in last, f"mailq of {mta.name} ends with {last!r}"
            left = len(_files(mta.queue / "deferred"))
            assert left == count, f"{left} of {count} are deferred at {mta.name} after its start"
            bench.record("start", f"{count:,} deferred messages", mta, values)
    for mta in bench.mtas:
        if bench.options.deferred and bench.options.deferred[-1] <= FEW:
            mta.configure(empties=True)
