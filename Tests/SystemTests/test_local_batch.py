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
    """Every file is synced before any rename, and the directory before any reply (ARCHITECTURE.md, S4)."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    one = Instance(tmp_path / "one", "mail.sender.test", users=["anna"])
    one.start()
    tracer = None
    try:
        with smtplib.SMTP("127.0.0.1", one.port) as client:
            client.sendmail("phil@sender.test", ["anna@sender.test"], "Subject: first\n\n")
        one.wait_until_empty()
        local = one.children("local")[0]
        report = tmp_path / "trace"
        tracer = subprocess.Popen(["strace", "-qq", "-o", report, "-e", "trace=fdatasync,io_getevents,fsync,rename,renameat,renameat2,write,sendto", "-p", str(local)])
        wait_until(lambda: re.search(r"TracerPid:\t[1-9]", open(f"/proc/{local}/status").read()), "strace is attached")
        with smtplib.SMTP("127.0.0.1", one.port) as client:
            for number in range(20):
                client.sendmail("phil@sender.test", ["anna@sender.test"], f"Subject: {number}\n\n")
        one.wait_until_empty()
        assert len(one.raw_messages("anna")) == 21
        tracer.terminate()
        tracer.wait()
        lines = [line for line in report.read_text().splitlines() if "(" in line]
        synced = renamed = total = 0
        for line in lines:
            call = line.split("(")[0]
            if call in ("fdatasync", "io_getevents"):
                assert not renamed, "a file is synced after another of its batch was renamed"
                synced += 1 if call == "fdatasync" else int(line.rsplit("= ", 1)[1])
            elif call.startswith("rename"):
                assert synced > 0, "renamed before it was synced"
                synced -= 1
                renamed += 1
                total += 1
            elif call == "fsync":
                assert not synced, "the directory is synced before all names are there"
                renamed = 0
            elif call in ("write", "sendto") and '"\\' in line:
                assert not renamed, "an answer before the directory is synced"
        assert renamed == 0 and synced == 0, "the last names were never synced"
        assert total == 20
    finally:
        if tracer and tracer.poll() is None:
            tracer.terminate()
            tracer.wait()
        one.stop()
