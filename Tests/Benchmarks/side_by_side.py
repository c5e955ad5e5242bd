#!/usr/bin/env python3
"""Martlet and Debian's Postfix side by side: rates, CPU time, latency, memory and start-up, as Markdown and JSON.

Both have their queues, mailboxes and logs on one ext4 file system, the same settings and default durability, and get the same load. Rounds
are interleaved, so the two see the same machine: on a machine with other work compare the ratios, not the figures. Every run counts its
messages where they went and fails if one is missing or there twice; nothing here fails because of a time.

Needs root for the other MTA, which runs in a root of its own (peers.py), and for the file system of its own (loop_filesystem.py). Without
root only Martlet runs, in --directory. Loopback only; nothing of this system is changed but the limit of the run's own loop device.

Kinds: generator (what source and sink can do without an MTA), accept, relay, local (small messages, a connection per message and kept
ones), big (the same with 1 MB), disks (the same where the disk is slowed down), recipients (one message to 1,000), latency, idle (memory),
deferred (start and mailq)."""

import argparse
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SystemTests"))
# Runs of many messages, maybe of slow builds: the patience of the tests is not theirs.
os.environ.setdefault("MARTLET_TEST_PATIENCE", "120")

import deferred_queue  # noqa: E402
import idle_sessions  # noqa: E402
import loop_filesystem  # noqa: E402
import throughput  # noqa: E402
from harness import BIN  # noqa: E402
from load import MailLoad, PostfixTools  # noqa: E402
from report import Report  # noqa: E402
from subjects import Martlet, Postfix  # noqa: E402

KINDS = "generator accept relay local big disks recipients latency idle deferred"


def numbers(text):
    return [int(word.replace("_", "")) for word in text.split()]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=4000, help="small messages in a run")
    parser.add_argument("--big-messages", type=int, default=300, help="messages of 1 MB in a run")
    parser.add_argument("--latency-messages", type=int, default=4000, help="messages at 100 a second in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=20, help="parallel sessions of small messages")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--idle", type=numbers, default="1000 10000", help="numbers of idle sessions, rising")
    parser.add_argument("--deferred", type=numbers, default="20000 1000000", help="numbers of deferred messages, rising")
    parser.add_argument("--kinds", default=KINDS)
    parser.add_argument(
        "--generator",
        choices=["smtp-source", "mailload"],
        default="smtp-source",
        help="of the rates with small messages; the rest is mailload's",
    )
    parser.add_argument("--only", choices=["Martlet", "Postfix"], help="one of the two")
    parser.add_argument(
        "--directory",
        default="/var/tmp",
        help="of a real file system, not tmpfs: here the image of the ext4 file system lies, or all if there can be none",
    )
    parser.add_argument("--no-loop", action="store_true", help="work in the directory itself")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    options = parser.parse_args()
    unknown = set(options.kinds.split()) - set(KINDS.split())
    if unknown:
        parser.error(f"unknown kinds: {' '.join(sorted(unknown))}")
    if os.geteuid() != 0 and options.only is None:
        options.only = "Martlet"
        print("not root: Martlet only, no file system of its own", file=sys.stderr)
    return options


class Bench:
    """What is measured with, and where the results go."""

    def __init__(self, options, base):
        self.options, self.base = options, base
        self.mtas, self.generators = [], []
        # Connections to it are made, and never accepted.
        self.mute = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.mute_port = self.mute.getsockname()[1]
        self.report = Report(self.facts(), [name for name in ("Martlet", "Postfix") if options.only in (None, name)])

    def facts(self):
        o = self.options
        model = next(
            (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
            platform.machine(),
        )
        compiled = "release" if BIN.resolve().name == "release" else "not a release build"
        return {
            "machine": f"{os.cpu_count()} cores ({model}), Linux {platform.release()}",
            "load average at the start": " ".join(f"{l:.2f}" for l in os.getloadavg()),
            "file system": loop_filesystem.describe(self.base),
            "one writer with one fsync": f"{loop_filesystem.write_rate(self.base):.0f} MB/s",
            "files of 1 MB, each synced with its name, 20 writers": f"{loop_filesystem.durable_rate(self.base):.0f} MB/s",
            "Martlet": f"{BIN} ({compiled})",
            "load": f"{o.messages} messages of {o.size} bytes, {o.sessions} sessions, {o.rounds} rounds interleaved, medians",
            "generator of small messages": f"{o.generator}; of all others mailload",
        }

    def start(self):
        wanted = self.options.kinds.split()
        self.own = MailLoad(self.base / "mailload")
        self.generators = [self.own]
        if self.options.generator == "smtp-source":
            self.generators.append(PostfixTools(self.base / "tools"))
        self.tools = self.generators[-1]
        for generator in self.generators:
            generator.start_sink()
        if wanted == ["generator"]:
            return
        for kind in (Martlet, Postfix):
            if kind.name in self.report.names:
                self.mtas.append(kind(self.base, self.own.port, self.own.port))
                self.mtas[-1].start()
        if any(mta.name == "Postfix" for mta in self.mtas):
            version = next(m for m in self.mtas if m.name == "Postfix").run("postconf", "-h", "mail_version").decode().strip()
            self.report.facts["Postfix"] = f"{version} of Debian"

    def record(self, group, run, mta, values):
        name = getattr(mta, "name", mta)
        self.report.add(group, run, name, values)
        shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items() if value is not None)
        self.progress(f"{group:9} {run:48} {name:8} {shown}")

    def note(self, text):
        if text not in self.report.notes:
            self.report.notes.append(text)

    def progress(self, text):
        print(f"  [load {os.getloadavg()[0]:.1f}] {text}", flush=True)

    def measure(self):
        """Every kind that was asked for. One that fails is noted, and the others are measured all the same; returns whether none failed."""
        measures = {
            "generator": Bench.measure_generators,
            "big": lambda bench: bench.with_own_generator(throughput.measure_big),
            "disks": lambda bench: bench.with_own_generator(throughput.measure_disks),
            "recipients": throughput.measure_recipients,
            "latency": throughput.measure_latency,
            "idle": idle_sessions.measure,
            "deferred": deferred_queue.measure,
        }
        is_well = True
        for kind in self.options.kinds.split():
            try:
                measures[kind](self) if kind in measures else throughput.measure_small(self, kind)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                is_well = False
                print(f"FAILED: {kind}: {error}", file=sys.stderr, flush=True)
                self.note(f"**FAILED: {kind}: {str(error).splitlines()[0] if str(error) else type(error).__name__}**")
        return is_well

    def with_own_generator(self, body):
        chosen, self.tools = self.tools, self.own
        try:
            body(self)
        finally:
            self.tools = chosen

    def measure_generators(self):
        o = self.options
        for generator in self.generators:
            for keeps, connections in ((False, "connection per message"), (True, "kept connections")):
                for _ in range(o.rounds):
                    said = generator.send(generator.port, "matt@elsewhere.test", o.sessions, o.messages, o.size, keeps)
                    self.record("generator", f"{generator.name}, {connections}", "alone", {"per_second": o.messages / said["seconds"]})
        for _ in range(o.rounds):
            said = self.own.send(self.own.port, "matt@elsewhere.test", o.sessions, o.big_messages, 1 << 20, True)
            self.record("generator", f"{self.own.name}, kept connections, 1 MB", "alone", {"per_second": o.big_messages / said["seconds"]})
        # What no mail system can do better on this machine: content goes from the socket into synced files as it is.
        for _ in range(o.rounds):
            with self.own.store(self.base / "store") as port:
                throughput.touch_memory(3 * o.big_messages << 20)
                said = self.own.send(port, "matt@elsewhere.test", o.sessions, o.big_messages, 1 << 20, True)
                stored = len(os.listdir(self.base / "store"))
            assert stored == o.big_messages, f"{stored} files of {o.big_messages} messages"
            self.record("generator", f"{self.own.name} into synced files, 1 MB", "alone", {"per_second": o.big_messages / said["seconds"]})

    def stop(self):
        for part in self.mtas + self.generators:
            try:
                part.stop()
            except (AssertionError, OSError) as error:
                print(f"stopping {part.name}: {error}", file=sys.stderr)


def main():
    options = parse()
    base = loop_filesystem.mounted()
    if base is None and not options.no_loop and loop_filesystem.can_mount():
        most = max(options.deferred) if "deferred" in options.kinds.split() else 0
        # Messages that wait between the two ends, and the mailboxes of a run; 5 KB for each deferred one.
        small = 1 if options.messages <= 1000 else 4
        return loop_filesystem.run_inside(options.directory, gigabytes=small + most * 5 // (1 << 20), inodes=200_000 + most * 5 // 4)
    # The first process of a namespace is not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    temporary = None
    if base is None:
        base = temporary = Path(tempfile.mkdtemp(prefix="martlet-bench-", dir=options.directory))
        os.chmod(base, 0o755)
        print(f"no loop device: working in {base}", file=sys.stderr)
    bench, is_well = Bench(options, base), False
    try:
        for name, value in bench.report.facts.items():
            print(f"{name}: {value}", flush=True)
        bench.start()
        is_well = bench.measure()
    finally:
        bench.stop()
        bench.report.facts["load average at the end"] = " ".join(f"{l:.2f}" for l in os.getloadavg())
        text = bench.report.markdown()
        print("\n" + text)
        if options.markdown:
            options.markdown.write_text(text)
        if options.json:
            options.json.write_text(bench.report.json() + "\n")
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
