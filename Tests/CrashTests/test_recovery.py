"""Recovery is a matter of seconds: nothing waits for the next turn of a program that is woken from time to time."""

import os
import signal
import smtplib
import socket

import pytest
from load import Sink

from harness import Instance, free_port, wait_until

# The turns are every 60 s (pickup) and 300 s (qmgr).
SOON = 25


@pytest.fixture
def alone(directory):
    made = Instance(directory / "one", "mail.sender.test", users=["phil"], main={"minimal_backoff_time": "2s", "maximal_backoff_time": "2s", "transport_retry_time": "1s"})
    yield made
    made.stop()


def test_what_pickup_had_to_keep_is_tried_again_soon(alone):
    table = alone.config / "virtual"
    alone.set(virtual_alias_maps=f"texthash:{table}")
    alone.start()
    alone.sendmail("-f", "phil@sender.test", "someone@sender.test", stdin=b"Subject: kept\n\nx\n")
    # The table is not there: cleanup cannot take the message now.
    alone.wait_for_log("maildrop file is kept")
    table.write_text("someone@sender.test phil@sender.test\n")
    assert [m["Subject"] for m in alone.wait_for_mail("phil", patience=SOON)] == ["kept"]
    assert not alone.queue_files()["maildrop"]


def test_a_dead_queue_manager_is_started_although_no_mail_comes(alone):
    port = free_port()
    alone.set(transport_maps=f"inline:{{remote.test=smtp:[127.0.0.1]:{port}}}")
    alone.start()
    alone.sendmail("-f", "phil@sender.test", "matt@remote.test", stdin=b"Subject: waits\n\nx\n")
    alone.wait_for_log("status=deferred")
    before = alone.children("qmgr")
    assert alone.kill_children("qmgr") == 1
    sink = Sink(port)
    try:
        wait_until(lambda: sink.received, "the message is sent", SOON, alone.explain)
        assert alone.children("qmgr") not in ([], before)
    finally:
        sink.stop()


def test_what_outlives_master_keeps_nobody_waiting(alone):
    """A program that finishes its work has no listener any more: who connects is refused, and does not wait for one who may be waiting for him."""
    alone.start()
    with smtplib.SMTP("127.0.0.1", alone.port, timeout=SOON) as client:
        assert client.noop()[0] == 250
        os.kill(alone.process.pid, signal.SIGKILL)
        alone.process.wait()

        def is_refused():
            try:
                socket.create_connection(("127.0.0.1", alone.port), timeout=1).close()
                return False
            except ConnectionRefusedError:
                return True

        wait_until(is_refused, "connections are refused", SOON, alone.explain)
        assert client.noop()[0] == 250
