"""Local deliveries in batches: what takes long holds up nobody, and what is given back is delivered once."""

import re
import shutil
import smtplib
import subprocess

import pytest
from harness import Instance, wait_until


def test_a_command_that_takes_long_delays_nobody_else(tmp_path):
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    # The command ends when the file is there: the test decides when, not the clock.
    command = tmp_path / "slow"
    command.write_text(f"#!/bin/sh\ncat >/dev/null\nwhile [ ! -e {gate} ]; do sleep 0.05; done\necho $1 >> {runs}\n")
    command.chmod(0o755)
    runs.touch()
    runs.chmod(0o666)
    aliases = {f"slow{n}": f'"|{command} {n}"' for n in range(3)}
    one = Instance(tmp_path / "one", "mail.sender.test", users=["anna"], aliases=aliases)
    one.start()
    try:
        with smtplib.SMTP("127.0.0.1", one.port) as client:
            # In one burst, so that they are in one batch: before, between and behind what takes long.
            for number in range(40):
                client.sendmail("phil@sender.test", ["anna@sender.test"], f"Subject: a{number}\n\n")
                if number % 15 == 5:
                    client.sendmail("phil@sender.test", [f"slow{number // 15}@sender.test"], "Subject: slow\n\n")
        wait_until(lambda: len(one.raw_messages("anna")) == 40, "anna has her mail", context=one.explain)
        assert runs.read_text() == ""
        gate.touch()
        one.wait_until_empty()
        assert sorted(runs.read_text().split()) == ["0", "1", "2"], "each command ran once"
        assert len(one.raw_messages("anna")) == 40, "nothing was delivered twice"
    finally:
        gate.touch()
        one.stop()


def test_order_of_calls(tmp_path):
    """A file is synced before it is renamed, and its directory after that and before anybody hears of it (ARCHITECTURE.md, S4)."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    users = ["anna", "bob", "carol"]
    one = Instance(tmp_path / "one", "mail.sender.test", users=users)
    one.start()
    tracer = None

    def send(rounds):
        with smtplib.SMTP("127.0.0.1", one.port) as client:
            for number in range(rounds):
                client.sendmail("phil@sender.test", [f"{user}@sender.test" for user in users], f"Subject: {number}\n\n")
        one.wait_until_empty()

    try:
        send(1)
        local = one.children("local")[0]
        report = tmp_path / "trace"
        calls = "openat,close,fdatasync,fsync,io_submit,io_getevents,rename,renameat,renameat2,write,sendto"
        tracer = subprocess.Popen(["strace", "-qq", "-s", "65536", "-o", report, "-e", f"trace={calls}", "-p", str(local)])
        wait_until(lambda: re.search(r"TracerPid:\t[1-9]", open(f"/proc/{local}/status").read()), "strace is attached")
        send(20)
        assert [len(one.raw_messages(user)) for user in users] == [21] * len(users)
        tracer.terminate()
        tracer.wait()
        state = MaildirWatch()
        for line in report.read_text().splitlines():
            state.see(line)
        assert state.renamed == 20 * len(users) and state.logged == 20 * len(users) and state.answered == 20 * len(users)
    finally:
        if tracer and tracer.poll() is None:
            tracer.terminate()
            tracer.wait()
        one.stop()


class MaildirWatch:
    """Goes along with the system calls of `local`, and knows what is durable."""

    def __init__(self):
        self.open = {}
        self.under_way = []
        self.synced = set()
        # Directory: how many names were made there since the start of its last sync.
        self.unsynced = {}
        self.renamed = self.durable = self.logged = self.answered = 0

    def start(self, descriptor):
        path = self.open[descriptor]
        return path, self.unsynced.pop(path, 0)

    def end(self, path, names):
        self.synced.add(path)
        self.durable += names

    def see(self, line):
        call = line.split("(")[0]
        if opened := re.match(r'openat\(\w+, "([^"]*)".* = (\d+)$', line):
            self.open[int(opened[2])] = opened[1]
        elif call == "io_submit":
            # What the kernel took, in the order of the list.
            numbers = re.findall(r"aio_lio_opcode=IOCB_CMD_F(?:D?)SYNC, .*?aio_fildes=(\d+)", line)
            self.under_way += [self.start(int(number)) for number in numbers[: int(line.rsplit("= ", 1)[1])]]
        elif call == "io_getevents":
            assert int(line.rsplit("= ", 1)[1]) == len(self.under_way)
            for sync in self.under_way:
                self.end(*sync)
            self.under_way = []
        elif call in ("fdatasync", "fsync"):
            self.end(*self.start(int(re.search(r"\((\d+)", line)[1])))
        elif call.startswith("rename"):
            old, new = re.findall(r'"([^"]*)"', line)
            assert old in self.synced, "renamed before it was synced"
            directory = new.rsplit("/", 1)[0]
            self.unsynced[directory] = self.unsynced.get(directory, 0) + 1
            self.renamed += 1
        elif call in ("write", "sendto"):
            self.logged += line.count("status=sent")
            self.answered += line.count("delivered to maildir") - line.count("(delivered to maildir")
            assert self.logged <= self.durable and self.answered <= self.logged, "told before it was durable"
