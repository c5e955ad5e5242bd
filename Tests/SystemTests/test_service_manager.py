"""What a service manager and master say to each other: passed sockets, readiness, reload, stop, a configuration that cannot start, the watchdog."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness import BIN, PATIENCE, free_port, wait_until

# Runs master as systemd would: sockets from 3 on, LISTEN_PID set to the process that becomes master.
LAUNCHER = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"""


class Manager:
    """The receiving end of NOTIFY_SOCKET, and the one that starts master."""

    def __init__(self, base):
        self.path = str(base / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(PATIENCE)
        self.said = []
        self.changed = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except TimeoutError:
                continue
            except OSError:
                return
            with self.changed:
                self.said.append((time.monotonic(), dict(line.split("=", 1) for line in text.splitlines())))
                self.changed.notify_all()

    def wait_for(self, key, value=None, after=0):
        """The first message with that line from number `after` on, and its number."""

        def find():
            for number, (_, message) in enumerate(self.said[after:], after):
                if key in message and value in (None, message[key]):
                    return number, message
            return None

        with self.changed:
            assert self.changed.wait_for(find, PATIENCE), (key, value, [m for _, m in self.said])
            return find()

    def start(self, host, sockets=(), names=(), watchdog=None):
        environment = dict(os.environ, NOTIFY_SOCKET=self.path)
        if sockets:
            environment.update(LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(names))
        if watchdog:
            environment["WATCHDOG_USEC"] = str(watchdog)

        # The numbers are made in the child, where nothing else is open yet.
        saved = [os.dup(s.fileno()) for s in sockets]
        high = [fcntl_dup_above(number, 100) for number in saved]

        def place():
            for index, number in enumerate(high):
                os.dup2(number, 3 + index)

        host.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(BIN / "master"), "-c", str(host.config)], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=place, pass_fds=[3 + n for n in range(len(sockets))],
        )
        for number in saved + high:
            os.close(number)
        return host


def fcntl_dup_above(number, minimum):
    import fcntl

    return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, minimum)


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.socket.close()


def test_ready_reload_stop(story, manager):
    host = story.host("sender.test", users=["anna"])
    manager.start(host)
    number, ready = manager.wait_for("READY", "1")
    assert ready["MAINPID"] == str(host.process.pid) and ready["STATUS"] == "running"
    # Every listener is bound, and the queue is open: its manager works.
    for port in (host.port, host.submission_port):
        socket.create_connection(("127.0.0.1", port), 5).close()
    assert len(host.children("qmgr")) == 1
    assert not any("READY" in message for _, message in manager.said[:number])
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    host.process.send_signal(signal.SIGHUP)
    number, message = manager.wait_for("RELOADING", "1", number + 1)
    assert before <= int(message["MONOTONIC_USEC"]) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
    number, message = manager.wait_for("READY", "1", number + 1)
    (host.config / "main.cf").write_text("queue_directory = relative\nno such thing\n")
    host.process.send_signal(signal.SIGHUP)
    number, _ = manager.wait_for("RELOADING", "1", number + 1)
    number, message = manager.wait_for("READY", "1", number + 1)
    assert "refused" in message["STATUS"]
    host.process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING", "1", number + 1)
    assert host.process.wait(PATIENCE) == 0


def test_not_ready_while_the_queue_is_not_open(story, manager):
    host = story.host("sender.test", users=["anna"])
    host.set(service_throttle_time="1s")
    path = host.config / "master.cf"
    good = path.read_text()
    path.write_text(good.replace("300 1 qmgr", "300 1 qmgr -Z"))
    manager.start(host)
    # It ends at once for its argument, again and again.
    host.wait_for_log("qmgr: bad command startup -- throttling", 2)
    assert not any("READY" in message for _, message in manager.said)
    path.write_text(good)
    host.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY", "1")


@pytest.mark.parametrize("name, text", [("main.cf", "smtpd_timeout = never\n"), ("master.cf", "smtp inet n\n")])
def test_a_bad_configuration_is_status_78_and_one_line(story, manager, name, text):
    host = story.host("sender.test")
    with (host.config / name).open("a") as file:
        file.write(text)
    manager.start(host)
    assert host.process.wait(PATIENCE) == 78
    _, message = manager.wait_for("STATUS")
    assert re.match(rf"{host.config}/{name}:\d+: ", message["STATUS"]), message
    host.process = None


def test_a_restart_with_passed_sockets_refuses_nobody(story, manager):
    host = story.host("sender.test", users=["anna"])
    listener = socket.create_server(("127.0.0.1", host.port), backlog=100)
    submission = socket.create_server(("127.0.0.1", host.submission_port), backlog=100)
    stranger = socket.create_server(("127.0.0.1", free_port()))
    sockets, names = [stranger, submission, listener], ["stray", "submission.socket", "smtp.socket"]
    manager.start(host, sockets, names)
    number, _ = manager.wait_for("READY", "1")
    assert f"socket activation: no service of master.cf listens on stray (127.0.0.1:{stranger.getsockname()[1]}): closed" in host.log()
    host.send("phil@sender.test", ["anna@sender.test"], "Subject: one\n\nx\n")
    host.wait_for_mail("anna")
    for word in ("LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET"):
        for pid in host.children():
            assert word not in open(f"/proc/{pid}/environ").read()

    refused, delivered, over = [], [], threading.Event()

    def clients():
        while not over.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", host.port, timeout=PATIENCE) as client:
                    client.sendmail("phil@sender.test", ["anna@sender.test"], "Subject: meanwhile\n\nx\n")
                    delivered.append(1)
            except ConnectionRefusedError as problem:
                refused.append(problem)
            except (smtplib.SMTPException, OSError):
                pass  # the session ended with the mail system, politely or not: the client comes again

    threads = [threading.Thread(target=clients) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        host.stop()
        manager.start(host, sockets, names)
        number, _ = manager.wait_for("READY", "1", number + 1)
    wanted = len(delivered) + 5
    wait_until(lambda: len(delivered) >= wanted, "mail goes on", context=host.explain)
    over.set()
    for thread in threads:
        thread.join()
    assert refused == [], host.explain()
    # Also while nothing runs: the connection waits in the socket's queue.
    host.stop()
    waiting = socket.create_connection(("127.0.0.1", host.port), 5)
    manager.start(host, sockets, names)
    waiting.settimeout(PATIENCE)
    assert waiting.recv(4) == b"220 "
    waiting.close()


def test_a_reload_does_not_deafen_what_was_passed(story, manager):
    host = story.host("sender.test", users=["anna"])
    listener = socket.create_server(("127.0.0.1", host.port))
    manager.start(host, [listener], ["smtp.socket"])
    number, _ = manager.wait_for("READY", "1")
    path = host.config / "master.cf"
    before = path.read_text()
    path.write_text(before.replace(f"127.0.0.1:{host.port} inet", f"127.0.0.1:{free_port()} inet"))
    host.process.send_signal(signal.SIGHUP)
    manager.wait_for("READY", "1", manager.wait_for("RELOADING", "1", number + 1)[0] + 1)
    # What was taken out comes back.
    number = manager.wait_for("READY", "1", len(manager.said) - 1)[0]
    path.write_text(before)
    host.process.send_signal(signal.SIGHUP)
    _, message = manager.wait_for("READY", "1", number + 1)
    assert message["STATUS"] == "running", host.log()
    host.send("phil@sender.test", ["anna@sender.test"], "Subject: back\n\nx\n")
    host.stop()
    # The service manager's own still takes connections.
    client = socket.create_connection(("127.0.0.1", host.port), 5)
    accepted, _ = listener.accept()
    accepted.close()
    client.close()


def test_one_socket_of_both_families_stands_for_both_wildcards(story, manager):
    host = story.host("sender.test", users=["anna"])
    port = free_port()
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    path = host.config / "master.cf"
    path.write_text(path.read_text().replace(f"127.0.0.1:{host.port} inet", f"{port} inet"))
    host.settings["inet_interfaces"] = "all"
    (host.config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in host.settings.items()))
    manager.start(host, [listener], ["smtp.socket"])
    manager.wait_for("READY", "1")
    for address in ("127.0.0.1", "::1"):
        with smtplib.SMTP(address, port, timeout=PATIENCE) as client:
            assert client.noop()[0] == 250
    host.wait_for_log(r"disconnect from unknown\[127\.0\.0\.1\]")
    host.wait_for_log(r"disconnect from unknown\[::1\]")


def test_the_watchdog_hears_of_a_program_that_does_not_answer(story, manager):
    host = story.host("sender.test", users=["anna"])
    manager.start(host, watchdog=2_000_000)
    number, _ = manager.wait_for("READY", "1")
    for _ in range(4):
        number, _ = manager.wait_for("WATCHDOG", "1", number + 1)
    stopped = host.children("qmgr")
    os.kill(stopped[0], signal.SIGSTOP)
    try:
        host.wait_for_log(rf"pid {stopped[0]} does not answer")
        # Two rounds and more without a word of it.
        wait_until(lambda: time.monotonic() - max(at for at, message in manager.said if "WATCHDOG" in message) > 2.5, "silence", context=lambda: manager.said)
        number = len(manager.said)
    finally:
        os.kill(stopped[0], signal.SIGCONT)
    try:
        manager.wait_for("WATCHDOG", "1", number)
    except AssertionError:
        raise AssertionError(host.explain()) from None
