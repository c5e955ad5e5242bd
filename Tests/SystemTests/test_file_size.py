"""A limit of the size of files (LimitFSIZE of a unit, `ulimit -f`): what does not fit is an error like any other, and ends no program."""

import resource

import pytest

from dialogue import Dialogue
from harness import wait_until

LIMIT = 256 * 1024
OLD = b"From old@sender.test Thu Jan  1 00:00:00 1970\nSubject: old\n\n" + 4000 * (63 * b"x" + b"\n") + b"\n"
TEXT = "Subject: new\r\n\r\n" + 100 * (70 * "y" + "\r\n") + ".\r\n"


def limit(host, size):
    for pid in [host.process.pid, *host.children()]:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture
def host(story, tmp_path):
    box = tmp_path / "box"
    box.write_bytes(OLD)
    box.chmod(0o666)
    script = tmp_path / "signals"
    script.write_text(f"#!/bin/sh\ngrep SigIgn: /proc/self/status > {tmp_path}/ignored\n")
    script.chmod(0o755)
    tmp_path.chmod(0o777)
    return story.host("sender.test", users=["anna"], aliases={"box": str(box), "script": f"|{script}"}).start()


def accepted(host, recipient):
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction(recipient, TEXT)[0] == 250


def test_what_does_not_fit_into_an_mbox_is_deferred_and_leaves_no_trace(host, tmp_path):
    assert len(OLD) < LIMIT < len(OLD) + len(TEXT)
    limit(host, LIMIT)
    accepted(host, "box@sender.test")
    host.wait_for_log(r"local\[\d+\]: \w+: to=<box@sender\.test>, .*status=deferred \(.*File too large")
    assert (tmp_path / "box").read_bytes() == OLD
    # Other mail goes on.
    accepted(host, "anna@sender.test")
    assert len(host.wait_for_mail("anna")) == 1
    limit(host, resource.RLIM_INFINITY)
    host.martlet("flush", check=0)
    host.wait_until_empty()
    text = (tmp_path / "box").read_bytes()
    assert text.startswith(OLD) and text.count(b"\nSubject: new\n") == 1 and text.count(b"\nFrom ") == 1
    assert "signal" not in host.log()


def test_commands_of_users_have_the_signals_as_ever(host, tmp_path):
    accepted(host, "script@sender.test")
    host.wait_until_empty()
    ignored = int(wait_until((tmp_path / "ignored").read_text, "the command has written").split()[1], 16)
    # SIGPIPE (13) and SIGXFSZ (25).
    assert ignored & (1 << 12 | 1 << 24) == 0, f"{ignored:x}"


def test_daemons_end_of_no_size(host):
    accepted(host, "anna@sender.test")
    host.wait_for_mail("anna")
    for pid in [host.process.pid, *host.children()]:
        with open(f"/proc/{pid}/status") as status:
            ignored = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn:"))
        assert ignored & 1 << 24, (pid, open(f"/proc/{pid}/comm").read())
