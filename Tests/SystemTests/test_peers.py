"""Debian's Postfix and Exim as the other end, in both directions, with and without TLS."""

import re

import pytest
from flufl.bounce import all_failures

import peers
from tlsfiles import Certificate

pytestmark = pytest.mark.skipif(not peers.available(), reason="needs root: the peers run in roots of their own")

BODY = "Zeile mit Umlaut: ü\r\n.leading dot\r\n..two dots\r\n\r\nlast line\r\n"


def message(sender, recipient, subject):
    return (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{BODY}"
    ).encode()


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", [peers.Postfix, peers.Exim])
def test_mail_goes_both_ways(story, tmp_path, kind, with_tls):
    certificate = Certificate(tmp_path / "tls") if with_tls else None
    tls = {"smtp_tls_security_level": "may", **certificate.smtpd} if with_tls else {"smtp_tls_security_level": "none"}
    martlet = story.host("sender.test", users=["phil"], main={**tls, "smtp_tls_loglevel": "1", "smtpd_tls_loglevel": "1"})
    peer = kind(tmp_path / "peer", "receiver.test", relay_port=martlet.port, tls=certificate)
    martlet.more_transports = f"receiver.test smtp:[127.0.0.1]:{peer.port}\n"
    story.connect(martlet)
    try:
        peer.start()
        martlet.start()
        # There.
        martlet.send("phil@sender.test", ["matt@receiver.test"], message("phil@sender.test", "matt@receiver.test", "there"), mail_options=["BODY=8BITMIME"])
        received = peer.wait_for_mail("matt")[0]
        assert received["Subject"] == "there"
        assert received.get_content().replace("\r\n", "\n") == BODY.replace("\r\n", "\n")
        martlet.wait_for_log(r"to=<matt@receiver\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:%d, .*status=sent" % peer.port)
        if with_tls:
            martlet.wait_for_log(r"TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:%d: TLSv1\.[23] with cipher" % peer.port)
            assert re.search(r"with e?smtps ", received["Received"], re.IGNORECASE) or re.search(r"TLSv?1\.[23]", received["Received"]), received["Received"]
        # An unknown user there: one report here.
        martlet.send("phil@sender.test", ["nobody@receiver.test"], message("phil@sender.test", "nobody@receiver.test", "unknown"), mail_options=["BODY=8BITMIME"])
        # And back.
        back = message("matt@receiver.test", "phil@sender.test", "back").replace(b"\r\n", b"\n")
        result = peer.inside("/usr/sbin/sendmail", "-i", "-f", "matt@receiver.test", "phil@sender.test", stdin=back)
        assert result.returncode == 0, result.stderr
        mails = martlet.wait_for_mail("phil", 2, 90)
        back = [m for m in mails if m["Subject"] == "back"]
        reports = [m for m in mails if m.get_content_type() == "multipart/report"]
        assert len(back) == 1 and len(reports) == 1, [m["Subject"] for m in mails]
        assert back[0].get_content().replace("\r\n", "\n") == BODY.replace("\r\n", "\n")
        assert {a.decode() for a in all_failures(reports[0])[1]} == {"nobody@receiver.test"}
        martlet.wait_for_log(r"to=<phil@sender\.test>, relay=local, .*status=sent")
        if with_tls:
            martlet.wait_for_log(r"TLS connection established from \S+\[127\.0\.0\.1\]: TLSv1\.[23] with cipher")
        martlet.wait_until_empty(60)
    finally:
        peer.stop()
