"""A reload must not stop the mail: whatever a client does meanwhile, the new queue manager takes over."""

import signal
import socket

import pytest

from harness import Instance

MESSAGE = "From: phil@sender.test\r\nTo: anna@sender.test\r\nSubject: {0}\r\n\r\n{0}\r\n"


@pytest.fixture
def alone(directory):
    made = Instance(directory / "one", "mail.sender.test", users=["phil", "anna"]).start()
    yield made
    made.stop()


def test_queue_manager_alone_is_told_to_begin_anew(alone):
    alone.send("phil@sender.test", ["anna@sender.test"], MESSAGE.format("before"))
    alone.wait_for_mail("anna", 1)
    old = alone.children("qmgr")
    alone.kill_children("qmgr", signal.SIGHUP)
    alone.send("phil@sender.test", ["anna@sender.test"], MESSAGE.format("after"))
    alone.wait_for_mail("anna", 2, patience=10)
    assert alone.children("qmgr") != old


def test_a_client_in_the_middle_of_its_message_does_not_hold_up_the_mail_over_a_reload(alone):
    alone.send("phil@sender.test", ["anna@sender.test"], MESSAGE.format("before"))
    alone.wait_for_mail("anna", 1)
    with socket.create_connection(("127.0.0.1", alone.port), 10) as slow:
        peer = slow.makefile("rwb")
        peer.readline()
        for command in (b"EHLO slow.test", b"MAIL FROM:<phil@sender.test>", b"RCPT TO:<anna@sender.test>", b"DATA"):
            peer.write(command + b"\r\n")
            peer.flush()
            while peer.readline()[3:4] == b"-":
                pass
        # More than smtpd keeps to itself, so that cleanup has the beginning of it.
        peer.write(b"Subject: slow\r\n\r\n" + b"x" * 70 + b"\r\n" * 1 + (b"y" * 70 + b"\r\n") * 5000)
        peer.flush()
        alone.martlet("reload", check=0)
        alone.send("phil@sender.test", ["anna@sender.test"], MESSAGE.format("meanwhile"))
        alone.wait_for_mail("anna", 2, patience=15)
        peer.write(b".\r\n")
        peer.flush()
        assert peer.readline().startswith(b"250 ")
    alone.wait_for_mail("anna", 3, patience=15)
