"""Messages a second, CPU seconds, and the time from the final dot to 250, of whole runs whose messages are counted where they went.

Before each kind of run both have a shorter one that does not count. A relay or local run is over when the MTA has logged that the last message is removed from its queue. An accept run is over when the last
client has its reply; delivery is held off: the queue manager takes up one message at a time, and the next hop of that one never says a
word.

A virtual machine may give free memory back to its host (page reporting), who finds it again page by page, at a microsecond or more for each:
a run whose content needs much new memory would measure that, and one after the other differently. So such memory is touched before each run."""

import mmap
import os
import re
import time

from load import FAN, PATIENCE
from loop_filesystem import bytes_written, can_throttle, durable_rate, throttled
from processes import cpu_seconds

# Messages at 100 a second in a row, of each MTA in turn: a pause of the disk or of the machine is in one round of many, not in one of three.
PACED = 1000

# Nor does anybody give up waiting for that word within a run.
HELD = {"qmgr_message_active_limit": "1", "smtp_helo_timeout": "3600s"}
SENT = re.compile(rb"status=sent \((?:250 |delivered to maildir)")


class GrowingLog:
    """Counts what is logged from now on."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.file.seek(0, os.SEEK_END)
        self.rest = b""
        self.removed = self.sent = 0

    def update(self):
        whole, newline, self.rest = (self.rest + self.file.read()).rpartition(b"\n")
        text = whole + newline
        self.removed += text.count(b": removed\n")
        self.sent += len(SENT.findall(text))
        return self.removed

    def wait_for(self, removed, mta):
        deadline = time.monotonic() + PATIENCE
        while self.update() < removed:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.removed} of {removed} messages left the queue of {mta.name}\n{mta.explain()}")
            time.sleep(0.002)


def touch_memory(bytes):
    """Has the host provide so much memory, and frees it: what is taken next is that."""
    with mmap.mmap(-1, max(bytes, mmap.PAGESIZE)) as memory:
        for offset in range(0, len(memory), mmap.PAGESIZE):
            memory[offset] = 1


def run(mta, tools, kind, messages, size, keeps, sessions=20, **more):
    """One run of `kind`: accept, relay (to the sink of the same tools) or local. Fails if a message is missing or there twice."""
    # As smtp-source -N does it: no two messages are for the same recipient, so that no limit of a mailbox counts.
    number = "%m" if tools.name == "mailload" else ""
    recipient = more.pop("recipient", f"{number}matt@{'receiver' if kind == 'local' else 'elsewhere'}.test")
    ends = messages * more.get("recipients", 1)
    # Old mail stays: for a minute ext4 passes over the inodes of deleted files, one by one, for each new file.
    folder = mta.mail / "matt" / "new"
    old = len(os.listdir(folder)) if folder.is_dir() else 0
    waiting, taken = mta.queue_length(), tools.counts()
    os.sync()
    # Content is in the cache once for the queue and once for the mailbox, beside what else is written.
    touch_memory(min(3 * messages * size, 2 << 30))
    log = GrowingLog(mta.log_path)
    before = cpu_seconds(mta.root_pid())
    disk = bytes_written(mta.queue)
    started = time.monotonic()
    said = tools.send(mta.port, recipient, sessions, messages, size, keeps, **more)
    if kind == "accept":
        seconds = said["seconds"]
    else:
        log.wait_for(messages, mta)
        seconds = time.monotonic() - started
    used = [b - a for a, b in zip(before, cpu_seconds(mta.root_pid()))]
    if kind == "accept":
        # Martlet has messages in its commit log first, and makes files of what is still there after some seconds.
        deadline = time.monotonic() + PATIENCE
        while mta.queue_length() - waiting < messages and time.monotonic() < deadline:
            time.sleep(0.1)
        assert mta.queue_length() - waiting == messages, f"{mta.queue_length() - waiting} of {messages} in the queue of {mta.name}"
    else:
        log.update()
        assert log.sent == ends, f"{mta.name} logged {log.sent} as sent, not {ends}"
    if kind == "local":
        there = len(os.listdir(folder)) - old
        assert there == messages, f"{there} in the Maildir of {mta.name}, not {messages}"
    if kind == "relay" and taken is not None:
        there = tools.counts()[1] - taken[1]
        assert there == ends, f"the sink has {there} recipients of {mta.name}, not {ends}"
    if disk is not None:
        # What is still to be written of this run, and the log: content must go to the disk, and whatever is beside it.
        os.sync()
        disk = (bytes_written(mta.queue) - disk) / ends / 1024
    return {
        "per_second": ends / seconds,
        "user": 1000 * used[0] / ends,
        "system": 1000 * used[1] / ends,
        "disk_kilobytes": disk,
        **{f"{name}_ms": said[f"{name}_us"] / 1000 for name in ("p50", "p99", "max") if f"{name}_us" in said},
        "late": said.get("late", 0),
    }


def hold(mta, mute_port):
    mta.configure(relay_port=mute_port, **HELD, **mta.accept_parameters)


def measure_rates(bench, kind, variants, limit=None):
    """variants: [(name, arguments of run)]; limit: the MB a second that the disk takes, where that is known."""
    for mta in bench.mtas:
        hold(mta, bench.mute_port) if kind == "accept" else mta.configure(relay_port=bench.tools.port)
    for name, arguments in variants:
        # Programs that are started, tables that are read, Martlet's commit log that is made: of a start, not of a rate.
        for mta in bench.mtas:
            run(mta, bench.tools, kind, **(arguments | {"messages": max(arguments["messages"] // 8, 20)}))
        for _ in range(bench.options.rounds):
            for mta in bench.mtas:
                values = run(mta, bench.tools, kind, **arguments)
                if limit:
                    values["of_disk"] = values["per_second"] * values["disk_kilobytes"] / 1024 / limit
                bench.record("rate", f"{kind}, {name}", mta, values)
    if kind == "accept":
        for mta in bench.mtas:
            files = [
                path.stat() for folder in ("incoming", "active", "deferred") for path in (mta.queue / folder).rglob("*") if path.is_file()
            ]
            size = variants[0][1]["size"]
            length, disk = sum(f.st_size for f in files) / len(files), sum(f.st_blocks for f in files) * 512 / len(files)
            bench.note(f"{mta.name} has {length:,.0f} bytes in the queue for a message of {size:,} and takes {disk:,.0f} of the disk.")
            mta.configure(empties=True)
    if kind == "local" and variants[0][1]["size"] >= 1 << 20:
        # Gigabytes, for which the file system of a run has no room.
        for mta in bench.mtas:
            for message in (mta.mail / "matt" / "new").iterdir():
                message.unlink()


def measure_small(bench, kind):
    o = bench.options
    arguments = dict(messages=o.messages, size=o.size, sessions=o.sessions)
    variants = [("connection per message", arguments | {"keeps": False}), ("kept connections", arguments | {"keeps": True})]
    if kind == "accept" and o.messages >= 1000:
        # More than Martlet's commit logs hold: what is a file in the end is made one within the time.
        longer = max(20_000, o.messages)
        variants.append((f"a burst of {longer:,} over kept connections", arguments | {"keeps": True, "messages": longer}))
    measure_rates(bench, kind, [(f"{name}, {o.size / 1024:g} KB", chosen) for name, chosen in variants])


def measure_big(bench):
    arguments = dict(messages=bench.options.big_messages, size=1 << 20, keeps=True)
    for kind in ("accept", "relay", "local"):
        measure_rates(bench, kind, [("kept connections, 1 MB", arguments)])


# MB a second: a rented server's disk, and one on SATA.
DISKS = (200, 400)


def measure_disks(bench):
    """Messages of 1 MB where the disk is the limit, also on this machine: the same device, slowed down to what is more common."""
    if not can_throttle():
        return bench.note("Slower disks are not measured: there is no loop device to slow down, or no control group blkio to do it with.")
    arguments = dict(messages=bench.options.big_messages, size=1 << 20, keeps=True)
    for limit in DISKS:
        with throttled(bench.base, limit):
            bench.record("generator", f"files of 1 MB, synced, a disk of {limit} MB/s", "alone", {"per_second": durable_rate(bench.base)})
            for kind in ("accept", "relay", "local"):
                measure_rates(bench, kind, [(f"kept connections, 1 MB, a disk of {limit} MB/s", arguments)], limit)


def measure_recipients(bench):
    """A message to 1,000 recipients in 50 domains that have a next hop each; a recipient counts as one."""
    for mta in bench.mtas:
        mta.configure(transport_maps=mta.transports)
    for _ in range(bench.options.rounds):
        for mta in bench.mtas:
            arguments = dict(
                messages=1,
                size=bench.options.size,
                keeps=True,
                sessions=1,
                recipients=1000,
                domains=FAN,
                pipelines=True,
                recipient="m%r@d%d.test",
            )
            # One takes less than a tenth of a second, and the kernel tells CPU time in hundredths: the mean of five.
            each = [run(mta, bench.own, "relay", **arguments) for _ in range(5)]
            mean = {key: sum(one[key] for one in each) / len(each) for key in each[0]}
            bench.record("rate", "relay, 1 message to 1,000 recipients in 50 domains", mta, mean)


def measure_latency(bench):
    """The final 250 while mail is relayed: at a fixed rate, and with 20 sessions that never pause."""
    o = bench.options
    for mta in bench.mtas:
        mta.configure()
    at_rate = max(o.latency_messages // PACED, 1)
    for name, rounds, arguments in (
        ("100 msg/s", o.rounds * at_rate, dict(messages=o.latency_messages // at_rate, rate=100)),
        ("saturation", o.rounds, dict(messages=o.messages)),
    ):
        for _ in range(rounds):
            for mta in bench.mtas:
                bench.record(
                    "latency", f"relay, kept connections, {name}", mta, run(mta, bench.own, "relay", size=o.size, keeps=True, **arguments)
                )
