"""The story: phil at sender.test writes to matt at receiver.test, with two complete instances and a real name server."""

import re
from email.message import EmailMessage

from flufl.bounce import all_failures

from harness import free_port

MESSAGE = "From: Phil <phil@sender.test>\r\nTo: Matt <matt@receiver.test>\r\nSubject: hello\r\nMessage-ID: <one@sender.test>\r\nDate: Mon, 23 Nov 2026 20:00:00 +0000\r\n\r\nHello Matt.\r\n"


def only(items):
    assert len(items) == 1, items
    return items[0]


def dsn_fields(report):
    """The per-recipient groups of the message/delivery-status part, read with Python's email package."""
    part = only([p for p in report.walk() if p.get_content_type() == "message/delivery-status"])
    blocks = part.get_payload()
    assert not report.defects and not part.defects, (report.defects, part.defects)
    return blocks[0], blocks[1:]


def test_delivery_through_submission_tells_the_whole_story(pair):
    sender, receiver = pair
    assert sender.send("phil@sender.test", ["matt@receiver.test"], MESSAGE, port=sender.submission_port) == {}
    mail = only(receiver.wait_for_mail("matt"))
    assert mail["Subject"] == "hello"
    assert mail["Return-Path"] == "<phil@sender.test>"
    assert mail["Delivered-To"] == "matt@receiver.test"
    assert mail.get_content().strip() == "Hello Matt."
    # Trace fields of both hops, the last hop on top, in Postfix's form.
    last, first = mail.get_all("Received")
    assert re.search(r"^from mail\.sender\.test \(unknown \[127\.0\.0\.1\]\)\s+by mail\.receiver\.test \(Martlet\) with ESMTPS? id (\w+)\s+for <matt@receiver\.test>; ", last), last
    assert re.search(r"\(unknown \[127\.0\.0\.1\]\)\s+by mail\.sender\.test \(Martlet\) with ESMTP id (\w+)\s+for <matt@receiver\.test>; ", first), first
    # Both logs tell the story by queue id.
    sender.wait_until_empty()
    receiver.wait_until_empty()
    sent = only(sender.wait_for_log(r"smtp\[\d+\]: (\w+): to=<matt@receiver\.test>, relay=mail\.receiver\.test\[127\.0\.0\.1\]:%d, delay=[\d.]+, delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as (\w+)\)" % receiver.port))
    here, there = sent.groups()
    assert here in first and there in last
    log = sender.log()
    for line in (f"submission/smtpd\\[\\d+\\]: {here}: client=unknown\\[127\\.0\\.0\\.1\\]", f"cleanup\\[\\d+\\]: {here}: message-id=<one@sender\\.test>", f"qmgr\\[\\d+\\]: {here}: from=<phil@sender\\.test>, size=\\d+, nrcpt=1 \\(queue active\\)"):
        assert re.search(line, log), f"{line}\n{sender.explain()}"
    sender.wait_for_log(f"qmgr\\[\\d+\\]: {here}: removed")
    receiver.wait_for_log(f"local\\[\\d+\\]: {there}: to=<matt@receiver\\.test>, relay=local, delay=[\\d.]+, delays=[\\d./]+, dsn=2\\.0\\.0, status=sent \\(delivered to maildir\\)")
    receiver.wait_for_log(f"qmgr\\[\\d+\\]: {there}: removed")


def test_unknown_user_is_refused_at_rcpt_and_phil_gets_one_dsn(pair):
    sender, receiver = pair
    sender.send("phil@sender.test", ["nobody@receiver.test"], MESSAGE.replace("matt@", "nobody@"))
    report = only(sender.wait_for_mail("phil"))
    sender.wait_until_empty()
    assert len(sender.messages("phil")) == 1
    assert report["From"] == "MAILER-DAEMON@mail.sender.test (Mail Delivery System)" or "MAILER-DAEMON@" in report["From"]
    assert report["Return-Path"] == "<>"
    assert report.get_content_type() == "multipart/report"
    assert {a.decode() for a in all_failures(report)[1]} == {"nobody@receiver.test"}
    message, recipients = dsn_fields(report)
    fields = only(recipients)
    assert fields["Action"] == "failed"
    assert fields["Status"] == "5.1.1"
    assert fields["Final-Recipient"].replace(" ", "") == "rfc822;nobody@receiver.test"
    assert fields["Remote-MTA"].replace(" ", "") == "dns;mail.receiver.test"
    assert "550 5.1.1 <nobody@receiver.test>: Recipient address rejected: User unknown in local recipient table" in " ".join(fields["Diagnostic-Code"].split())
    assert message["Reporting-MTA"].replace(" ", "") == "dns;mail.sender.test"
    receiver.wait_for_log(r"NOQUEUE: reject: RCPT from \S+: 550 5\.1\.1 <nobody@receiver\.test>: Recipient address rejected: User unknown in local recipient table; from=<phil@sender\.test> to=<nobody@receiver\.test> proto=ESMTP helo=<mail\.sender\.test>")
    sender.wait_for_log(r"to=<nobody@receiver\.test>, relay=\S+, .*dsn=5\.1\.1, status=bounced \(host mail\.receiver\.test\[127\.0\.0\.1\] said: 550 5\.1\.1 .*\(in reply to RCPT TO command\)\)")
    sender.wait_for_log(r"sender non-delivery notification: \w+")


def test_discard_accepts_logs_and_tells_nobody(story):
    sender = story.host("sender.test", users=["phil"])
    receiver = story.host("receiver.test", users=["matt"], main={"local_recipient_maps": ""})
    story.connect(sender, receiver)
    (receiver.config / "transport").write_text("nobody@receiver.test discard:silently\n")
    sender.start()
    receiver.start()
    sender.send("phil@sender.test", ["nobody@receiver.test"], MESSAGE)
    receiver.wait_for_log(r"discard\[\d+\]: \w+: to=<nobody@receiver\.test>, relay=none, .*status=sent \(silently\)")
    sender.wait_until_empty()
    receiver.wait_until_empty()
    assert sender.messages("phil") == []
    assert receiver.messages("nobody") == []


SHORT = {"minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "queue_run_delay": "1s", "delay_warning_time": "3s"}


def test_receiver_down_delay_is_told_once_then_failure_at_the_deadline(story):
    sender = story.host("sender.test", users=["phil"], main={**SHORT, "maximal_queue_lifetime": "9s"})
    sender.more_transports = f"receiver.test smtp:receiver.test:{free_port()}\n"
    story.connect(sender)
    sender.start()
    sender.send("phil@sender.test", ["matt@receiver.test"], MESSAGE)
    delayed = only(sender.wait_for_mail("phil"))
    assert "delay" in delayed["Subject"].lower()
    _, recipients = dsn_fields(delayed)
    fields = only(recipients)
    assert fields["Action"] == "delayed" and fields["Status"].startswith("4.4.") and fields["Will-Retry-Until"]
    assert fields["Final-Recipient"].replace(" ", "") == "rfc822;matt@receiver.test"
    mails = sender.wait_for_mail("phil", 2)
    sender.wait_until_empty()
    assert len(sender.messages("phil")) == 2, "one delay notice and one failure"
    failure = only([m for m in mails if "delay" not in m["Subject"].lower()])
    assert {a.decode() for a in all_failures(failure)[1]} == {"matt@receiver.test"}
    _, recipients = dsn_fields(failure)
    assert only(recipients)["Action"] == "failed"
    attempts = sender.wait_for_log(r"to=<matt@receiver\.test>, relay=none, .*status=deferred \(connect to mail\.receiver\.test\[127\.0\.0\.1\]:\d+: Connection refused\)", 3)
    assert len(attempts) >= 3, sender.explain()
    sender.wait_for_log(r"from=<phil@sender\.test>, status=expired, returned to sender")


def test_receiver_comes_back_before_the_deadline(story):
    sender = story.host("sender.test", users=["phil"], main={**SHORT, "delay_warning_time": "0"})
    receiver = story.host("receiver.test", users=["matt"])
    story.connect(sender, receiver)
    sender.start()
    sender.send("phil@sender.test", ["matt@receiver.test"], MESSAGE)
    sender.wait_for_log(r"status=deferred \(connect to mail\.receiver\.test", 2)
    receiver.start()
    only(receiver.wait_for_mail("matt"))
    sender.wait_until_empty()
    assert sender.messages("phil") == []


def test_three_domains_seven_recipients_each_ends_once_in_the_right_state(story):
    """One unknown, one greylisted (450, later accepted), one local, the others at two domains."""
    import greylister

    sender = story.host("sender.test", users=["phil", "anna"], main=SHORT | {"delay_warning_time": "0"})
    receiver = story.host("receiver.test", users=["matt", "mary", "max"])
    third = greylister.Greylister({"grey@third.test"}).start()
    try:
        sender.more_transports = f"third.test smtp:third.test:{third.port}\n"
        story.connect(sender, receiver)
        sender.start()
        receiver.start()
        recipients = ["matt@receiver.test", "mary@receiver.test", "max@receiver.test", "unknown@receiver.test", "anna@sender.test", "grey@third.test", "white@third.test"]
        assert sender.send("phil@sender.test", recipients, MESSAGE) == {}
        for user in ("matt", "mary", "max"):
            only(receiver.wait_for_mail(user))
        only(sender.wait_for_mail("anna"))
        sender.wait_until_empty()
        report = only(sender.wait_for_mail("phil"))
        assert {a.decode() for a in all_failures(report)[1]} == {"unknown@receiver.test"}
        assert sorted(third.accepted) == ["grey@third.test", "white@third.test"], "each once"
        assert third.refused >= 1
        for user in ("matt", "mary", "max"):
            assert len(receiver.messages(user)) == 1
        # Every recipient has exactly one final line.
        for recipient in recipients:
            final = re.findall(rf"to=<{re.escape(recipient)}>,.*status=(?:sent|bounced)", sender.log())
            assert len(final) == 1, (recipient, final, sender.explain())
    finally:
        third.stop()


def test_mail_for_local_users_through_sendmail(alone):
    alone.sendmail("-f", "phil@sender.test", "anna", stdin=b"Subject: note\n\nBy sendmail.\n")
    mail = only(alone.wait_for_mail("anna"))
    assert mail["Subject"] == "note"
    assert "phil@sender.test" in mail["From"]
    assert mail["Message-Id"] and mail["Date"]
    assert re.search(r"^by mail\.sender\.test \(Martlet, from userid \d+\)\s+id \w+; ", mail["Received"]), mail["Received"]
    alone.wait_for_log(r"pickup\[\d+\]: \w+: uid=\d+ from=<phil@sender\.test>")


def test_success_is_reported_when_asked_for(pair):
    sender, receiver = pair
    with sender.smtp() as client:
        client.ehlo("client.test")
        assert client.has_extn("dsn")
        client.mail("phil@sender.test", ["RET=HDRS", "ENVID=letter+2B1"])
        client.rcpt("phil@sender.test", ["NOTIFY=SUCCESS", "ORCPT=rfc822;Phil+40sender.test"])
        code, _ = client.data(MESSAGE)
        assert code == 250
    sender.wait_for_mail("phil", 2)
    report = only([m for m in sender.messages("phil") if m.get_content_type() == "multipart/report"])
    message, recipients = dsn_fields(report)
    fields = only(recipients)
    assert fields["Action"] == "delivered" and fields["Status"].startswith("2.")
    assert fields["Original-Recipient"].replace(" ", "") == "rfc822;Phil@sender.test"
    assert message["Original-Envelope-Id"] == "letter+1"


def test_never_a_bounce_of_a_bounce(pair):
    sender, receiver = pair
    with sender.smtp() as client:
        client.helo("client.test")
        client.mail("")
        client.rcpt("nobody@receiver.test")
        assert client.data(MESSAGE)[0] == 250
    sender.wait_for_log(r"to=<nobody@receiver\.test>,.*status=bounced")
    sender.wait_until_empty()
    assert sender.messages("phil") == []
    assert "sender non-delivery notification" not in sender.log()
