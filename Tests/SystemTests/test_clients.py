"""Other people's SMTP clients, and content that arrives byte for byte."""

import hashlib
import os
import smtplib
import ssl
import subprocess
from email.message import EmailMessage

import pytest

from dialogue import Dialogue
from harness import wait_until
from tlsfiles import Certificate

MESSAGE = b"From: Phil <phil@sender.test>\r\nTo: anna@sender.test\r\nSubject: %s\r\nMessage-ID: <%s@client.test>\r\nDate: Mon, 23 Nov 2026 20:00:00 +0000\r\n\r\nHello.\r\n"


def only(items):
    assert len(items) == 1, items
    return items[0]


def run(*command, stdin=b""):
    result = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, timeout=60)
    assert result.returncode == 0, (command, result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace"))
    return result.stdout.decode(errors="replace")


@pytest.fixture
def secure(story):
    certificate = Certificate(story.base / "tls")
    host = story.host("sender.test", users=["phil", "anna"], main=certificate.smtpd)
    host.certificate = certificate
    return host.start()


def test_swaks_in_plain_text_with_and_without_pipelining(alone):
    for number, option in enumerate(["--timeout=20", "--pipeline"]):
        out = run("swaks", "--server", "127.0.0.1", "--port", alone.port, "--from", "phil@sender.test", "--to", "anna@sender.test,phil@sender.test", "--helo", "client.test", "--header", f"Subject: swaks {number}", option)
        assert "queued as" in out
    for user in ("anna", "phil"):
        assert {m["Subject"] for m in alone.wait_for_mail(user, 2)} == {"swaks 0", "swaks 1"}


def test_swaks_with_starttls(secure):
    out = run("swaks", "--server", "127.0.0.1", "--port", secure.port, "--from", "phil@sender.test", "--to", "anna@sender.test", "--helo", "client.test", "--tls")
    assert "TLS started" in out and "queued as" in out
    assert "ESMTPS" in only(secure.wait_for_mail("anna"))["Received"]


def test_smtplib_sends_with_tls_and_in_utf8(secure):
    message = EmailMessage()
    message["From"] = "phil@sender.test"
    message["To"] = "anna@sender.test"
    message["Subject"] = "Grüße"
    message.set_content("Schöne Grüße\n", cte="8bit")
    context = ssl.create_default_context(cafile=str(secure.certificate.certificate))
    with smtplib.SMTP("localhost", secure.port, timeout=20) as client:
        client.starttls(context=context)
        assert client.send_message(message, mail_options=["SMTPUTF8", "BODY=8BITMIME"]) == {}
        assert client.verify("anna")[0] == 252
        assert client.noop()[0] == 250
    mail = only(secure.wait_for_mail("anna"))
    assert mail["Subject"] == "Grüße" and mail.get_content() == "Schöne Grüße\n"
    assert "with UTF8SMTPS id" in mail["Received"]


def test_curl_uploads_a_message(secure, tmp_path):
    path = tmp_path / "message"
    path.write_bytes(MESSAGE % (b"curl", b"curl"))
    for scheme in (["--ssl-reqd", "--cacert", secure.certificate.certificate], []):
        run("curl", "-sS", *scheme, f"smtp://localhost:{secure.port}/client.test", "--mail-from", "phil@sender.test", "--mail-rcpt", "anna@sender.test", "--upload-file", path)
    assert [m["Subject"] for m in secure.wait_for_mail("anna", 2)] == ["curl", "curl"]


def test_msmtp_reads_the_recipients_from_the_header(secure):
    common = ["msmtp", "--host=localhost", f"--port={secure.port}", "--from=phil@sender.test", "--domain=client.test", "--timeout=20"]
    run(*common, "--tls=on", f"--tls-trust-file={secure.certificate.certificate}", "-t", stdin=MESSAGE.replace(b"\r\n", b"\n") % (b"msmtp", b"msmtp"))
    run(*common, "--tls=off", "anna@sender.test", stdin=MESSAGE.replace(b"\r\n", b"\n") % (b"msmtp", b"msmtp2"))
    mails = secure.wait_for_mail("anna", 2)
    assert sorted("ESMTPS" in m["Received"] for m in mails) == [False, True]


def after_trace(raw):
    """The stored message behind the fields that the mail system put on top."""
    lines = raw.split(b"\n")
    position = 0
    while position < len(lines) and (lines[position].startswith((b"Return-Path:", b"X-Original-To:", b"Delivered-To:", b"Received:")) or (position and lines[position][:1] in b" \t" and lines[position])):
        position += 1
    return b"\n".join(lines[position:])


HEADER = b"From: Phil <phil@sender.test>\r\nTo: anna@sender.test\r\nSubject: odd\r\nMessage-ID: <odd@client.test>\r\nDate: Mon, 23 Nov 2026 20:00:00 +0000\r\n"
BODIES = {
    "dots": b".\r\n..\r\n...\r\n.a\r\n..a\r\nend.\r\n.\r\n",
    "eight bits": bytes(b for b in range(1, 256) if b not in (10, 13)) + b"\r\n",
    "a line of 900": b"x" * 900 + b"\r\n",
    "a line of 998": b"y" * 998 + b"\r\n",
    "blanks at line ends": b"one \r\ntwo\t\r\n \r\n\r\n\r\n",
    "From at the beginning": b"From here on\r\n>From there\r\n",
    "nothing": b"",
    "a megabyte": b"".join(hashlib.sha256(bytes([n % 256, n // 256])).hexdigest().encode() + b"\r\n" for n in range(16000)),
}


@pytest.mark.parametrize("name", BODIES)
def test_content_is_byte_identical_behind_the_trace_fields(alone, name):
    content = HEADER + b"X-Folded: one\r\n\ttwo\r\n  three\r\nx-ODD-case:no space\r\n\r\n" + BODIES[name]
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test> BODY=8BITMIME", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 354)
        stuffed = b"\r\n".join((b"." + line if line.startswith(b".") else line) for line in content.split(b"\r\n"))
        c.send(stuffed + b".\r\n")
        assert c.reply()[0] == 250
    alone.wait_for_mail("anna")
    assert after_trace(only(alone.raw_messages("anna"))) == content.replace(b"\r\n", b"\n")


MEGABYTE = BODIES["a megabyte"]
OVER_TWO_HOPS = {
    "a bit of everything": BODIES["dots"] + BODIES["eight bits"] + BODIES["blanks at line ends"],
    # Sent from the queue file as it is, and written past the cache.
    "a megabyte": MEGABYTE,
    "a megabyte and a third of a line": MEGABYTE + b"no newline at the end",
    "a megabyte of eight bits": MEGABYTE + BODIES["eight bits"],
    # Each piece has something to be done.
    "a megabyte with dots": BODIES["dots"] + MEGABYTE.replace(b"\r\n0", b"\r\n.") + b".",
    "a megabyte with bare line ends": MEGABYTE.replace(b"\r\n0", b"\r0").replace(b"\r\n1", b"\n.1"),
}


@pytest.mark.parametrize("declared", ["8BITMIME", "BINARYMIME"])
@pytest.mark.parametrize("name", OVER_TWO_HOPS)
def test_content_is_byte_identical_over_two_hops(pair, name, declared):
    sender, receiver = pair
    content = HEADER.replace(b"anna@sender.test", b"matt@receiver.test") + b"\r\n" + OVER_TWO_HOPS[name]
    with Dialogue(sender.port) as c:
        c.ehlo()
        c.expect(f"MAIL FROM:<phil@sender.test> BODY={declared}", 250)
        c.expect("RCPT TO:<matt@receiver.test>", 250)
        c.send(b"BDAT %d LAST\r\n" % len(content) + content)
        assert c.reply()[0] == 250
    receiver.wait_for_mail("matt")
    if "bare" in name and declared != "BINARYMIME":
        # Not by DATA (RFC 3030 section 3).
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    expected = content.replace(b"\r\n", b"\n")
    assert after_trace(only(receiver.raw_messages("matt"))).removesuffix(b"\n") == expected.removesuffix(b"\n")


def test_a_message_without_a_final_newline_gets_one_in_the_mailbox_only(alone):
    content = HEADER + b"\r\nno newline at the end"
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.send(b"BDAT %d LAST\r\n" % len(content) + content)
        assert c.reply()[0] == 250
    alone.wait_for_mail("anna")
    assert after_trace(only(alone.raw_messages("anna"))).rstrip(b"\n") == content.replace(b"\r\n", b"\n")


def test_many_clients_at_once(alone):
    """Fifty sessions open at the same time, all of them served, each message exactly once."""
    clients = [Dialogue(alone.port) for _ in range(50)]
    try:
        for c in clients:
            c.send("EHLO client.test\r\n")
        for c in clients:
            assert c.reply()[0] == 250
            c.send("MAIL FROM:<phil@sender.test>\r\nRCPT TO:<anna@sender.test>\r\nDATA\r\n")
        for number, c in enumerate(clients):
            assert [c.reply()[0] for _ in range(3)] == [250, 250, 354]
            c.send(MESSAGE % (b"number %d" % number, b"m%d" % number) + b".\r\n")
        for c in clients:
            assert c.reply()[0] == 250
    finally:
        for c in clients:
            c.close()
    wait_until(lambda: len(alone.raw_messages("anna")) >= 50, "50 messages", context=alone.explain)
    alone.wait_until_empty()
    assert sorted(m["Subject"] for m in alone.messages("anna")) == sorted(f"number {n}" for n in range(50))
