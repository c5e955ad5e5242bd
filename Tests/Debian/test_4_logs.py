"""The journal, and the programs that read Postfix's lines."""

import json
import re

from container import wait_until


def test_lines_are_in_the_journal_of_the_unit(server):
    server.shell("echo for the journal | mail -s journal alice")
    server.wait_for_mail("alice", "for the journal")
    lines = server.run("journalctl", "--unit", "martlet", "--output", "short", "--no-pager").output
    assert re.search(r" martlet/pickup\[\d+\]: \w+: uid=0 from=<root>$", lines, re.M)
    assert re.search(r" martlet/local\[\d+\]: \w+: to=<alice@mail\.debian\.test>, .*status=sent \(delivered to mailbox\)$", lines, re.M)
    # And the facts beside the line.
    entries = [json.loads(line) for line in server.run(
        "journalctl", "--unit", "martlet", "--output", "json", "--no-pager", "MARTLET_RECIPIENT=alice@mail.debian.test").output.splitlines()]
    assert any(entry.get("MARTLET_STATUS") == "sent" for entry in entries), entries[:1]


def test_readers_of_postfix_logs(server):
    """`syslog_name = postfix`: pflogsumm counts, fail2ban sees the rejections."""
    server.run("martlet", "config", "-e", "syslog_name=postfix")
    server.systemctl("reload", "martlet")
    mark = server.run("date", "+@%s").output.strip()
    server.shell("echo for pflogsumm | mail -s pflogsumm bob")
    server.wait_for_mail("bob", "for pflogsumm")
    session = server.smtp()
    session.ask("EHLO client.test")
    session.ask("MAIL FROM:<carol@client.test>")
    assert session.ask("RCPT TO:<nobody.here@mail.debian.test>").startswith("550")
    session.close()
    wait_until(lambda: "NOQUEUE: reject" in server.journal(), what="the rejection is logged")
    wait_until(lambda: server.run("mailq").output.strip() == "Mail queue is empty", what="all is delivered and logged")
    log = server.run("journalctl", "--unit", "martlet", "--since", mark, "--output", "short", "--no-pager").output
    summary = server.run("pflogsumm", stdin=log).output
    assert re.search(r"^ +1 +delivered$", summary, re.M), summary
    assert re.search(r"^ +1 +rejected ", summary, re.M), summary
    server.write("/root/mail.log", log)
    for source in (["/root/mail.log"], ["--journalmatch=_SYSTEMD_UNIT=martlet.service", "systemd-journal"]):
        found = server.run("fail2ban-regex", *source, "postfix[mode=more]", check=False)
        matched = re.search(r"Lines: \d+ lines, \d+ ignored, (\d+) matched", found.output)
        assert matched and int(matched.group(1)) >= 1, found
    server.run("martlet", "config", "-X", "syslog_name")
    server.systemctl("reload", "martlet")
