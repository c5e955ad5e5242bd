"""A hostile child: what stands in the place of `lmtp` speaks to master's broker as no program of ours would. Master and the real services go on."""

import os
import re
import shutil
import socket
import sys
import time

from harness import BIN, free_port, wait_until

# Descriptors: 3 status, 4 lifetime, 5 configuration, 6 broker (ARCHITECTURE.md). What it finds goes to standard error, which master logs.
HOSTILE = r'''
import array, os, random, select, socket, struct, sys

mode = sys.argv[-1]
broker = socket.socket(fileno=6)
broker.settimeout(20)


def ask(number, letter):
    broker.send(struct.pack("<I", number) + letter)


def answer():
    data, extra, _, _ = broker.recvmsg(64, socket.CMSG_SPACE(64))
    found = []
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers = array.array("i")
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
            found += numbers
    return (struct.unpack("<II", data) if data else None), found


def say(*words):
    print(mode, *words, file=sys.stderr, flush=True)


def ends():
    # After the end of the broker nothing is answered, and nothing more is heard.
    try:
        rest = answer()
    except (ConnectionResetError, BrokenPipeError):
        rest = (None, [])
    say("ended" if rest == (None, []) else f"answered {rest}")


os.write(3, b"A")
try:
    if mode == "honest":
        ask(7, b"R")
        head, found = answer()
        peer = socket.socket(fileno=found[0])
        say("answered", head, len(found), peer.getpeername().rsplit("/", 1)[1])
        peer.setblocking(True)
        peer.sendall(b"N")
        say("greeted", len(peer.recv(9)))
    elif mode == "foreign":
        ask(1, b"C")
        ends()
    elif mode == "unknown":
        ask(1, b"L")
        ends()
    elif mode == "name":
        broker.send(b"local")
        ends()
    elif mode == "path":
        broker.send(b"/run/systemd/private")
        ends()
    elif mode == "garbage":
        dice = random.Random(4)
        try:
            for _ in range(200):
                broker.send(dice.randbytes(dice.choice([0, 1, 4, 6, 100, 60000])))
        except (ConnectionResetError, BrokenPipeError):
            pass  # master has hung up already
        ends()
    elif mode == "descriptors":
        broker.sendmsg([struct.pack("<I", 1) + b"R"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))])
        head, found = answer()
        say("answered", head, len(found))
    elif mode == "flood":
        # As fast as it can, for longer than the allowance lasts; it takes its answers.
        broker.setblocking(False)
        sent = got = 0
        while got < 200:
            readable, writable, _ = select.select([broker], [broker] if sent < 200 else [], [], 20)
            if readable:
                got += 1
                for number in answer()[1]:
                    os.close(number)
            if writable:
                try:
                    ask(sent, b"R")
                    sent += 1
                except BlockingIOError:
                    pass
        say("flooded", got)
    elif mode == "deaf":
        broker.setblocking(False)
        for number in range(100000):
            try:
                ask(number, b"R")
            except BlockingIOError:
                select.select([], [broker], [], 20)
            except OSError:
                break
        say("stopped")
except BaseException as problem:
    say("failed", repr(problem))
os.read(4, 1)
'''

MODES = ("honest", "foreign", "unknown", "name", "path", "garbage", "descriptors", "flood", "deaf")


def hostile_instance(story, tmp_path):
    programs = tmp_path / "libexec"
    programs.mkdir()
    for path in BIN.iterdir():
        if path.is_file() and os.access(path, os.X_OK):
            (programs / path.name).symlink_to(path)
    (programs / "lmtp").unlink(missing_ok=True)
    (programs / "lmtp").write_text(f"#!{shutil.which('python3') or sys.executable}\n{HOSTILE}")
    (programs / "lmtp").chmod(0o755)
    ports = {mode: free_port() for mode in MODES}
    services = "".join(f"127.0.0.1:{port} inet n n n - 1 lmtp {mode}\n" for mode, port in ports.items())
    host = story.host("sender.test", users=["anna"], main={"daemon_directory": programs}, master=services)
    host.start()
    # master binds one after the other; that of smtpd is the first.
    for port in ports.values():
        wait_until(lambda port=port: is_bound(port), f"port {port} is bound", context=host.explain)
    return host, ports


def is_bound(port):
    """Whether somebody listens there, without a connection that would start the program."""
    with open("/proc/net/tcp") as table:
        return any(f":{port:04X} 00000000:0000 0A" in line for line in table)


def poke(host, ports, mode, expected):
    socket.create_connection(("127.0.0.1", ports[mode]), 5).close()
    return host.wait_for_log(rf": {mode} {expected}")


def test_a_child_gets_what_its_program_may_reach_and_loses_its_broker_for_anything_else(story, tmp_path):
    host, ports = hostile_instance(story, tmp_path)
    master = host.process.pid
    poke(host, ports, "honest", r"answered \(7, 0\) 1 resolver$")
    poke(host, ports, "honest", r"greeted 9$")
    for mode, reason in (("foreign", "a request for cleanup, which it may not reach"), ("unknown", "a malformed request"), ("name", "a malformed request"), ("path", "a malformed request"), ("garbage", "a malformed request")):
        poke(host, ports, mode, "ended$")
        assert re.search(rf"lmtp pid \d+: {reason}: it gets no more connections to other programs", host.log()), (mode, host.explain())
    before = set(os.listdir(f"/proc/{master}/fd"))
    poke(host, ports, "descriptors", r"answered \(1, 0\) 1$")
    # The child's pipes and broker, and none of the 200.
    assert len(set(os.listdir(f"/proc/{master}/fd")) - before) <= 3
    host.send("phil@sender.test", ["anna@sender.test"], "Subject: still there\n\nx\n")
    host.wait_for_mail("anna")


def test_a_flood_of_requests_holds_up_nobody(story, tmp_path):
    host, ports = hostile_instance(story, tmp_path)
    for mode in ("flood", "deaf"):
        socket.create_connection(("127.0.0.1", ports[mode]), 5).close()
    wait_until(lambda: len(host.children("lmtp") + host.children("python3")) >= 2, "both are running", context=host.explain)
    spent = processor_time(host.process.pid)
    began = time.monotonic()
    for number in range(20):
        host.send("phil@sender.test", ["anna@sender.test"], f"Subject: {number}\n\nx\n")
    host.wait_for_mail("anna", 20)
    host.wait_for_log(r": flood flooded \d+")
    # 200 requests take master 8 seconds to read at its rate, and next to nothing of the processor.
    assert time.monotonic() - began > 5
    assert processor_time(host.process.pid) - spent < 3
    for word in ("killed by signal", "Fatal error"):
        assert word not in host.log(), host.explain()


def processor_time(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
