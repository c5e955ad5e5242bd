"""What software on a Debian server sends: with its own command, its own header, into /var/mail/USER, and with the right exit status."""

import email
import email.policy
import re

import pytest

from container import wait_until

PATCH = """\
From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001
From: Alice <alice@mail.debian.test>
Date: Thu, 26 Nov 2026 03:00:00 +0000
Subject: [PATCH] A change

---
 file | 1 +
 1 file changed, 1 insertion(+)

diff --git a/file b/file
"""

# Each: the user who runs it, the command, its standard input, the header fields that must be there.
SENDERS = {
    "mail": ("alice", ["mail", "-s", "from mail", "bob"], "body of mail\n",
             {"From": "Alice <alice@mail.debian.test>|alice <alice@mail.debian.test>|alice@mail.debian.test", "To": "bob@mail.debian.test"}),
    "mail with a file": ("root", ["mail", "-s", "from mail with a file", "-a", "X-Extra: yes", "bob"], "body of mail with a file\n",
                         {"X-Extra": "yes"}),
    "sendmail -t": ("root", ["/usr/sbin/sendmail", "-oi", "-t"],
                    "To: bob\nSubject: from sendmail -t\n\nbody of sendmail -t\n.\nafter the dot\n",
                    {"To": "bob@mail.debian.test", "From": "root <root@mail.debian.test>"}),
    "sendmail with operands": ("alice", ["/usr/lib/sendmail", "-i", "-f", "alice", "bob"],
                               "From: Alice <alice>\nSubject: from sendmail with operands\n\nbody of sendmail with operands\n",
                               {"From": "Alice <alice@mail.debian.test>"}),
    "PHP": ("alice", ["php", "-r", 'exit(mail("bob", "from PHP", "body of PHP\n", "From: shop@mail.debian.test") ? 0 : 1);'], "",
            {"From": "shop@mail.debian.test", "To": "bob@mail.debian.test"}),
    "Python by SMTP": ("alice", ["python3", "-c", (
        "import smtplib, email.message\n"
        "m = email.message.EmailMessage()\n"
        "m['From'], m['To'], m['Subject'] = 'alice@mail.debian.test', 'bob@mail.debian.test', 'from Python by SMTP'\n"
        "m.set_content('body of Python by SMTP')\n"
        "with smtplib.SMTP('localhost') as s: s.send_message(m)\n")], "", {"From": "alice@mail.debian.test"}),
    "Python by sendmail": ("alice", ["python3", "-c", (
        "import subprocess\n"
        "subprocess.run(['/usr/sbin/sendmail', '-t', '-oi'], check=True,"
        " input=b'To: bob\\nSubject: from Python by sendmail\\n\\nbody of Python by sendmail\\n')\n")], "", {}),
    "git send-email": ("alice", ["git", "-c", "user.name=Alice", "-c", "user.email=alice@mail.debian.test", "send-email", "--quiet",
                                 "--confirm=never", "--smtp-server=/usr/sbin/sendmail", "--to=bob@mail.debian.test",
                                 "--subject=from git send-email", "/home/alice/0001.patch"], "", {"X-Mailer": "git-send-email .*"}),
    "git send-email by SMTP": ("alice", ["git", "-c", "user.name=Alice", "-c", "user.email=alice@mail.debian.test", "send-email", "--quiet",
                                         "--confirm=never", "--smtp-server=localhost", "--to=bob@mail.debian.test",
                                         "/home/alice/0001.patch"], "", {"Subject": r"\[PATCH\] A change"}),
}


@pytest.mark.parametrize("name", SENDERS)
def test_a_sender(server, name):
    user, command, text, fields = SENDERS[name]
    server.write("/home/alice/0001.patch", PATCH)
    before = len(server.mailbox("bob"))
    server.run(*command, user=user, stdin=text)
    wait_until(lambda: len(server.mailbox("bob")) > before, what=f"mail from {name}")
    mailbox_line, _, message = server.mailbox("bob")[-1].partition("\n")
    parsed = email.message_from_string(message, policy=email.policy.default)
    # RFC 5322 section 3.6: each once; the envelope sender is the user who ran it.
    for field in ("From", "Date", "Message-ID"):
        assert len(parsed.get_all(field, [])) == 1, f"{field}: {message}"
    assert re.match(rf"From {user}@mail\.debian\.test  ", mailbox_line), mailbox_line
    assert parsed["Return-Path"] == f"<{user}@mail.debian.test>"
    assert parsed["Delivered-To"] == "bob@mail.debian.test"
    if "SMTP" not in name:
        uid = server.run("id", "-u", user).output.strip()
        assert f"from userid {uid})" in parsed["Received"], parsed["Received"]
    for field, value in fields.items():
        assert re.fullmatch(value, str(parsed[field])), f"{field}: {parsed[field]}"
    if not command[0].startswith("git"):
        assert parsed["Subject"] == f"from {name}"
        assert f"body of {name}" in parsed.get_content()
    if name == "sendmail -t":
        assert "after the dot" in parsed.get_content()


def test_cron_mails_what_a_job_says(server):
    server.write("/etc/cron.d/martlet-test", "@reboot alice echo said by a job of cron\n")
    # cron runs @reboot jobs at its first start after a boot, which this file says it has had.
    server.shell("rm -f /run/crond.reboot && systemctl restart cron")
    message = server.wait_for_mail("alice", "said by a job of cron")
    assert re.search(r"^From: root@mail\.debian\.test \(Cron Daemon\)$", message, re.M)
    assert re.search(r"^Subject: Cron <alice@mail> echo said by a job of cron$", message, re.M)
    assert re.search(r"^X-Cron-Env: <LOGNAME=alice>$", message, re.M)
    server.run("rm", "/etc/cron.d/martlet-test")


def test_at_mails_what_a_job_says(server):
    server.run("at", "now", user="alice", stdin="echo said by a job of at\n")
    message = server.wait_for_mail("alice", "said by a job of at")
    assert "\nSubject: Output from your job" in message


def test_systemd_services_can_send(server):
    """Also with a hardened unit of their own: a set-gid program is all they need."""
    server.run("systemd-run", "--wait", "--quiet", "--uid=bob", "--property=ProtectHome=yes", "--property=PrivateTmp=yes",
               "sh", "-c", "echo said by a service | mail -s service alice")
    server.wait_for_mail("alice", "said by a service")


def test_errors_have_the_statuses_that_callers_know(server):
    for command, status in [
        (["/usr/sbin/sendmail"], 64), (["/usr/sbin/sendmail", "-t"], 64), (["/usr/sbin/sendmail", "-bt"], 64),
    ]:
        assert server.run(*command, user="alice", stdin="Subject: nobody\n\nx\n", check=False).status == status, command


def test_a_file_in_tmp_is_everybodys(server):
    """Not in a /tmp of the unit's own, where nobody sees it and a restart removes it."""
    server.shell("echo 'in-tmp: /var/tmp/from-alias' >>/etc/aliases && newaliases")
    server.run("mail", "-s", "for a file", "in-tmp", user="alice", stdin="kept in a file\n")
    wait_until(lambda: "kept in a file" in server.run("cat", "/var/tmp/from-alias", check=False).output, what="the file in /var/tmp")
    server.systemctl("restart", "martlet")
    assert "kept in a file" in server.run("cat", "/var/tmp/from-alias").output
    server.shell("rm /var/tmp/from-alias && sed -i /^in-tmp:/d /etc/aliases && newaliases")


def test_an_unknown_recipient_comes_back(server):
    server.run("mail", "-s", "to nobody", "no.such.user", user="alice", stdin="x\n")
    message = server.wait_for_mail("alice", "Undelivered Mail Returned to Sender")
    assert "Status: 5.1.1" in message and "no.such.user@mail.debian.test" in message


def test_mailq_and_flush_by_an_ordinary_user(server):
    assert server.run("mailq", user="alice").output.strip() == "Mail queue is empty"
    server.run("mail", "-s", "for later", "x@far.example.net", user="alice", stdin="x\n")
    listing = wait_until(lambda: "far.example.net" in (text := server.run("mailq", user="bob").output) and "try again" in text and text, 60, "it is deferred")
    assert "alice@mail.debian.test" in listing and "1 Request" in listing
    assert server.run("sendmail", "-q", user="bob", check=False).status == 0
    server.run("martlet", "queue", "delete", listing.splitlines()[1].split()[0].rstrip("*!"))
    assert server.run("mailq").output.strip() == "Mail queue is empty"


def test_users_cannot_look_into_the_queue(server):
    for directory in ("incoming", "deferred", "hold", "maildrop", "public", "private"):
        listed = server.run("ls", f"/var/spool/martlet/{directory}", user="alice", check=False)
        assert listed.status != 0 and "Permission denied" in listed.errors, directory


def test_a_full_disk_is_75(server):
    """EX_TEMPFAIL: the caller still has the message and may try again."""
    group = server.run("stat", "-c", "%g", "/var/spool/martlet/maildrop").output.strip()
    owner = server.run("stat", "-c", "%u", "/var/spool/martlet/maildrop").output.strip()
    server.run("mount", "-t", "tmpfs", "-o", f"size=64k,mode=1770,uid={owner},gid={group}", "tmpfs", "/var/spool/martlet/maildrop")
    try:
        text = "Subject: big\n\n" + "0123456789abcde\n" * 32768
        failed = server.run("/usr/sbin/sendmail", "bob", user="alice", stdin=text, check=False)
        assert failed.status == 75, failed
        assert "No space left" in failed.errors, failed
        assert server.shell("find /var/spool/martlet/maildrop -type f | wc -l").output.strip() == "0"
    finally:
        server.run("umount", "/var/spool/martlet/maildrop")
    server.run("/usr/sbin/sendmail", "bob", user="alice", stdin="Subject: small\n\nafter the full disk\n")
    server.wait_for_mail("bob", "after the full disk")


def test_commands_and_maildirs_of_users(server):
    """Under the unit's confinement: ~/.forward with a command, and with a Maildir."""
    server.write("/home/alice/.forward", '"|/usr/bin/tee /home/alice/by-command"\n/home/alice/Maildir/\n\\alice\n')
    server.run("chown", "alice:alice", "/home/alice/.forward")
    server.shell("echo for the command | mail -s forward alice")
    server.wait_for_mail("alice", "for the command")
    assert "for the command" in server.read("/home/alice/by-command")
    assert server.run("stat", "-c", "%U", "/home/alice/by-command").output.strip() == "alice"
    assert server.shell("cat /home/alice/Maildir/new/*").output.count("for the command") == 1
    # A command that sends mail: the reply goes through set-gid postdrop.
    server.write("/home/alice/answer", "#!/bin/sh\ncat >/dev/null\nprintf 'Subject: reply\\n\\nby a command of alice\\n' | /usr/sbin/sendmail -i bob\n", 0o755)
    server.write("/home/alice/.forward", '\\alice\n"|/home/alice/answer"\n')
    server.shell("echo a question | mail -s question alice")
    server.wait_for_mail("bob", "by a command of alice")
    server.run("rm", "/home/alice/.forward")


def test_other_packages_may_add_aliases(server):
    """Policy 11.6: a maintainer script adds a line and runs newaliases."""
    server.shell("echo 'lists: bob' >>/etc/aliases && newaliases")
    server.shell("echo for lists | mail -s lists lists")
    server.wait_for_mail("bob", "for lists")
