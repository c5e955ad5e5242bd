"""Fixtures of the system tests: the two hosts of the story, sender.test and receiver.test, and their name server."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from harness import Instance, NameServer


class Story:
    """sender.test and receiver.test. Their MX records carry no port, so each routes to the other's port by transport_maps with the real
    lookup of the name: `smtp:receiver.test:PORT` asks the name server for the MX of receiver.test."""

    def __init__(self, base):
        self.base = base
        self.dns = NameServer(
            base / "dns",
            {
                "sender.test": "@ MX 10 mail\nmail A 127.0.0.1\n",
                "receiver.test": "@ MX 10 mail\nmail A 127.0.0.1\n",
                "third.test": "@ MX 10 mail\nmail A 127.0.0.1\n",
                "nullmx.test": "@ MX 0 .\n",
                "0.0.127.in-addr.arpa": "1 PTR localhost.\n",
            },
        ).start()
        self.instances = []

    def host(self, name, users=(), **options):
        instance = Instance(self.base / name, f"mail.{name}", users, dns_port=self.dns.port, **options)
        self.instances.append(instance)
        return instance

    def connect(self, *hosts):
        """Lets each host find the ports of the others."""
        for host in hosts:
            others = [h for h in hosts if h is not host]
            table = "".join(f"{h.domain} smtp:{h.domain}:{h.port}\n" for h in others)
            (host.config / "transport").write_text(table + getattr(host, "more_transports", ""))
            host.set(transport_maps=f"texthash:{host.config}/transport")

    def stop(self):
        failures = []
        for instance in self.instances:
            try:
                instance.stop()
            except AssertionError as failure:
                failures.append(str(failure))
        self.dns.stop()
        assert not failures, failures


@pytest.fixture
def tmp_path():
    """A directory that others may enter: root's deliveries to files are made with the rights of nobody, and pytest's own is closed to it."""
    base = Path(tempfile.mkdtemp(prefix="martlet-test-"))
    os.chmod(base, 0o755)
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def story(tmp_path):
    made = Story(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def pair(story):
    """The two hosts, running: phil at sender.test, matt at receiver.test."""
    sender = story.host("sender.test", users=["phil", "postmaster"])
    receiver = story.host("receiver.test", users=["matt", "anna", "postmaster"])
    story.connect(sender, receiver)
    sender.start()
    receiver.start()
    return sender, receiver


@pytest.fixture
def alone(story):
    """One host, running: phil at sender.test."""
    return story.host("sender.test", users=["phil", "anna", "postmaster"]).start()
