"""Who makes the load and who takes it: mailload (beside this file, compiled here), and Postfix's smtp-source and smtp-sink out of Debian's
package. Both do the same work; smtp-source is what others measure with, mailload takes less of the machine and knows more."""

import contextlib
import json
import os
import shutil
import struct
import subprocess
import threading
import time
from pathlib import Path

from harness import free_port, wait_until

PATIENCE = 600
FAN = 50  # domains of the message to many recipients, each with a next hop of its own
SOURCES = Path(__file__).resolve().parent / "mailload"


class MailLoad:
    """Our own generator and sink. The sink listens on 127.0.0.1 and on FAN further addresses of loopback."""

    name = "mailload"

    def __init__(self, base):
        self.base = Path(base)
        self.base.mkdir()
        self.program = self.base / "mailload"
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
        flags = ["-O2", "-std=c11", "-D_GNU_SOURCE", "-pthread"]
        subprocess.run([compiler, *flags, "-o", self.program, *sorted(SOURCES.glob("*.c"))], check=True)
        self.port = free_port()
        self.sink = None

    def start_sink(self):
        counts = self.base / "counts"
        self.sink = subprocess.Popen(
            [self.program, "sink", "-p", str(self.port), "-a", "127.0.0.1", "-a", f"127.0.1.1+{FAN}", "-c", counts],
            stdin=subprocess.DEVNULL,
        )
        wait_until(lambda: counts.exists() and counts.stat().st_size == 32 and _listens(self.port), "the sink listens")

    @contextlib.contextmanager
    def store(self, directory):
        """A receiver that is no mail system, which syncs what it takes into files of a directory; gives its port."""
        port = free_port()
        directory.mkdir()
        process = subprocess.Popen([self.program, "store", "-p", str(port), "-w", directory], stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: _listens(port), "the store listens")
            yield port
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(directory)

    def counts(self):
        """Messages, recipients, octets and connections that the sink has seen."""
        return struct.unpack("=4Q", (self.base / "counts").read_bytes())

    def send(self, port, recipient, sessions, messages, size, keeps, rate=0, recipients=1, domains=1, pipelines=False):
        """Sends; returns what mailload says: seconds, and percentiles of the final 250."""
        command = [
            self.program,
            "source",
            "-p",
            port,
            "-t",
            recipient,
            "-s",
            sessions,
            "-m",
            messages,
            "-l",
            size,
            "-r",
            recipients,
            "-D",
            domains,
        ]
        command += ["-k"] * keeps + ["-P"] * pipelines + (["-R", rate] if rate else [])
        result = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=PATIENCE)
        if result.returncode:
            raise AssertionError(result.stderr)
        return json.loads(result.stdout)

    def stop(self):
        if self.sink:
            self.sink.terminate()
            self.sink.wait()


class PostfixTools:
    """smtp-source and smtp-sink. The sink does not say what it has seen."""

    name = "smtp-source"

    def __init__(self, base):
        package = Path(base)
        package.mkdir()
        os.chmod(package, 0o777)
        subprocess.run(
            ["apt-get", "download", "-qq", "postfix"], cwd=package, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        subprocess.run(["dpkg-deb", "-x", str(next(package.glob("*.deb"))), str(package / "root")], check=True)
        self.sbin = package / "root" / "usr" / "sbin"
        self.environment = dict(os.environ, LD_LIBRARY_PATH=str(package / "root" / "usr" / "lib" / "postfix"), MAIL_CONFIG=str(package))
        (package / "main.cf").write_text("inet_protocols = ipv4\nmyhostname = source.test\ncompatibility_level = 3.6\n")
        self.port = free_port()
        self.sink = None

    def start_sink(self):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.sink = subprocess.Popen(
            [self.sbin / "smtp-sink", *user, f"127.0.0.1:{self.port}", "1000"], env=self.environment, stdin=subprocess.DEVNULL
        )
        wait_until(lambda: _listens(self.port), "smtp-sink listens")

    def counts(self):
        return None

    def send(self, port, recipient, sessions, messages, size, keeps):
        command = [
            self.sbin / "smtp-source",
            *["-d"] * keeps,
            "-N",
            "-s",
            sessions,
            "-m",
            messages,
            "-l",
            size,
            "-f",
            "phil@sender.test",
            "-t",
            recipient,
            f"127.0.0.1:{port}",
        ]
        started = time.monotonic()
        process = subprocess.Popen([str(c) for c in command], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        # Python looks for the end of a process every 50 ms where it waits for a limited time: a tenth of a run of 3,000 messages.
        limit = threading.Timer(PATIENCE, process.kill)
        limit.start()
        status = process.wait()
        seconds = time.monotonic() - started
        limit.cancel()
        assert status == 0, f"smtp-source ended with {status}"
        return {"messages": messages, "seconds": seconds}

    def stop(self):
        if self.sink:
            self.sink.terminate()
            self.sink.wait()


def _listens(port):
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False
