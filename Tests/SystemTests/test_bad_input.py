"""Whatever comes in on whatever door: the service goes on, and nothing is half-accepted.

The seed of random bytes is printed; MARTLET_TEST_SEED repeats a run.
"""

import os
import random
import socket
import stat
import struct
import time

import pytest

from dialogue import Dialogue
from harness import wait_until

HEADER = "From: Phil <phil@sender.test>\r\nTo: anna@sender.test\r\nSubject: {}\r\n\r\n"


def only(items):
    assert len(items) == 1, items
    return items[0]


@pytest.fixture
def dice():
    seed = int(os.environ.get("MARTLET_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"MARTLET_TEST_SEED={seed}")
    return random.Random(seed)


def deliver(host, subject, user="anna", patience=None):
    """The service still works: a message goes in and arrives."""

    def accepted():
        try:
            with Dialogue(host.port) as c:
                c.ehlo()
                return c.transaction(f"{user}@sender.test", HEADER.format(subject) + "x\r\n.\r\n")[0] == 250
        except (AssertionError, OSError, EOFError):
            return False

    wait_until(accepted, "a message is accepted", patience, host.explain)
    wait_until(lambda: subject in [m["Subject"] for m in host.messages(user)], f"{subject} arrives", patience, host.explain)


# Sockets


def poke(connect, payloads):
    """Sends each payload on a connection of its own; reads a little of what comes back; some are closed at once, some half-closed."""
    for number, payload in enumerate(payloads):
        try:
            with connect() as s:
                s.settimeout(0.2)
                s.sendall(payload)
                if number % 3 == 0:
                    continue
                if number % 3 == 1:
                    s.shutdown(socket.SHUT_WR)
                s.recv(4096)
        except OSError:
            pass


def garbage(dice):
    frames = [dice.randbytes(dice.choice([1, 3, 9, 64, 4096, 70000])) for _ in range(6)]
    for opening in (b"", b"N", b"S"):
        # Frame: payload length, stream, type.
        frames += [opening + struct.pack("<IIB", length, stream, kind) + dice.randbytes(20) for length, stream, kind in [(0xFFFFFFFF, 1, 1), (0x7FFFFFFF, 1, 2), (0, 0, 255), (100, 1, 1), (20, 1, 1), (20, 0xFFFFFFFF, 0)]]
        frames += [opening, opening + b"\0" * 64, opening + b"\xff" * 64]
        frames += [opening + struct.pack("<IIB", size := dice.randrange(0, 200), 1, dice.randrange(0, 16)) + dice.randbytes(size) for _ in range(12)]
    return frames


def test_garbage_on_every_socket_ends_no_service(alone, dice):
    deliver(alone, "before")
    doors = [path for folder in ("private", "public") for path in sorted((alone.queue / folder).iterdir()) if stat.S_ISSOCK(path.stat().st_mode)]
    assert {"cleanup", "qmgr", "pickup", "bounce", "resolver", "smtp", "local"} <= {d.name for d in doors}, doors

    def unix(path):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(path))
        return s

    for door in doors:
        poke(lambda door=door: unix(door), garbage(dice))
    poke(lambda: socket.create_connection(("127.0.0.1", alone.port), 5), garbage(dice))
    deliver(alone, "after")
    alone.sendmail("-f", "phil@sender.test", "anna", stdin=b"Subject: sendmail\n\nx\n")
    wait_until(lambda: "sendmail" in [m["Subject"] for m in alone.messages("anna")], "sendmail's message arrives", context=alone.explain)
    assert "Mail queue is empty" in alone.mailq() or alone.wait_until_empty() is None
    # No program died of it.
    for word in ("killed by signal", "Fatal error", "exit status"):
        assert word not in alone.log(), alone.explain()
    # And none waits for a connection that is long gone.
    alone.stop(patience=6)


# The SMTP dialogue


def test_overlong_lines_are_refused_and_the_session_goes_on(alone):
    with Dialogue(alone.port) as c:
        c.ehlo()
        for length in (2047, 2049, 5000, 300_000):
            code, _ = c.ask(b"NOOP " + b"x" * length)
            assert code in ((250, 500) if length < 2049 else (500,)), (length, code)
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        assert c.ask("RCPT TO:<" + "a" * 65 + "@sender.test>")[0] in (501, 550)
        assert c.ask("RCPT TO:<anna@" + "b." * 1500 + "test>")[0] in (500, 501)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 354)
        c.send(HEADER.format("long line") + "y" * 300_000 + "\r\n.\r\n")
        assert c.reply()[0] == 250
    mail = only(alone.wait_for_mail("anna"))
    assert mail.get_content().replace("\n", "").replace(" ", "").count("y") == 300_000, "long lines may be folded, never cut"


def test_nul_and_control_bytes_in_commands_and_content(alone):
    with Dialogue(alone.port) as c:
        for command in (b"EHLO a\0b", b"HELO \x01", b"MAIL FROM:<a\0b@sender.test>", b"MAIL FROM:<phil@sender.test>\0", b"NO\0OP", b"MAIL FROM:<a\x7fb@sender.test>", b"MAIL FROM:<\xff\xfe@sender.test>"):
            code, text = c.ask(command)
            assert 500 <= code <= 599, (command, code, text)
            assert all(" " <= ch or ch == "\n" for ch in text)
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 354)
        c.send(HEADER.format("nul").encode() + b"a\0b\x01c\r\n.\r\n")
        code, text = c.reply()
        assert code in (250, 550, 554), (code, text)
        c.expect("NOOP", 250)
    deliver(alone, "after nul")
    assert all(31 < b or b in (9, 10) for b in alone.log_path.read_bytes()), "a log line has printable bytes only"


def test_ten_thousand_recipients(story):
    """1000 are taken a transaction (smtpd_recipient_limit); the rest is put off with 452, so that a client can go on."""
    host = story.host("sender.test", users=["anna"], main={"smtpd_recipient_overshoot_limit": "20000"}, aliases={f"user{n}": "anna" for n in range(10_000)})
    host.aliases.update({f"user{n}": f"{host.mail}/all" for n in range(10_000)})
    host.write_configuration()
    host.start()
    with Dialogue(host.port) as c:
        c.ehlo()
        left = list(range(10_000))
        accepted = 0
        commands = "".join(f"RCPT TO:<user{n}@sender.test>\r\n" for n in left)
        c.send("MAIL FROM:<phil@sender.test>\r\n")
        assert c.reply()[0] == 250
        codes = []
        for start in range(0, len(left), 500):
            c.send("".join(f"RCPT TO:<user{n}@sender.test>\r\n" for n in left[start : start + 500]))
            codes += [c.reply()[0] for _ in range(len(left[start : start + 500]))]
        accepted = codes.count(250)
        assert accepted == 1000 and codes.count(452) == 9000, {code: codes.count(code) for code in set(codes)}
        assert len(commands) > 200_000
        c.expect("DATA", 354)
        c.send(HEADER.format("many") + "x\r\n.\r\n")
        assert c.reply()[0] == 250
    host.wait_for_log(r"qmgr\[\d+\]: \w+: from=<phil@sender\.test>, size=\d+, nrcpt=1000 \(queue active\)")
    wait_until(lambda: host.log().count("status=sent") >= 1000, "1000 deliveries", 60, host.explain)
    host.wait_until_empty()
    assert host.log().count("status=sent") == 1000


def test_a_slow_client_is_timed_out(story):
    host = story.host("sender.test", users=["anna"], main={"smtpd_timeout": "2s"}).start()
    with Dialogue(host.port) as c:
        code, text = c.reply()
        assert code == 421 and text == "4.4.2 mail.sender.test Error: timeout exceeded", (code, text)
        assert c.at_end(5)
    host.wait_for_log(r"timeout after CONNECT from unknown\[127\.0\.0\.1\]")
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 354)
        c.send("Subject: never ends\r\n")
        assert c.reply()[0] == 421
    host.wait_for_log(r"timeout after DATA \(\d+ bytes\) from unknown\[127\.0\.0\.1\]")
    assert not any(host.queue_files().values())


def test_one_byte_at_a_time_does_not_buy_more_time_under_a_request_deadline(story):
    host = story.host("sender.test", users=["anna"], main={"smtpd_timeout": "2s", "smtpd_per_request_deadline": "yes"}).start()
    with Dialogue(host.port) as c:
        started = time.monotonic()
        try:
            for byte in b"NOOP " + b"x" * 100:
                c.send(bytes([byte]))
                c.socket.settimeout(0.1)
                try:
                    data = c.socket.recv(1000)
                    break
                except (TimeoutError, socket.timeout):
                    pass
            else:
                raise AssertionError("never cut off")
        except (ConnectionResetError, BrokenPipeError):
            data = b"421"
        assert data.startswith(b"421") or data == b"", data
        assert 1 < time.monotonic() - started < 6
    host.wait_for_log(r"timeout after CONNECT from")


def test_one_byte_at_a_time_is_served(alone):
    with Dialogue(alone.port) as c:
        for byte in ("EHLO c.test\r\n").encode():
            c.send(bytes([byte]))
        assert c.reply()[0] == 250
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 354)
        c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in (HEADER.format("drops") + "..\r\n.x\r\n.\r\n").encode():
            c.send(bytes([byte]))
        assert c.reply()[0] == 250
    assert only(alone.wait_for_mail("anna")).get_content() == ".\nx\n"


VANISHING = {
    "after connecting": [],
    "after EHLO": [b"EHLO c.test\r\n"],
    "after MAIL": [b"EHLO c.test\r\n", b"MAIL FROM:<phil@sender.test>\r\n"],
    "after RCPT": [b"EHLO c.test\r\n", b"MAIL FROM:<phil@sender.test>\r\n", b"RCPT TO:<anna@sender.test>\r\n"],
    "after DATA": [b"EHLO c.test\r\n", b"MAIL FROM:<phil@sender.test>\r\n", b"RCPT TO:<anna@sender.test>\r\n", b"DATA\r\n"],
    "in the content": [b"EHLO c.test\r\n", b"MAIL FROM:<phil@sender.test>\r\n", b"RCPT TO:<anna@sender.test>\r\n", b"DATA\r\n", b"Subject: lost\r\n\r\n" + b"x" * 70 + b"\r\n" * 5000],
    "before the last line feed": [b"EHLO c.test\r\n", b"MAIL FROM:<phil@sender.test>\r\n", b"RCPT TO:<anna@sender.test>\r\n", b"DATA\r\n", b"Subject: lost\r\n\r\n.\r"],
    "in a chunk": [b"EHLO c.test\r\n", b"MAIL FROM:<phil@sender.test>\r\n", b"RCPT TO:<anna@sender.test>\r\n", b"BDAT 100000 LAST\r\n" + b"x" * 99999],
    "between chunks": [b"EHLO c.test\r\n", b"MAIL FROM:<phil@sender.test>\r\n", b"RCPT TO:<anna@sender.test>\r\n", b"BDAT 100000\r\n" + b"x" * 100000],
}


@pytest.mark.parametrize("manner", ["closing", "resetting"])
def test_clients_that_vanish_leave_nothing_behind(alone, manner):
    for sends in VANISHING.values():
        s = socket.create_connection(("127.0.0.1", alone.port), 10)
        s.settimeout(10)
        assert s.recv(4096).startswith(b"220")
        for data in sends:
            s.sendall(data)
            if len(data) < 200 and not data.startswith(b"Subject"):
                assert s.recv(4096)[:1] in (b"2", b"3")
        if manner == "resetting":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    # One for each, and one for the harness's own first look.
    alone.wait_for_log(r"disconnect from unknown", len(VANISHING) + 1)
    alone.wait_for_log(r"lost connection after (CONNECT|EHLO|MAIL|RCPT|DATA \(\d+ bytes\)|BDAT \(\d+ bytes\))", len(VANISHING))
    deliver(alone, "after the others")
    alone.wait_until_empty()
    assert [m["Subject"] for m in alone.messages("anna")] == ["after the others"]


def test_a_client_that_vanishes_after_the_dot_has_its_message_delivered_or_not_but_never_half(alone):
    s = socket.create_connection(("127.0.0.1", alone.port), 10)
    assert s.recv(4096).startswith(b"220")
    for data in VANISHING["after DATA"]:
        s.sendall(data)
        assert s.recv(4096)[:1] in (b"2", b"3")
    content = HEADER.format("dot").encode() + b"z" * 70 + b"\r\nlast line\r\n.\r\n"
    s.sendall(content)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    deliver(alone, "after")
    alone.wait_until_empty()
    for mail in alone.messages("anna"):
        if mail["Subject"] == "dot":
            assert mail.get_content().endswith("last line\n")


# The queue's own files


def test_garbage_in_the_queue_at_start_is_set_aside_and_the_service_goes_on(story, dice):
    host = story.host("sender.test", users=["anna"]).start()
    deliver(host, "first")
    host.wait_until_empty()
    host.stop()
    # A real file to damage: kept on hold.
    held = story.host("held.test", users=["anna"]).start()
    held.stop()
    planted = {}
    for number, folder in enumerate(["incoming", "deferred", "incoming", "deferred"]):
        name = f"4jYJQl1CXpz2r{'lmnp'[number]}"
        data = [dice.randbytes(5000), b"", b"\0" * 300, dice.randbytes(17)][number]
        path = host.queue / folder / name
        path.write_bytes(data)
        os.chmod(path, 0o700)
        planted[name] = (folder, data)
    (host.queue / "incoming" / "not a queue id").write_bytes(b"x")
    (host.queue / "deferred" / "subdirectory").mkdir()
    (host.queue / "incoming" / "4jYJQl1CXpz2rq").symlink_to("/etc/passwd")
    host.start()
    deliver(host, "second")
    # What has no valid end in deferred can never have been accepted there: set aside. In incoming it is a message that was not finished.
    wait_until(lambda: all(not (host.queue / f / n).exists() for n, (f, _) in planted.items()), "garbage is gone from the queue", context=host.explain)
    corrupt = {p.name: p for p in (host.queue / "corrupt").iterdir()}
    for name, (folder, data) in planted.items():
        if folder == "deferred":
            assert corrupt[name].read_bytes() == data, "kept as it was"
            assert name in host.log(), "and logged"
    assert any(n in corrupt for n, (f, _) in planted.items() if f == "incoming") or "removed" in host.log()
    assert os.path.exists("/etc/passwd")
    assert "not a queue id" not in host.mailq()


def test_a_damaged_message_is_set_aside_when_its_turn_comes(story, dice):
    """Bytes changed in a file that was accepted: the checksum of its end record tells."""
    host = story.host("sender.test", users=["anna"], main={"transport_maps": "inline:{ away.test=smtp:[127.0.0.1]:1 }"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("someone@away.test", HEADER.format("deferred") + "x" * 60 + "\r\n.\r\n")[0] == 250
    wait_until(lambda: host.queue_files()["deferred"], "the message is deferred", context=host.explain)
    name = only(host.queue_files()["deferred"])
    host.stop()
    path = host.queue / "deferred" / name
    data = bytearray(path.read_bytes())
    for position in range(0, min(len(data), 60)):
        data[position] ^= dice.randrange(1, 256)
    path.write_bytes(data)
    host.start()
    wait_until(lambda: name in host.queue_files()["corrupt"], "the file is set aside", context=host.explain)
    assert (host.queue / "corrupt" / name).read_bytes() == bytes(data)
    host.wait_for_log(rf"{name}")
    deliver(host, "goes on")


def test_garbage_in_maildrop_stops_nobody(alone, dice):
    drop = alone.queue / "maildrop"
    (drop / "4jYJQl1CXpz2rl").write_bytes(dice.randbytes(4000))
    (drop / "4jYJQl1CXpz2rm").write_bytes(b"")
    (drop / "nonsense").write_bytes(b"nonsense")
    (drop / "folder").mkdir()
    (drop / "4jYJQl1CXpz2rn").symlink_to("/etc/shadow")
    os.mkfifo(drop / "4jYJQl1CXpz2rp")
    for name in ("4jYJQl1CXpz2rl", "4jYJQl1CXpz2rm"):
        os.chmod(drop / name, 0o700)
    alone.sendmail("-f", "phil@sender.test", "anna", stdin=b"Subject: past the garbage\n\nx\n")
    assert only(alone.wait_for_mail("anna"))["Subject"] == "past the garbage"
    assert len(alone.raw_messages("anna")) == 1
    alone.sendmail("-f", "phil@sender.test", "anna", stdin=b"Subject: again\n\nx\n")
    alone.wait_for_mail("anna", 2)
