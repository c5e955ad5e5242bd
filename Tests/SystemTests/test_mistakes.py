"""What other mail servers got wrong, as regression tests; each names where it happened.

SW is Stalwart. The unit tests have their share: 552 to RCPT, 5xx greetings, headers over 998 octets, MIME depth, dates, links as mailboxes.
"""

import os
import resource
import time

import pytest

from dialogue import Dialogue
from harness import wait_until

HEADER = "From: Phil <phil@sender.test>\r\nTo: anna@sender.test\r\nSubject: {}\r\n\r\n"


def only(items):
    assert len(items) == 1, items
    return items[0]


def test_emfile_does_not_spin(alone):
    """SW 0.16.12: out of descriptors, the listener stays readable and accept fails at once, for ever."""
    with Dialogue(alone.port) as c:
        c.ehlo()
    pid = only(alone.children("smtpd"))
    kept = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 2, kept[1]))

    def ticks():
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    waiting = [Dialogue(alone.port, greet=False) for _ in range(8)]
    try:
        alone.wait_for_log(r"smtpd\[%d\]: warning: accept connection: " % pid)
        before, begun = ticks(), time.monotonic()
        alone.wait_for_log(r"smtpd\[%d\]: warning: accept connection: " % pid, 3)
        used = (ticks() - before) / os.sysconf("SC_CLK_TCK")
        assert used < 0.5 * (time.monotonic() - begun), f"{used} s of CPU in {time.monotonic() - begun} s"
        assert alone.log().count("accept connection: ") < 20, alone.explain()
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, kept)
    # Those who waited are served.
    for c in waiting:
        assert c.reply()[0] == 220
        c.close()


def test_bytes_that_are_no_utf8_are_a_syntax_error(alone):
    """Kumo #550: 421 and the end of the session."""
    with Dialogue(alone.port) as c:
        c.expect(b"EHLO \xff\xfe", 501)
        c.ehlo()
        c.expect(b"MAIL FROM:<\xffphil@sender.test>", 501)
        c.expect(b"MAIL FROM:<phil@sender.test> SMTPUTF8", 250)
        c.expect(b"RCPT TO:<\xc3\x28@sender.test>", 501)
        c.expect("RSET", 250)
        assert c.transaction("anna@sender.test", HEADER.format("after") + "x\r\n.\r\n")[0] == 250
    alone.wait_for_mail("anna")


def test_local_parts_keep_their_case(pair):
    """SW #1916: local-parts were lower-cased on the way (RFC 5321 section 2.4)."""
    sender, receiver = pair
    with Dialogue(sender.port) as c:
        c.ehlo()
        assert c.transaction("Matt@Receiver.Test", HEADER.format("case") + "x\r\n.\r\n", sender="PhiL@sender.test")[0] == 250
    mail = only(receiver.wait_for_mail("matt"))
    assert mail["Return-Path"] == "<PhiL@sender.test>"
    receiver.wait_for_log(r"for <Matt@Receiver\.Test>|to=<Matt@[Rr]eceiver\.[Tt]est>")


def test_header_lines_over_998_octets_arrive_whole_and_legal(pair):
    """Kumo, SW: an over-long header line was sent as it is, or cut (RFC 5322 section 2.1.1)."""
    sender, receiver = pair
    words = " ".join(f"word{n}" for n in range(400))
    with Dialogue(sender.port) as c:
        c.ehlo()
        assert c.transaction("matt@receiver.test", f"From: phil@sender.test\r\nSubject: {words}\r\nX-Solid: {'y' * 1500}\r\n\r\nx\r\n.\r\n")[0] == 250
    receiver.wait_for_mail("matt")
    raw = only(receiver.raw_messages("matt"))
    assert max(len(line) for line in raw.split(b"\n")) <= 998
    # Folded where white space was: unfolding gives the field back (RFC 5322 section 2.2.3).
    assert b"\nSubject: " + words.encode() + b"\n" in raw.replace(b"\n ", b" ")


def test_a_message_that_is_refused_after_its_content_leaves_no_transaction(story):
    """Postfix 2026: after a refusal at the end of data RCPT and DATA went on with what was left of the transaction."""
    host = story.host("sender.test", users=["anna"], main={"smtpd_end_of_data_restrictions": "check_sender_access inline:{phil@sender.test=REJECT}"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("no") + "x\r\n.\r\n")[0] == 554
        c.expect("RCPT TO:<anna@sender.test>", 503, "5.5.1 Error: need MAIL command")
        c.expect("DATA", 503, "5.5.1 ")
        c.send(b"BDAT 4 LAST\r\nx\r\n\r")
        assert c.reply()[0] == 503
        assert c.transaction("anna@sender.test", HEADER.format("yes") + "x\r\n.\r\n", sender="other@sender.test")[0] == 250
    assert only(host.wait_for_mail("anna"))["Subject"] == "yes"


def test_an_error_within_bdat_leaves_no_transaction(alone):
    """Postfix 2026: BDAT error, then DATA without MAIL: null dereference."""
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.send(b"BDAT 5\r\nabcde")
        assert c.reply()[0] == 250
        c.send(b"BDAT 20000000 LAST\r\n" + b"x" * 20_000_000)
        assert c.reply()[0] == 552
        for command in ("DATA", "RCPT TO:<anna@sender.test>"):
            c.expect(command, 503)
        assert c.transaction("anna@sender.test", HEADER.format("after") + "x\r\n.\r\n")[0] == 250
    assert only(alone.wait_for_mail("anna"))["Subject"] == "after"
    alone.wait_until_empty()


def test_vrfy_with_smtputf8_changes_nothing_of_the_transaction(alone):
    """Postfix 2026: VRFY with SMTPUTF8 reset the flag of the transaction."""
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test> SMTPUTF8 BODY=8BITMIME", 250)
        c.expect("VRFY anna SMTPUTF8", 252)
        c.expect("VRFY anna", 252)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 354)
        c.send("From: ä@sender.test\r\nSubject: ü\r\n\r\nx\r\n.\r\n".encode())
        assert c.reply()[0] == 250
    assert "UTF8SMTP" in only(alone.wait_for_mail("anna"))["Received"]


@pytest.mark.parametrize("ending", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n\x00.\r\n", b"\n.\r", b"\r\r\n.\r\r\n"])
@pytest.mark.parametrize("way", ["DATA", "BDAT"])
def test_nothing_is_smuggled(pair, ending, way):
    """CVE-2023-51764, -51765, -51766; chasquid, mox, aiosmtpd: a second message within the first, at this hop or the next."""
    sender, receiver = pair
    inner = b"MAIL FROM:<evil@sender.test>\r\nRCPT TO:<matt@receiver.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
    content = HEADER.format("outer").encode() + b"x" + ending + inner
    with Dialogue(sender.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<matt@receiver.test>", 250)
        if way == "DATA":
            c.expect("DATA", 354)
            # The inner message's own end is the first real one.
            c.send(content)
        else:
            c.send(b"BDAT %d LAST\r\n" % len(content) + content)
        assert c.reply()[0] == 250
        c.expect("NOOP", 250)
    assert only(receiver.wait_for_mail("matt"))["Subject"] == "outer"
    sender.wait_until_empty()
    receiver.wait_until_empty()
    assert len(receiver.messages("matt")) == 1
    raw = only(receiver.raw_messages("matt"))
    assert b"\r" not in raw.replace(b"\r\n", b"\n"), "no line end is left that another reader could see"


def test_a_command_without_end_takes_no_memory(alone):
    """Postfix 2026, SW CVE-2025-61600: unlimited reading of long commands."""
    with Dialogue(alone.port) as c:
        c.ehlo()
        pid = only(alone.children("smtpd"))

        def memory():
            return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))

        before = memory()
        for _ in range(64):
            c.send(b"A" * 1_000_000)
        wait_until(lambda: memory() < before + 20_000, f"memory stays near {before} kB", context=lambda: str(memory()))
        c.send(b"\r\n")
        assert c.reply() == (500, "5.5.2 Error: line too long")
        c.expect("NOOP", 250)


def test_line_breaks_in_addresses_make_no_lines(alone):
    """Postfix 2026, OpenSMTPD CVE-2020-8794: line-break injection through the envelope."""
    with Dialogue(alone.port) as c:
        c.ehlo()
        for path in (b'<"a\rb"@sender.test>', b'<"a\\\rX: y"@sender.test>', b"<a\x00b@sender.test>", b'<"a\x0bb"@sender.test>'):
            code = c.ask(b"MAIL FROM:" + path)[0]
            assert code in (501, 553), (path, code)
        assert c.transaction("anna@sender.test", HEADER.format("x") + "x\r\n.\r\n", sender='"a b"')[0] == 250
    assert only(alone.wait_for_mail("anna"))["Return-Path"] == '<"a b"@sender.test>'


def test_dash_t_drops_bcc(alone):
    """mox: the Bcc field of `sendmail -t` went out."""
    alone.sendmail("-t", "-f", "phil@sender.test", stdin=b"To: anna\nBcc: phil@sender.test,\n  postmaster@sender.test\nSubject: t\n\nx\n")
    for user in ("anna", "phil", "postmaster"):
        raw = only(alone.raw_messages(user) if alone.wait_for_mail(user) else [])
        assert b"bcc" not in raw.lower().split(b"\n\n")[0], raw


def test_includes_that_include_each_other_end(alone):
    """Postfix 2026: :include: recursion."""
    one, two = alone.base / "one", alone.base / "two"
    one.write_text(f":include:{two}\nanna\n")
    two.write_text(f":include:{one}\n")
    for path in (one, two):
        os.chmod(path, 0o644)
    alone.aliases["loop"] = f":include:{one}"
    alone.write_configuration()
    alone.martlet("reload")
    with Dialogue(alone.port) as c:
        c.ehlo()
        wait_until(lambda: c.ask("VRFY loop")[0] == 252, "the alias is known", context=alone.explain)
        assert c.transaction("loop@sender.test", HEADER.format("loop") + "x\r\n.\r\n")[0] == 250
    # Anna gets it once; the circle is a failure that phil is told of.
    only(alone.wait_for_mail("anna"))
    alone.wait_for_log(r"to=<loop@sender\.test>, .*dsn=5\.4\.6, status=bounced")
    alone.wait_until_empty()
    assert len(alone.messages("anna")) == 1


def test_deep_mime_is_passed_on(pair):
    """SW CVE-2026-26312: nested MIME parts took all memory."""
    sender, receiver = pair
    depth = 5000
    parts = "".join(f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(depth))
    with Dialogue(sender.port) as c:
        c.ehlo()
        head = "From: phil@sender.test\r\nSubject: deep\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
        assert c.transaction("matt@receiver.test", head + parts + "\xe4\r\n.\r\n")[0] == 250
    # Python's own parser gives up on it.
    wait_until(lambda: receiver.raw_messages("matt"), "the message arrives", context=receiver.explain)
    assert b"\nSubject: deep\n" in only(receiver.raw_messages("matt"))


def test_a_year_of_zones_in_dates(alone):
    """Kumo #551, SW #2366: dates of a zone named UTC, and the hours that daylight saving skips or repeats."""
    dates = ("Mon, 23 Nov 2026 20:00:00 UTC", "Sun, 29 Mar 2026 02:30:00 +0100", "Sun, 25 Oct 2026 02:30:00 CEST", "Thu, 31 Dec 2026 23:59:60 GMT", "nonsense")
    with Dialogue(alone.port) as c:
        c.ehlo()
        for date in dates:
            assert c.transaction("anna@sender.test", f"Date: {date}\r\nReceived: from a by b; {date}\r\nSubject: d\r\n\r\nx\r\n.\r\n")[0] == 250
    alone.wait_for_mail("anna", len(dates))
    assert sorted(line[6:].decode() for raw in alone.raw_messages("anna") for line in raw.split(b"\n") if line.startswith(b"Date: ")) == sorted(dates)
