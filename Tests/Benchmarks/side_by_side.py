#!/usr/bin/env python3
"""Martlet and Debian's Postfix side by side: messages a second and CPU seconds per 1,000 messages.

Both have their queues, mailboxes and logs under one directory of one file system, the same settings and default durability, and get the
same load from Postfix's smtp-source; relayed mail goes to its smtp-sink. Rounds are interleaved, so the two see the same machine: on a
machine with other work compare the ratios, not the figures. Needs root (the other MTA runs in a root of its own, see peers.py).

A relay or local run is over when the MTA has logged that the last message is removed from its queue; then the messages are counted where
they went. An accept run is over when the last client has its reply; delivery is held off: the queue manager takes up one message at a
time, and the next hop of that one never says a word. Postfix's in_flow_delay is off for that, or it would pause for each message.
"""

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "SystemTests"))

import peers  # noqa: E402
from harness import BIN, Instance, free_port, wait_until  # noqa: E402

SHARED = {
    "relayhost": None,
    "smtpd_peername_lookup": "no",
    "smtp_tls_security_level": "none",
    "smtpd_tls_security_level": "none",
    "local_recipient_maps": "$alias_maps",
}
# Not to the end of the key: smtpd looks up whole addresses in a pattern table, local the local part.
HELD = {"qmgr_message_active_limit": "1"}
ALIASES = "/^[0-9]*matt/ {mail}/matt/\n"
PATIENCE = 120


class Counter:
    """Counts lines that end in `: removed` in a log that grows."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.file.seek(0, os.SEEK_END)
        self.rest = b""
        self.count = 0

    def update(self):
        data = self.rest + self.file.read()
        whole, newline, self.rest = data.rpartition(b"\n")
        self.count += (whole + newline).count(b": removed\n")
        return self.count


class Martlet:
    name = "Martlet"

    def __init__(self, base, sink_port, mute_port):
        self.sink_port, self.mute_port = sink_port, mute_port
        self.instance = Instance(base / "martlet", "mail.receiver.test", main=SHARED | {"relayhost": f"[127.0.0.1]:{sink_port}"})
        (self.instance.config / "regexp").write_text(ALIASES.format(mail=self.instance.mail))
        self.instance.set(alias_maps=f"regexp:{self.instance.config}/regexp")
        self.mail = self.instance.mail
        self.log_path = self.instance.log_path
        self.is_held = False

    def start(self):
        self.instance.start()
        self.port = self.instance.port
        return self

    def root_pid(self):
        return self.instance.process.pid

    def hold(self, held):
        """Restarts, with an empty queue where there was one to be emptied."""
        self.instance.stop()
        if self.is_held:
            shutil.rmtree(self.instance.queue)
            self.instance.queue.mkdir()
        self.is_held = held
        for name in HELD:
            self.instance.settings.pop(name, None)
        self.instance.set(relayhost=f"[127.0.0.1]:{self.mute_port if held else self.sink_port}", **(HELD if held else {}))
        self.instance.start()

    def queue_length(self):
        return sum(len(names) for names in self.instance.queue_files().values())

    def stop(self):
        self.instance.stop()

    def explain(self):
        return self.instance.explain()


class BenchedPostfix(peers.Postfix):
    """Queue, mailboxes and log are under shared/, which is of the real file system, not under the tmpfs of its root."""

    def configure(self):
        settings = SHARED | {
            "relayhost": f"[127.0.0.1]:{self.relay_port}",
            "queue_directory": "/srv/peer/queue",
            "maillog_file": "/srv/peer/mail.log",
            "maillog_file_prefixes": "/srv",
            "mydestination": f"{self.domain}, localhost",
            "virtual_mailbox_domains": "",
            "virtual_mailbox_maps": "",
            "alias_maps": "regexp:/srv/peer/regexp",
        }
        (self.base / "shared" / "regexp").write_text(ALIASES.format(mail="/srv/peer/mail"))
        lines = "".join(f"postconf -e '{name} = {value}'\n" for name, value in settings.items())
        return "cp -a /var/spool/postfix /srv/peer/queue\n" + super().configure() + lines


class Postfix:
    name = "Postfix"

    def __init__(self, base, sink_port, mute_port):
        self.sink_port, self.mute_port = sink_port, mute_port
        self.peer = BenchedPostfix(base / "postfix", "receiver.test", relay_port=sink_port)
        self.mail = base / "postfix" / "shared" / "mail"
        self.log_path = base / "postfix" / "shared" / "mail.log"
        self.queue = base / "postfix" / "shared" / "queue"

    def start(self):
        self.peer.start()
        self.port = self.peer.port
        return self

    def root_pid(self):
        return self.peer.process.pid

    def hold(self, held):
        relayhost = f"relayhost = [127.0.0.1]:{self.mute_port if held else self.sink_port}"
        limits = [f"{name} = {value}" for name, value in HELD.items()] + ["in_flow_delay = 0s"]
        for command in (
            ("postsuper", "-d", "ALL"),
            ("postconf", "-e", relayhost, *(limits if held else [])),
            ("postconf", *(["mail_name"] if held else ["-X", *HELD, "in_flow_delay"])),
            ("postfix", "reload"),
        ):
            result = self.peer.inside("/usr/sbin/" + command[0], *command[1:])
            assert result.returncode == 0, result.stderr
        wait_until(self.peer.is_listening, "Postfix listens", PATIENCE, self.explain)

    def queue_length(self):
        return sum(len(files) for d in ("maildrop", "incoming", "active", "deferred") for _, _, files in os.walk(self.queue / d))

    def stop(self):
        self.peer.stop()

    def explain(self):
        return self.peer.explain()


class Tools:
    """smtp-source and smtp-sink out of Debian's package, unpacked."""

    def __init__(self, base):
        package = base / "package"
        package.mkdir()
        os.chmod(package, 0o777)
        subprocess.run(["apt-get", "download", "-qq", "postfix"], cwd=package, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["dpkg-deb", "-x", str(next(package.glob("*.deb"))), str(package / "root")], check=True)
        self.sbin = package / "root" / "usr" / "sbin"
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(package / "root" / "usr" / "lib" / "postfix"), MAIL_CONFIG=str(package))
        (package / "main.cf").write_text("inet_protocols = ipv4\nmyhostname = source.test\ncompatibility_level = 3.6\n")

    def start_sink(self, port):
        return subprocess.Popen([self.sbin / "smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "1000"], env=self.environment, stdin=subprocess.DEVNULL)

    def send(self, port, recipient, sessions, messages, size, keeps):
        options = ["-d"] if keeps else []
        started = time.monotonic()
        command = [
            self.sbin / "smtp-source", *options, "-N", "-s", sessions, "-m", messages, "-l", size, "-f", "phil@sender.test", "-t", recipient, f"127.0.0.1:{port}",
        ]
        subprocess.run([str(c) for c in command], env=self.environment, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)
        return time.monotonic() - started


def cpu_seconds(root):
    """User and system time of a process and all below it, the reaped ones too."""
    ticks, parents = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue
            parents[int(entry)] = int(fields[1])
            ticks[int(entry)] = sum(map(int, fields[11:15]))
    total = 0
    for pid, used in ticks.items():
        above = pid
        while above not in (root, 0):
            above = parents.get(above, 0)
        if above == root:
            total += used
    return total / os.sysconf("SC_CLK_TCK")


def measure(mta, tools, kind, keeps, options):
    """One run: seconds and CPU seconds."""
    recipient = "matt@receiver.test" if kind == "local" else "matt@elsewhere.test"
    # Old mail stays: for a minute ext4 passes over the inodes of deleted files, one by one, for each new file.
    folder = mta.mail / "matt" / "new"
    old = len(os.listdir(folder)) if folder.is_dir() else 0
    os.sync()
    counter = Counter(mta.log_path)
    size = os.path.getsize(mta.log_path)
    before = cpu_seconds(mta.root_pid())
    started = time.monotonic()
    seconds = tools.send(mta.port, recipient, options.sessions, options.messages, options.size, keeps)
    if kind == "accept":
        cpu = cpu_seconds(mta.root_pid()) - before
        # What was accepted must be there.
        assert mta.queue_length() >= options.messages, f"{mta.queue_length()} in the queue of {mta.name}"
    else:
        wait_until(lambda: counter.update() >= options.messages, f"{mta.name} delivers {options.messages}", PATIENCE, lambda: f"{counter.count} removed\n{mta.explain()}")
        seconds = time.monotonic() - started
        cpu = cpu_seconds(mta.root_pid()) - before
        with open(mta.log_path, "rb") as log:
            log.seek(size)
            sent = len(re.findall(rb"status=sent \((?:250 |delivered to maildir)", log.read()))
        assert sent == options.messages, f"{mta.name} logged {sent} as sent"
        if kind == "local":
            there = len(os.listdir(folder)) - old
            assert there == options.messages, f"{there} in the Maildir of {mta.name}"
    return seconds, cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--directory", default="/var/tmp", help="of a real file system, not tmpfs")
    parser.add_argument("--kinds", default="accept relay local")
    parser.add_argument("--only", choices=["Martlet", "Postfix"], help="one of the two")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="side-by-side-", dir=options.directory))
    os.chmod(base, 0o755)
    sink_port = free_port()
    # Connections to it are made, and never accepted.
    mute = socket.create_server(("127.0.0.1", 0), backlog=1000)
    mtas, sink = [], None
    try:
        print(f"{os.cpu_count()} cores, load average {' '.join(f'{l:.2f}' for l in os.getloadavg())}, programs in {BIN}")
        print(f"{options.messages} messages of {options.size} bytes, {options.sessions} sessions, {options.rounds} rounds", flush=True)
        tools = Tools(base)
        sink = tools.start_sink(sink_port)
        for kind in (Martlet, Postfix):
            if options.only in (None, kind.name):
                mtas.append(kind(base, sink_port, mute.getsockname()[1]))
                mtas[-1].start()
        results = {}
        for kind in options.kinds.split():
            for mta in mtas:
                mta.hold(kind == "accept")
            for keeps in (False, True):
                for _ in range(options.rounds):
                    for mta in mtas:
                        seconds, cpu = measure(mta, tools, kind, keeps, options)
                        results.setdefault((kind, keeps), {}).setdefault(mta.name, []).append((options.messages / seconds, 1000 * cpu / options.messages))
                        print(f"  {kind:6} {'kept' if keeps else 'each':4} {mta.name:8} {options.messages / seconds:7.0f}/s  {1000 * cpu / options.messages:6.2f} CPU s/1000  load {os.getloadavg()[0]:.1f}", flush=True)
        print("\n| run | connections | " + " | ".join(f"{m.name} msg/s | {m.name} CPU s/1000" for m in mtas) + (" | rate ratio | CPU ratio |" if len(mtas) == 2 else " |"))
        print("|---" * (2 + 2 * len(mtas) + (2 if len(mtas) == 2 else 0)) + "|")
        for (kind, keeps), found in results.items():
            medians = [[statistics.median(column) for column in zip(*found[m.name])] for m in mtas]
            row = [kind, "kept" if keeps else "per message"] + [t for rate, cpu in medians for t in (f"{rate:.0f}", f"{cpu:.2f}")]
            if len(mtas) == 2:
                row += [f"{medians[0][0] / medians[1][0]:.2f}", f"{medians[0][1] / medians[1][1]:.2f}"]
            print("| " + " | ".join(row) + " |")
    finally:
        for mta in mtas:
            mta.stop()
        if sink:
            sink.terminate()
            sink.wait()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
