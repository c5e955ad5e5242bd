"""Reloads, stops and starts while mail comes and goes: nobody waits for it, nothing is deferred."""

import os
import re
import smtplib
import threading
import time
from collections import Counter

import pytest

from harness import Instance, wait_until


class Senders:
    """Threads that send one message after the other, each over a connection of its own as long as that lasts."""

    def __init__(self, instance, pause, count=8):
        self.pause = pause
        self.instance, self.acknowledged, self.unknown = instance, [], []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self._send, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def _send(self, number):
        count = 0
        while not self.is_over.is_set():
            token = None
            try:
                with smtplib.SMTP("127.0.0.1", self.instance.port, timeout=30) as client:
                    while not self.is_over.is_set():
                        count += 1
                        token = f"token{number}x{count}"
                        client.sendmail("phil@sender.test", ["anna@sender.test"], f"Subject: {token}\r\n\r\nhello\r\n")
                        self.acknowledged.append(token)
                        token = None
                        self.is_over.wait(self.pause)
            except (smtplib.SMTPException, OSError):
                # Refused, or cut off: a message whose reply did not come may arrive.
                self.unknown.append(token)
                self.is_over.wait(0.05)

    def finish(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("event", ["reload", "stop and start"])
def test_nothing_is_deferred(tmp_path, event):
    one = Instance(tmp_path / "one", "mail.sender.test", users=["phil", "anna"])
    one.start()
    try:
        # A stop lasts for some seconds, and they send meanwhile.
        senders = Senders(one, 0 if event == "reload" else 0.02)
        try:
            # A stop lets sessions that are busy go on for some seconds.
            for _ in range(4 if event == "reload" else 2):
                # Not a wait for something: mail is to be under way at each stage, as it comes.
                time.sleep(0.7)
                if event == "reload":
                    one.martlet("reload")
                else:
                    one.stop()
                    one.start()
            time.sleep(0.5)
        finally:
            senders.finish()
        assert len(senders.acknowledged) > 100, one.explain()
        folder = one.mail / "anna" / "new"
        wait_until(
            lambda: len(os.listdir(folder)) >= len(senders.acknowledged) or "status=deferred" in one.log(), "all are delivered", 60, one.explain
        )
        assert "status=deferred" not in one.log() and "mail transport unavailable" not in one.log(), one.explain()
        one.wait_until_empty()
        found = Counter(re.search(rb"^Subject: (\S+)", raw, re.MULTILINE)[1].decode() for raw in one.raw_messages("anna"))
        assert set(senders.acknowledged) <= set(found), one.explain()
        assert not [token for token, times in found.items() if times > 1]
        assert set(found) <= set(senders.acknowledged) | set(senders.unknown)
        if event == "reload":
            assert not [token for token in senders.unknown if token], "a reload cut a client off"
    finally:
        one.stop()
