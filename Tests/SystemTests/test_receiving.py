"""Receiving by SMTP: the dialogues of RFC 5321 appendix D and what a server must hold against clients that err or mean harm."""

import os
import re
import socket
import ssl
import subprocess

import pytest

from dialogue import Dialogue
from harness import PATIENCE, free_port, wait_until
from tlsfiles import Certificate

HEADER = "From: Phil <phil@sender.test>\r\nTo: anna@sender.test\r\nSubject: {}\r\n\r\n"


def only(items):
    assert len(items) == 1, items
    return items[0]


def body(raw):
    """What follows the header of a stored message."""
    return raw.split(b"\n\n", 1)[1]


# RFC 5321 appendix D


def test_appendix_d1_a_typical_transaction(alone):
    with Dialogue(alone.port) as c:
        assert c.greeting[0] == 220 and c.greeting[1].startswith("mail.sender.test ")
        assert c.expect("EHLO bar.com", 250).split("\n")[0].startswith("mail.sender.test")
        c.expect("MAIL FROM:<Smith@bar.com>", 250, "2.1.0 Ok")
        c.expect("RCPT TO:<phil@sender.test>", 250, "2.1.5 Ok")
        c.expect("RCPT TO:<Green@sender.test>", 550, "5.1.1 <Green@sender.test>: Recipient address rejected: User unknown in local recipient table")
        c.expect("RCPT TO:<anna@sender.test>", 250, "2.1.5 Ok")
        c.expect("DATA", 354, "End data with <CR><LF>.<CR><LF>")
        c.send("Blah blah blah...\r\n...etc. etc. etc.\r\n.\r\n")
        code, text = c.reply()
        assert code == 250 and re.fullmatch(r"2\.0\.0 Ok: queued as (\w+)", text), text
        queue_id = text.split()[-1]
        c.expect("QUIT", 221, "2.0.0 Bye")
        assert c.at_end()
    for user in ("phil", "anna"):
        mail = only(alone.wait_for_mail(user))
        assert mail["Return-Path"] == "<Smith@bar.com>"
        assert queue_id in mail["Received"], "the reply names the id of the Received field"
    alone.wait_for_log(rf"smtpd\[\d+\]: {queue_id}: client=unknown\[127\.0\.0\.1\]")


def test_appendix_d2_an_aborted_transaction(alone):
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<Smith@bar.com>", 250)
        c.expect("RCPT TO:<phil@sender.test>", 250)
        c.expect("RCPT TO:<Green@sender.test>", 550)
        c.expect("RSET", 250, "2.0.0 Ok")
        c.expect("DATA", 503, "5.5.1 ")
        c.expect("QUIT", 221)
        assert c.at_end()
    alone.wait_for_log(r"disconnect from unknown\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=1/2 data=0/1 rset=1 quit=1 commands=5/7")
    assert not any(alone.queue_files().values())
    assert alone.messages("phil") == []


def test_appendix_d3_relayed_mail(pair):
    sender, receiver = pair
    with Dialogue(sender.port) as c:
        c.ehlo()
        content = (
            "Date: Thu, 21 May 1998 05:33:29 -0700\r\nFrom: John Q. Public <JQP@bar.com>\r\nSubject: The Next Meeting of the Board\r\n"
            "To: matt@receiver.test\r\n\r\nBill:\r\nThe next meeting of the board of directors will be\r\non Tuesday.\r\n                        John.\r\n.\r\n"
        )
        assert c.transaction("matt@receiver.test", content, sender="JQP@bar.com")[0] == 250
        c.expect("QUIT", 221)
    mail = only(receiver.wait_for_mail("matt"))
    assert mail["Date"] == "Thu, 21 May 1998 05:33:29 -0700"
    assert len(mail.get_all("Received")) == 2
    assert mail.get_content().endswith("on Tuesday.\n                        John.\n")
    sender.wait_until_empty()


def test_appendix_d4_verifying_and_sending(alone):
    with Dialogue(alone.port) as c:
        assert "VRFY" in c.ehlo()
        c.expect("VRFY anna", 252, "2.0.0 anna")
        c.expect("VRFY nobody", 550, "5.1.1 ")
        assert c.transaction("anna@sender.test", "Blah blah blah...\r\n.\r\n", sender="EAK@bar.com")[0] == 250
        c.expect("QUIT", 221)
    only(alone.wait_for_mail("anna"))


# Commands and their order


def test_ehlo_names_what_the_server_can(alone):
    with Dialogue(alone.port) as c:
        keywords = c.ehlo()
        for keyword in ("PIPELINING", "SIZE", "VRFY", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "BINARYMIME"):
            assert keyword in keywords, keywords
        assert keywords["SIZE"] == ["10240000"]
        assert "STARTTLS" not in keywords, "no certificate, no offer"
        c.expect("STARTTLS", 502, "5.5.1 ")


def test_commands_out_of_order_are_refused_and_harm_nothing(alone):
    with Dialogue(alone.port) as c:
        c.expect("RCPT TO:<anna@sender.test>", 503, "5.5.1 Error: need MAIL command")
        c.expect("DATA", 503, "5.5.1 ")
        c.expect("HELO client.test", 250, "mail.sender.test")
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("MAIL FROM:<phil@sender.test>", 503, "5.5.1 Error: nested MAIL command")
        c.expect("DATA", 503, "5.5.1 Error: need RCPT command")
        c.expect("RCPT TO:<anna@sender.test>", 250)
        # EHLO in the middle is RSET (RFC 5321 section 4.1.4).
        c.ehlo()
        c.expect("RCPT TO:<anna@sender.test>", 503)
        c.expect("NOOP whatever", 250, "2.0.0 Ok")
        assert c.ask("HELP")[0] == 214
        c.expect("EXPN list", 502, "5.5.1 ")
        c.expect("WHAT is this", 500, "5.5.2 Error: command not recognized")
        c.expect("", 500, "5.5.2 Error: bad syntax")
        assert c.transaction("anna@sender.test", HEADER.format("after all") + "x\r\n.\r\n")[0] == 250
    assert only(alone.wait_for_mail("anna"))["Subject"] == "after all"


def test_helo_clients_get_smtp_in_the_trace(alone):
    with Dialogue(alone.port) as c:
        c.expect("HELO old.test", 250)
        assert c.transaction("anna@sender.test", HEADER.format("old") + "x\r\n.\r\n")[0] == 250
    received = only(alone.wait_for_mail("anna"))["Received"]
    assert re.search(r"^from old\.test \(unknown \[127\.0\.0\.1\]\)\s+by mail\.sender\.test \(Martlet\) with SMTP id \w+", received), received


# Addresses


@pytest.mark.parametrize(
    "path, user",
    [
        ("<postmaster>", "postmaster"),
        ("<PostMaster>", "postmaster"),
        ("<anna@sender.test>", "anna"),
        ("<ANNA@SENDER.TEST>", "anna"),
        ('<"anna"@sender.test>', "anna"),
        ("<@relay.test,@other.test:anna@sender.test>", "anna"),
        ("<anna@[127.0.0.1]>", "anna"),
        ("anna@sender.test", "anna"),
    ],
)
def test_every_form_of_a_path_reaches_the_mailbox(alone, path, user):
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect(f"RCPT TO:{path}", 250, "2.1.5 Ok")
        c.expect("DATA", 354)
        c.send(HEADER.format("form") + "x\r\n.\r\n")
        assert c.reply()[0] == 250
    only(alone.wait_for_mail(user))


def test_the_null_reverse_path_is_taken(alone):
    with Dialogue(alone.port) as c:
        c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("bounce") + "x\r\n.\r\n", sender="")[0] == 250
    assert only(alone.wait_for_mail("anna"))["Return-Path"] == "<>"
    alone.wait_for_log(r"qmgr\[\d+\]: \w+: from=<>, size=\d+, nrcpt=1 \(queue active\)")


def test_bad_addresses_are_refused_with_their_class(alone):
    with Dialogue(alone.port) as c:
        c.ehlo()
        assert c.ask("MAIL FROM:<a b@sender.test>")[0] == 501
        assert c.ask("MAIL FROM:<" + "x" * 400 + "@sender.test>")[0] in (501, 250)
        c.expect("RSET", 250)
        c.expect("MAIL FROM:<phil@sender.test> NONSENSE=1", 555, "5.5.4 ")
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        assert c.ask("RCPT TO:<>")[0] == 501
        assert c.ask("RCPT TO:<anna@sender.test")[0] == 501
        assert c.ask("RCPT anna@sender.test")[0] == 501


def test_relaying_is_denied_to_strangers(story):
    host = story.host("sender.test", users=["anna"], main={"mynetworks": "192.0.2.0/24", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<spam@elsewhere.test>", 250)
        c.expect("RCPT TO:<victim@third.test>", 554, "5.7.1 <victim@third.test>: Relay access denied")
        for trick in ('"victim@third.test"@sender.test', "victim%third.test@sender.test", "third.test!victim@sender.test"):
            assert c.ask(f"RCPT TO:<{trick}>")[0] in (550, 554), trick
        c.expect("RCPT TO:<@sender.test:victim@third.test>", 554, "5.7.1 ")
        c.expect("RCPT TO:<anna@sender.test>", 250)
    host.wait_for_log(r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: 554 5\.7\.1 <victim@third\.test>: Relay access denied; from=<spam@elsewhere\.test> to=<victim@third\.test> proto=ESMTP helo=<client\.test>")


def test_the_default_puts_strangers_who_would_relay_off(story):
    """Postfix's default is defer_unauth_destination: a mistake in mynetworks loses no mail."""
    host = story.host("sender.test", users=["anna"], main={"mynetworks": "192.0.2.0/24"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<spam@elsewhere.test>", 250)
        c.expect("RCPT TO:<victim@third.test>", 454, "4.7.1 <victim@third.test>: Relay access denied")


# Limits


def test_messages_over_the_limit_are_refused_at_mail_and_at_the_end(story):
    host = story.host("sender.test", users=["anna"], main={"message_size_limit": "20000"}).start()
    with Dialogue(host.port) as c:
        assert c.ehlo()["SIZE"] == ["20000"]
        c.expect("MAIL FROM:<phil@sender.test> SIZE=20001", 552, "5.3.4 Message size exceeds fixed limit")
        c.expect("MAIL FROM:<phil@sender.test> SIZE=20000", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 354)
        c.send(HEADER.format("big") + "x" * 70 + "\r\n" * 1 + ("y" * 70 + "\r\n") * 300 + ".\r\n")
        code, text = c.reply()
        assert code == 552 and text.startswith("5.3.4 "), (code, text)
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.send(b"BDAT 30000 LAST\r\n" + b"z" * 30000)
        code, text = c.reply()
        assert code == 552 and text.startswith("5.3.4 "), (code, text)
        assert c.transaction("anna@sender.test", HEADER.format("small") + "x\r\n.\r\n")[0] == 250
    assert only(host.wait_for_mail("anna"))["Subject"] == "small"
    host.wait_until_empty()
    assert len(host.messages("anna")) == 1


def test_recipients_over_the_limit_are_put_off(story):
    host = story.host("sender.test", users=["anna", "phil"], main={"smtpd_recipient_limit": "1"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("RCPT TO:<phil@sender.test>", 452, "4.5.3 Error: too many recipients")
        c.expect("DATA", 354)
        c.send(HEADER.format("one") + "x\r\n.\r\n")
        assert c.reply()[0] == 250
    only(host.wait_for_mail("anna"))
    assert host.messages("phil") == []


def test_a_client_that_errs_too_often_is_sent_away(story):
    host = story.host("sender.test", users=["anna"], main={"smtpd_soft_error_limit": "2", "smtpd_hard_error_limit": "4", "smtpd_error_sleep_time": "1s"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        for _ in range(4):
            assert c.ask("XYZZY")[0] == 500
        code, text = c.reply()
        assert code == 421 and text == "4.7.0 mail.sender.test Error: too many errors", (code, text)
        assert c.at_end()
    host.wait_for_log(r"too many errors after UNKNOWN from unknown\[127\.0\.0\.1\]")


def test_a_client_has_a_limited_number_of_connections(story):
    host = story.host("sender.test", users=["anna"], main={"smtpd_client_connection_count_limit": "3", "smtpd_client_event_limit_exceptions": ""}).start()
    host.wait_for_log(r"disconnect from unknown")
    clients = [Dialogue(host.port) for _ in range(3)]
    try:
        with Dialogue(host.port) as fourth:
            code, text = fourth.greeting
            assert code == 421 and text.startswith("4.7.0 mail.sender.test Error: too many connections from 127.0.0.1"), (code, text)
            assert fourth.at_end()
        host.wait_for_log(r"warning: Connection concurrency limit exceeded: 4 from unknown\[127\.0\.0\.1\] for service ")
        clients.pop().close()

        def is_let_in():
            with Dialogue(host.port) as c:
                return c.greeting[0] == 220

        wait_until(is_let_in, "a place became free", context=host.explain)
    finally:
        for c in clients:
            c.close()


# Content


def test_bare_line_feeds_are_normalised_and_never_end_the_message(alone):
    """SMTP smuggling: exactly one message arrives, whatever stands around the dot."""
    inner = b"MAIL FROM:<admin@sender.test>\r\nRCPT TO:<phil@sender.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n"
    ends = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\x00.\r\n"]
    with Dialogue(alone.port) as c:
        c.ehlo()
        for number, end in enumerate(ends):
            head = HEADER.format(f"outer {number}").encode()
            code, text = c.transaction("anna@sender.test", head + b"first\nsecond" + end + inner + b".\r\n")
            assert code == 250, (end, text)
            # Nothing was taken for a command: the next reply is that of NOOP.
            c.expect("NOOP", 250, "2.0.0 Ok")
    alone.wait_for_mail("anna", len(ends))
    alone.wait_until_empty()
    assert len(alone.messages("anna")) == len(ends)
    assert alone.messages("phil") == []
    for raw in alone.raw_messages("anna"):
        # cleanup_replace_stray_cr_lf: a bare CR becomes a space.
        assert b"\r" not in raw
        assert re.search(rb"\nfirst\nsecond[\n ]", raw) and b"Subject: smuggled" in raw, raw


def test_bare_line_feeds_are_refused_where_so_configured(story):
    host = story.host("sender.test", users=["anna"], main={"smtpd_forbid_bare_newline": "reject", "smtpd_forbid_bare_newline_exclusions": ""}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        code, text = c.transaction("anna@sender.test", HEADER.format("bare").encode() + b"first\nsecond\r\n.\r\n")
        # smtpd_forbid_bare_newline_reject_code
        assert code == 550 and text == "5.5.2 mail.sender.test Error: bare <LF> received", (code, text)
        assert c.at_end()
    with Dialogue(host.port) as c:
        c.send("EHLO client.test\n")
        assert c.reply()[0] == 550
    host.wait_for_log(r"bare <LF> received after DATA .*from unknown\[127\.0\.0\.1\]")
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("clean") + "x\r\n.\r\n")[0] == 250
    host.wait_for_mail("anna")
    host.wait_until_empty()
    assert [m["Subject"] for m in host.messages("anna")] == ["clean"]


def test_chunks_make_one_message(alone):
    content = (HEADER.format("chunks") + "one\r\n.\r\n..two\r\n.\r\nno final newline").encode()
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test> BODY=8BITMIME", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.send(b"BDAT 10\r\n" + content[:10])
        assert c.reply()[0] == 250
        c.expect("DATA", 503)
        c.send(b"BDAT %d\r\n" % (len(content) - 10) + content[10:])
        assert c.reply()[0] == 250
        c.send(b"BDAT 0 LAST\r\n")
        code, text = c.reply()
        assert code == 250 and "queued as" in text
    alone.wait_for_mail("anna")
    assert body(only(alone.raw_messages("anna"))) == b"one\n.\n..two\n.\nno final newline\n"


def test_a_refused_chunk_is_not_taken_for_commands(alone):
    evil = b"MAIL FROM:<phil@sender.test>\r\nRCPT TO:<anna@sender.test>\r\nDATA\r\n"
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.send(b"BDAT %d LAST\r\n" % len(evil) + evil)
        assert c.reply()[0] == 503
        c.expect("NOOP", 250, "2.0.0 Ok")
        c.expect("RCPT TO:<anna@sender.test>", 503)


def test_binary_content_reaches_a_maildir(alone):
    binary = bytes(range(256)) * 4
    head = HEADER.format("binary").encode()[:-2] + b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    content = head + binary
    with Dialogue(alone.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test> BODY=BINARYMIME", 250)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect("DATA", 503, "5.5.1 ")
        c.send(b"BDAT %d LAST\r\n" % len(content) + content)
        assert c.reply()[0] == 250
    alone.wait_for_mail("anna")
    got = body(only(alone.raw_messages("anna")))
    # A Maildir file is Unix text: CR LF is a newline there, and nothing else changes.
    assert got.rstrip(b"\n") == binary.replace(b"\r\n", b"\n").rstrip(b"\n")


def test_whole_transactions_may_be_pipelined(alone):
    with Dialogue(alone.port) as c:
        c.ehlo()
        one = "MAIL FROM:<phil@sender.test>\r\nRCPT TO:<nobody@sender.test>\r\nRCPT TO:<anna@sender.test>\r\nDATA\r\n"
        c.send(one)
        assert [c.reply()[0] for _ in range(4)] == [250, 550, 250, 354]
        # The end of one message and the beginning of the next in one packet (RFC 2920 section 3.1).
        c.send(HEADER.format("first") + "x\r\n.\r\n" + one)
        assert [c.reply()[0] for _ in range(5)] == [250, 250, 550, 250, 354]
        c.send(HEADER.format("second") + "x\r\n.\r\nQUIT\r\n")
        assert [c.reply()[0] for _ in range(2)] == [250, 221]
        assert c.at_end()
    assert {m["Subject"] for m in alone.wait_for_mail("anna", 2)} == {"first", "second"}


def test_a_client_that_talks_before_its_turn_is_cut_off(alone):
    with Dialogue(alone.port) as c:
        c.send("EHLO client.test\r\nMAIL FROM:<phil@sender.test>\r\n")
        replies = [c.reply()]
        assert replies[0][0] == 554 and "SMTP protocol synchronization" in replies[0][1], replies
        assert c.at_end()
    alone.wait_for_log(r"improper command pipelining after EHLO from unknown\[127\.0\.0\.1\]: MAIL FROM:<phil@sender\.test>")


# TLS


@pytest.fixture
def secure(story):
    certificate = Certificate(story.base / "tls")
    host = story.host("sender.test", users=["phil", "anna"], main=certificate.smtpd | {"smtpd_tls_received_header": "yes"})
    host.smtps_port = free_port()
    host.master_extra = f"127.0.0.1:{host.smtps_port} inet n n n - - smtpd\n    -o smtpd_tls_wrappermode=yes\n    -o syslog_name=martlet/smtps\n"
    host.write_configuration()
    host.start()

    def listens():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", host.smtps_port)) == 0

    wait_until(listens, "the second port is bound, too", context=host.explain)
    return host


def test_starttls_encrypts_and_forgets_what_was_said_before(secure):
    with Dialogue(secure.port) as c:
        assert "STARTTLS" in c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.start_tls()
        c.expect("RCPT TO:<anna@sender.test>", 503, "5.5.1 Error: need MAIL command")
        assert "STARTTLS" not in c.ehlo(), "not offered twice"
        c.expect("STARTTLS", 554, "5.5.1 ")
        assert c.transaction("anna@sender.test", HEADER.format("secret") + "x\r\n.\r\n")[0] == 250
        c.expect("QUIT", 221)
    received = only(secure.wait_for_mail("anna"))["Received"]
    assert "with ESMTPS id" in received, received
    assert re.search(r"using TLSv1\.[23] with cipher \S+", received), received


def test_plain_text_behind_starttls_is_dropped(secure):
    """CVE-2011-0411."""
    with Dialogue(secure.port) as c:
        c.ehlo()
        c.send("STARTTLS\r\nMAIL FROM:<evil@sender.test>\r\nRCPT TO:<anna@sender.test>\r\n")
        code, _ = c.reply()
        if code != 220:
            assert code == 554
            return
        c.wrap()
        c.expect("RCPT TO:<anna@sender.test>", 503, "5.5.1 Error: need MAIL command")
        c.expect("NOOP", 250)


def test_implicit_tls(secure):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Dialogue(secure.smtps_port, context=context) as c:
        assert c.greeting[0] == 220
        assert "STARTTLS" not in c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("implicit") + "x\r\n.\r\n")[0] == 250
        c.expect("QUIT", 221)
    assert "with ESMTPS id" in only(secure.wait_for_mail("anna"))["Received"]


def test_a_failed_handshake_hurts_nobody_else(secure):
    for port in (secure.port, secure.smtps_port):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
            if port == secure.port:
                assert s.recv(4096).startswith(b"220 ")
                s.sendall(b"STARTTLS\r\n")
                assert s.recv(4096).startswith(b"220 ")
            s.sendall(b"\x16\x03\x01garbage, not a client hello\r\n" * 20)
            s.settimeout(5)
            try:
                while s.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    with Dialogue(secure.port) as c:
        c.ehlo()
        c.start_tls()
        c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("still") + "x\r\n.\r\n")[0] == 250
    only(secure.wait_for_mail("anna"))


def test_where_encryption_is_required_nothing_else_comes_first(story):
    certificate = Certificate(story.base / "tls")
    host = story.host("sender.test", users=["anna"], main={**certificate.smtpd, "smtpd_tls_security_level": "encrypt"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 530, "5.7.0 Must issue a STARTTLS command first")
        c.expect("NOOP", 250)
        c.start_tls()
        c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("locked") + "x\r\n.\r\n")[0] == 250
    only(host.wait_for_mail("anna"))


# Parameters of an administrator


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system: needs root")
def test_mail_is_refused_at_mail_where_the_queue_has_no_room_for_it(story):
    """As Postfix: 1.5 times message_size_limit and queue_minfree must be free."""
    host = story.host("sender.test", users=["anna"], main={"message_size_limit": "1000000", "queue_minfree": "2500000"})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", host.queue], check=True)
    try:
        host.start()
        with Dialogue(host.port) as c:
            c.ehlo()
            assert c.transaction("anna@sender.test", HEADER.format("first") + "x\r\n.\r\n")[0] == 250
            host.wait_for_mail("anna")
            host.wait_until_empty()
            filler = host.queue / "filler"
            filler.write_bytes(b"\0" * 2_000_000)
            wait_until(lambda: c.ask("MAIL FROM:<phil@sender.test>") == (452, "4.3.1 Insufficient system storage") or c.ask("RSET")[0] != 250, "MAIL is refused", context=host.explain)
            host.wait_for_log(r"NOQUEUE: reject: MAIL from unknown\[127\.0\.0\.1\]: 452 4\.3\.1 Insufficient system storage; from=<phil@sender\.test> proto=ESMTP helo=<client\.test>")
            host.wait_for_log(r"warning: not enough free space in mail queue: \d+ bytes < 1\.5\*message size limit")
            filler.unlink()
            wait_until(lambda: c.ask("MAIL FROM:<phil@sender.test>")[0] == 250, "MAIL is accepted again", context=host.explain)
            c.expect("RSET", 250)
            assert c.transaction("anna@sender.test", HEADER.format("second") + "x\r\n.\r\n")[0] == 250
        host.wait_for_mail("anna", 2)
        host.stop()
    finally:
        if host.process and host.process.poll() is None:
            host.stop()
        subprocess.run(["umount", "-l", host.queue], check=True)


def test_refusals_before_rcpt_and_their_footer(story):
    host = story.host(
        "sender.test", users=["anna"],
        main={
            "smtpd_delay_reject": "no", "smtpd_helo_restrictions": "check_helo_access inline:{bad.test=REJECT}",
            "smtpd_sender_restrictions": "check_sender_access inline:{spam.test=REJECT}", "smtpd_reject_unlisted_sender": "yes",
            "smtpd_reject_footer": "\\c. See $server_name/help",
        },
    ).start()
    with Dialogue(host.port) as c:
        c.expect("EHLO bad.test", 554, "5.7.1 <bad.test>: Helo command rejected: Access denied. See mail.sender.test/help")
        c.ehlo()
        c.expect("MAIL FROM:<x@spam.test>", 554, "5.7.1 <x@spam.test>: Sender address rejected: Access denied. See mail.sender.test/help")
        c.expect("MAIL FROM:<nobody@sender.test>", 550, "5.1.0 <nobody@sender.test>: Sender address rejected: User unknown in local recipient table. See")
        c.expect("ETRN sender.test", 459, "<sender.test>: service unavailable. See mail.sender.test/help")
        assert c.transaction("anna@sender.test", HEADER.format("fine") + "x\r\n.\r\n", sender="anna@sender.test")[0] == 250
    host.wait_for_mail("anna")


def test_copies_and_canonical_addresses(story):
    host = story.host(
        "sender.test", users=["anna", "phil", "archive"],
        main={
            "always_bcc": "archive", "recipient_canonical_maps": "inline:{ {old@sender.test = anna@sender.test} }",
            "sender_canonical_maps": "inline:{ {phil@sender.test = Phil.Collins@sender.test} }", "local_recipient_maps": "",
        },
    ).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("old@sender.test", HEADER.format("mapped") + "x\r\n.\r\n")[0] == 250
    mail = only(host.wait_for_mail("anna"))
    assert mail["From"] == "Phil <Phil.Collins@sender.test>" and mail["Return-Path"] == "<Phil.Collins@sender.test>"
    assert mail["X-Original-To"] == "old@sender.test" and mail["Delivered-To"] == "anna@sender.test"
    assert only(host.wait_for_mail("archive"))["Subject"] == "mapped"
