"""Local delivery that goes on to another agent: mailbox_transport to an LMTP server, as with Dovecot."""

import pytest

from dialogue import Dialogue
from lmtpsink import LMTPSink

HEADER = "From: Phil <phil@sender.test>\r\nSubject: {}\r\n\r\n"


@pytest.fixture
def sink():
    made = LMTPSink(refused={"gone@sender.test"}).start()
    yield made
    made.stop()


def test_mailbox_transport_delivers_by_lmtp(story, sink):
    host = story.host(
        "sender.test", users=["anna", "phil"], aliases={"list": "box, gone"},
        main={"mailbox_transport": f"lmtp:[127.0.0.1]:{sink.port}", "local_recipient_maps": ""},
    ).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("box@sender.test", HEADER.format("direct") + "x\r\n.\r\n")[0] == 250
        assert c.transaction("list@sender.test", HEADER.format("by alias") + ".x\r\n.\r\n")[0] == 250
    # The line of the other agent is the only one for the recipient.
    host.wait_for_log(r"smtp\[\d+\]: \w+: to=<box@sender\.test>, (?:orig_to=\S+ )?relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, .*dsn=2\.0\.0, status=sent \(250 2\.0\.0 kept \d\)", 2)
    host.wait_for_log(r"smtp\[\d+\]: \w+: to=<gone@sender\.test>, orig_to=<list@sender\.test>, .*dsn=5\.1\.1, status=bounced")
    report = host.wait_for_mail("phil")[0]
    assert report.get_content_type() == "multipart/report" and "list@sender.test" in report.as_string()
    host.wait_until_empty()
    assert sorted((recipient, b"Subject: direct" in content) for _, recipient, content in sink.messages) == [("box@sender.test", False), ("box@sender.test", True)]
    assert "local[" not in "".join(line for line in host.log().splitlines() if "to=<box@" in line)


def test_mail_waits_while_the_other_agent_is_away(story, sink):
    host = story.host(
        "sender.test", users=["anna"],
        main={"fallback_transport": f"lmtp:[127.0.0.1]:{sink.port}", "local_recipient_maps": "", "minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "queue_run_delay": "1s"},
    )
    port = sink.port
    sink.stop()
    host.start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("box@sender.test", HEADER.format("later") + "x\r\n.\r\n")[0] == 250
    host.wait_for_log(r"smtp\[\d+\]: \w+: to=<box@sender\.test>, .*status=deferred \(connect to 127\.0\.0\.1")
    again = LMTPSink()
    again.server.server_close()
    try:
        again.server.__init__(("127.0.0.1", port), again.server.RequestHandlerClass)
        again.start()
        host.wait_until_empty()
        assert [recipient for _, recipient, _ in again.messages] == ["box@sender.test"]
    finally:
        again.stop()
