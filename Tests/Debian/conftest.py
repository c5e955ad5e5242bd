"""Fixtures of the Debian tests. The files are run in the order of their names and the tests of a file in theirs: they are the life of one
server, from Postfix over Martlet and its upgrades back to Postfix. `fresh` roots are independent of it."""

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

import container
import debian_roots

TOP = debian_roots.TOP


def pytest_collection_modifyitems(items):
    if not container.available():
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root, debootstrap and systemd-nspawn"))


@pytest.fixture(scope="session")
def base():
    """A directory for overlays: not on an overlay or tmpfs of ours, and gone at the end."""
    directory = Path(tempfile.mkdtemp(prefix="martlet-debian-", dir="/var/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def package():
    """The package to test: MARTLET_DEB, or what `make deb` has left."""
    named = os.environ.get("MARTLET_DEB")
    found = [Path(named)] if named else sorted((TOP / ".build/deb").glob("martlet_*.deb"))
    assert len(found) == 1 and found[0].exists(), f"there is no package (make deb): {found}"
    return found[0]


@pytest.fixture(scope="session")
def newer_package(package, base):
    """The same package with a higher version."""
    tree = base / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines()
    control.write_text("".join(f"{line}+newer1\n" if line.startswith("Version:") else f"{line}\n" for line in lines))
    out = base / "martlet_newer.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", str(tree), str(out)], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return out


class Server(container.Container):
    """The server of the story, with two people who have accounts."""

    def install(self, package):
        """As an administrator does it; gives what apt says."""
        shutil.copy(package, self.path("/var/tmp/martlet.deb"))
        return self.run("apt-get", "install", "-y", "--no-install-recommends", "--allow-downgrades", "/var/tmp/martlet.deb",
                        timeout=300).output

    def connect(self, port=25, host="127.0.0.1", timeout=10):
        """A TCP connection of the container's network, made from here: a socket belongs to the network of the thread that makes it."""
        outcome = []

        def enter_and_connect():
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                with open(f"/proc/{self.init}/ns/net") as network:
                    if libc.setns(network.fileno(), 0x40000000) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                outcome.append(socket.create_connection((host, port), timeout))
            except OSError as error:
                outcome.append(error)

        thread = threading.Thread(target=enter_and_connect)
        thread.start()
        thread.join()
        if isinstance(outcome[0], OSError):
            raise outcome[0]
        return outcome[0]

    def smtp(self, port=25):
        return Dialogue(self.connect(port))


class Dialogue:
    """One SMTP session, line by line."""

    def __init__(self, connection):
        self.connection = connection
        self.lines = connection.makefile("rb")
        self.greeting = self.reply()

    def reply(self):
        out = b""
        while True:
            line = self.lines.readline()
            if not line:
                raise EOFError(f"the connection ended after {out!r}")
            out += line
            if line[3:4] != b"-":
                return out.decode()

    def send(self, text):
        self.connection.sendall(text.encode())

    def ask(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def close(self):
        self.lines.close()
        self.connection.close()


@pytest.fixture(scope="session")
def server(base):
    server = Server(debian_roots.full(), base / "server")
    try:
        server.boot()
        for user in ("alice", "bob"):
            server.run("useradd", "--create-home", "--shell", "/bin/sh", user)
        yield server
    finally:
        server.close()


@pytest.fixture
def fresh(base, request):
    """A Debian without any mail system, not booted."""
    with debian_roots.Overlay(debian_roots.bare(), base / f"fresh-{request.node.name}") as overlay:
        yield overlay
