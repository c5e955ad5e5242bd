"""The commands: sendmail as local software calls it, mailq, newaliases, and the administrator's martlet."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

from commit_log import logged_messages
from dialogue import Dialogue
from harness import BIN, free_port, wait_until

HEADER = "From: Phil <phil@sender.test>\r\nTo: anna@sender.test\r\nSubject: {}\r\n\r\n"


def only(items):
    assert len(items) == 1, items
    return items[0]


# sendmail

WITH_TO = b"To: anna@sender.test\nSubject: %s\n\nx\n"
PLAIN = b"Subject: %s\n\nx\n"
# Caller, arguments, whether the recipient comes from the header.
CALLERS = {
    "cron": (["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "anna"], PLAIN),
    "anacron": (["-FAnacron", "-odi", "anna"], PLAIN),
    "anacron with a sender": (["-FAnacron", "-odi", "-f", "phil@sender.test", "anna"], PLAIN),
    "at": (["-i", "anna"], PLAIN),
    "mutt": (["-oem", "-oi", "-f", "phil@sender.test", "--", "anna@sender.test"], WITH_TO),
    "mutt with DSN": (["-oem", "-oi", "-N", "failure,delay", "-R", "hdrs", "-B8BITMIME", "--", "anna@sender.test"], WITH_TO),
    "bsd-mailx": (["-i", "anna@sender.test"], PLAIN),
    "s-nail": (["-i", "-m", "-r", "phil@sender.test", "anna@sender.test"], PLAIN),
    "alpine": (["-oem", "-t", "-oi"], WITH_TO),
    "git send-email": (["-f", "phil@sender.test", "-i", "anna@sender.test"], WITH_TO),
    "PHP mail()": (["-t", "-i"], WITH_TO),
    "unattended-upgrades": (["-oi", "-t"], WITH_TO),
    "sudo": (["-t"], WITH_TO),
    "Email::Sender": (["-i", "-f", "phil@sender.test", "--", "anna@sender.test"], WITH_TO),
    "ruby-mail": (["-i", "-f", "phil@sender.test", "--", "anna@sender.test"], WITH_TO),
    "MIME::Lite": (["-t", "-oi", "-oem"], WITH_TO),
    "mime-construct": (["-oi", "anna"], PLAIN),
    "rkhunter": (["anna"], PLAIN),
    "vacation": (["-f", "<>", "--", "anna@sender.test"], WITH_TO),
    "procmail": (["-oi", "-f", "phil@sender.test", "anna@sender.test"], WITH_TO),
    "maildrop": (["-oi", "anna"], PLAIN),
}


def test_what_local_software_passes_is_delivered_with_the_right_header(alone):
    """All callers of the table in one instance."""
    for name, (arguments, text) in CALLERS.items():
        result = alone.sendmail(*arguments, stdin=text % name.encode())
        assert result.stderr == b"", (name, result.stderr)
    alone.wait_for_mail("anna", len(CALLERS))
    alone.wait_until_empty()
    mails = {m["Subject"]: m for m in alone.messages("anna")}
    assert set(mails) == set(CALLERS)
    assert len(alone.messages("anna")) == len(CALLERS), "each once"
    for name, (arguments, _) in CALLERS.items():
        mail = mails[name]
        for field in ("From", "Date", "Message-Id", "Received", "To", "Return-Path", "Delivered-To"):
            assert mail[field] or (field == "To" and mail.get_all("To") is None and mails[name]["To"] is None), (name, field, mail.items())
        assert mail.get_content() == "x\n"
        sender = arguments[arguments.index("-f") + 1] if "-f" in arguments else arguments[arguments.index("-r") + 1] if "-r" in arguments else "root@sender.test" if os.getuid() == 0 else None
        if sender:
            assert mail["Return-Path"] == f"<{sender.strip('<>')}>", name
        if os.getuid() == 0 and arguments[0] == "-FCronDaemon":
            assert mail["From"].addresses[0].display_name == "CronDaemon"
            assert mail["From"].addresses[0].addr_spec == "root@sender.test"
        assert re.search(r"^by mail\.sender\.test \(Martlet, from userid \d+\)\s+id \w+; ", mail["Received"]), mail["Received"]


def test_bcc_reaches_its_recipients_and_is_removed(alone):
    alone.sendmail("-t", "-i", stdin=b"From: phil@sender.test\nTo: anna@sender.test\nBcc: phil@sender.test\nSubject: quiet\n\nx\n")
    for user in ("anna", "phil"):
        mail = only(alone.wait_for_mail(user))
        assert mail["Bcc"] is None and mail["To"] == "anna@sender.test"


def test_a_lone_dot_ends_the_message_unless_told_otherwise(alone):
    alone.sendmail("anna", stdin=b"Subject: ends\n\none\n.\ntwo\n")
    alone.sendmail("-i", "anna", stdin=b"Subject: goes on\n\none\n.\ntwo\n")
    contents = {m["Subject"]: m.get_content() for m in alone.wait_for_mail("anna", 2)}
    assert contents == {"ends": "one\n", "goes on": "one\n.\ntwo\n"}


def test_exit_statuses(story):
    host = story.host("sender.test", users=["anna"], main={"message_size_limit": "2000"}).start()
    assert host.sendmail(stdin=b"x\n", check=None).returncode == 64, "EX_USAGE: no recipients"
    assert host.sendmail("-bz", "anna", stdin=b"x\n", check=None).returncode == 64
    assert host.sendmail("-t", "anna", stdin=b"Subject: x\n\n", check=None).returncode == 0
    assert host.sendmail("anna", stdin=b"x" * 5000, check=None).returncode == 69, "EX_UNAVAILABLE: too large, as Postfix has it"
    assert host.command("sendmail", "anna", stdin=b"x\n", env={"MAIL_CONFIG": "/nonexistent"}).returncode == 78, "EX_CONFIG"
    host.wait_for_mail("anna", 1)
    # The mail system is down: accepted all the same, delivered later.
    host.stop()
    host.sendmail("anna", stdin=b"Subject: later\n\nx\n", check=0)
    assert b"250 2.0.0 Ok: queued" in host.sendmail("-bs", stdin=DIALOGUE, check=0).stdout
    # Those who may read the queue see it all the same; others are told why not.
    down = host.command("sendmail", "-bp")
    assert down.returncode == 0 and b"Mail system is down -- accessing queue directly" in down.stderr, down
    if os.getuid() == 0:
        other = subprocess.run([str(BIN / "postqueue"), "-c", str(host.config), "-p"], capture_output=True, timeout=30, user="nobody")
        assert other.returncode == 69 and b"down" in other.stderr, other
    host.start()
    wait_until(lambda: {"later", "bs"} <= {m["Subject"] for m in host.messages("anna")}, "they are delivered", context=host.explain)


DIALOGUE = b"EHLO localhost\r\nMAIL FROM:<phil@sender.test>\r\nRCPT TO:<anna@sender.test>\r\nDATA\r\nSubject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n"


def test_sendmail_bs_speaks_smtp_on_standard_input(alone):
    result = alone.sendmail("-bs", stdin=DIALOGUE)
    codes = [line[:3] for line in result.stdout.decode().split("\r\n") if line[3:4] == " "]
    assert codes == ["220", "250", "250", "250", "354", "250", "221"], result.stdout
    mail = only(alone.wait_for_mail("anna"))
    assert mail["Subject"] == "bs" and "from userid" in mail["Received"]


def test_sendmail_bv_mails_a_report_and_delivers_nothing(alone):
    alone.sendmail("-f", "phil@sender.test", "-bv", "anna", "nobody-of-that-name", stdin=b"")
    report = only(alone.wait_for_mail("phil"))
    text = report.as_string()
    assert "<anna@sender.test>: deliverable" in text, text
    assert "<nobody-of-that-name@sender.test>: undeliverable" in text, text
    alone.wait_until_empty()
    assert alone.messages("anna") == []


def test_verp_gives_each_recipient_a_bounce_address_of_its_own(story):
    host = story.host("sender.test", users=["anna", "phil", "list"], main={"recipient_delimiter": "+"}).start()
    for option, expected in (("-XV", "list+{}=sender.test@sender.test"), ("-XV-=", "list-{}=sender.test@sender.test")):
        host.sendmail("-f", "list@sender.test", option, "anna@sender.test", "phil@sender.test", stdin=f"Subject: {option}\n\nx\n".encode())
        for user in ("anna", "phil"):
            wait_until(lambda: [m for m in host.messages(user) if m["Subject"] == option], f"{option} for {user}", context=host.explain)
            mail = only([m for m in host.messages(user) if m["Subject"] == option])
            assert mail["Return-Path"] == f"<{expected.format(user)}>", mail["Return-Path"]
    # A failure comes back to the address that names the recipient.
    host.sendmail("-f", "list@sender.test", "-XV", "anna@sender.test", "no-such-user@sender.test", stdin=b"Subject: bounces\n\nx\n")
    bounce = only(host.wait_for_mail("list"))
    assert bounce["To"] == "list+no-such-user=sender.test@sender.test"
    host.wait_until_empty()
    assert len([m for m in host.messages("anna") if m["Subject"] == "bounces"]) == 1
    for bad in ("-XVab", "-XV+", "-XV+=x", "-XV/="):
        refused = host.sendmail("-f", "list@sender.test", bad, "anna@sender.test", stdin=b"x\n", check=None)
        assert refused.returncode == 64 and b"verp_delimiter_filter" in refused.stderr, refused


def test_sendmail_C_takes_the_directory_or_its_main_cf(alone):
    for name in (alone.config, alone.config / "main.cf"):
        result = alone.command("sendmail", "-C", name, "-bp", env={"MAIL_CONFIG": "/nonexistent"})
        assert result.returncode == 0 and result.stdout == b"Mail queue is empty\n", result
    assert alone.command("sendmail", "-C", "/nonexistent/main.cf", "-bp").returncode == 78


def test_newaliases_builds_the_table_that_local_reads(story):
    host = story.host("sender.test", users=["anna"])
    source = host.config / "postal"
    source.write_text(f"# comment\nanna: {host.mail}/anna/\nfriend: anna\nlist: friend,\n  anna\n")
    host.set(alias_maps=f"lmdb:{source}", alias_database=f"lmdb:{source}")
    name = host.base / "newaliases"
    name.symlink_to(BIN / "sendmail")
    environment = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(host.config)}
    result = subprocess.run([str(name)], env=environment, capture_output=True, timeout=30)
    assert result.returncode == 0, result.stderr
    host.start()
    host.sendmail("list", stdin=b"Subject: through aliases\n\nx\n")
    only(host.wait_for_mail("anna"))
    host.wait_until_empty()
    assert len(host.messages("anna")) == 1, "the same mailbox twice is one delivery"


# The queue


@pytest.fixture
def waiting(story):
    """A host with one deferred message for a host that is down, and its id."""
    host = story.host("sender.test", users=["phil", "anna"], main={"transport_maps": "inline:{ away.test=smtp:[127.0.0.1]:1 }"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<someone@away.test>", 250)
        c.expect("RCPT TO:<other@away.test>", 250)
        c.expect("DATA", 354)
        c.send(HEADER.format("waits") + "x\r\n.\r\n")
        code, text = c.reply()
        assert code == 250
    wait_until(lambda: host.queue_files()["deferred"], "it is deferred", context=host.explain)
    return host, text.split()[-1]


def test_a_message_that_is_in_a_commit_log_alone_is_shown(story):
    """Its next hop takes connections and says nothing: it is being delivered, and no file."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        host = story.host("sender.test", users=["phil"], main={"relayhost": f"[127.0.0.1]:{mute.getsockname()[1]}", "smtp_helo_timeout": "3s", "smtp_connect_timeout": "3s", "commit_log_size": "1048576"})
        host.start()
        (host.base / "postcat").symlink_to(BIN / "martlet")

        def send():
            host.send("phil@sender.test", ["someone@away.test"], HEADER.format("in a log") + "hello from the log\r\n")

        def is_one_logged():
            # So small a log is made when two messages come at a time, and it has a message for five seconds at most.
            senders = [threading.Thread(target=send) for _ in range(4)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            for message_id, _, _ in logged_messages(host.queue / "commit"):
                if not (host.queue / "incoming" / message_id).exists() and f"{message_id}*" in host.mailq():
                    shown = [host.command(*words, message_id) for words in (("martlet", "queue", "show"), (host.base / "postcat", "-c", host.config, "-q"))]
                    if all(one.returncode == 0 and b"hello from the log" in one.stdout for one in shown):
                        return b"in active" in shown[0].stdout and b"active/" in shown[1].stdout
            return False

        wait_until(is_one_logged, "a message is shown from the log", context=host.explain)


def test_mailq_of_an_empty_queue(alone):
    for command in (["postqueue", "-p"], ["sendmail", "-bp"], ["martlet", "queue", "list"]):
        assert alone.command(*command, check=0).stdout == b"Mail queue is empty\n"
    assert alone.command("postqueue", "-j", check=0).stdout == b""


def test_mailq_shows_what_waits_and_why(waiting):
    host, queue_id = waiting
    name = host.base / "mailq"
    name.symlink_to(BIN / "sendmail")
    outputs = [host.mailq(), host.command("sendmail", "-bp", check=0).stdout.decode(), host.martlet("queue", "list", check=0).stdout.decode()]
    outputs.append(subprocess.run([str(name)], env={"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(host.config)}, capture_output=True, timeout=30).stdout.decode())
    assert len(set(outputs)) == 1, outputs
    lines = outputs[0].split("\n")
    assert lines[0] == "----Queue ID----- --Size--- ---Arrival Time---- --Sender/Recipient------"
    assert re.fullmatch(rf"{queue_id:17} [ \d]{{7}}\d \w{{3}} \w{{3}} [ \d]\d \d\d:\d\d:\d\d phil@sender\.test", lines[1]), lines[1]
    assert re.fullmatch(r" *\(connect to 127\.0\.0\.1\[127\.0\.0\.1\]:1: Connection refused\)", lines[2]), lines[2]
    assert sorted(lines[3:5]) == [" " * 47 + "other@away.test", " " * 47 + "someone@away.test"]
    assert lines[5] == "" and re.fullmatch(r"-- \d+ Kbytes in 1 Request\.", lines[6]), lines


def test_postqueue_j_is_one_json_object_a_line(waiting):
    host, queue_id = waiting
    for out in (host.command("postqueue", "-j", check=0).stdout, host.martlet("queue", "list", "--json", check=0).stdout):
        entry = json.loads(only(out.decode().splitlines()))
        assert entry["queue_id"] == queue_id and entry["queue_name"] == "deferred" and entry["sender"] == "phil@sender.test"
        assert {r["address"] for r in entry["recipients"]} == {"someone@away.test", "other@away.test"}
        assert all("Connection refused" in r["delay_reason"] for r in entry["recipients"])
        assert entry["message_size"] > 0 and entry["arrival_time"] > 1_600_000_000


def test_the_queue_is_listed_while_the_system_is_down(waiting):
    host, queue_id = waiting
    up = host.martlet("queue", "list", check=0).stdout.decode().splitlines()
    host.stop()
    result = host.martlet("queue", "list", check=0)
    assert b"Mail system is down -- accessing queue directly" in result.stderr
    down = result.stdout.decode().splitlines()
    assert down == up
    entry = json.loads(only(host.command("postqueue", "-j", check=0).stdout.decode().splitlines()))
    assert entry["queue_id"] == queue_id and entry["queue_name"] == "deferred" and len(entry["recipients"]) == 2
    assert host.command("postqueue", "-f").returncode == 69
    host.start()


def test_queue_show(waiting):
    host, queue_id = waiting
    text = host.martlet("queue", "show", queue_id, check=0).stdout.decode()
    assert "someone@away.test" in text and "Subject: waits" in text
    entry = json.loads(host.martlet("queue", "show", "--json", queue_id, check=0).stdout)
    assert entry["queue_id"] == queue_id and len(entry["recipients"]) == 2
    content = host.martlet("queue", "show", "--content", queue_id, check=0).stdout
    assert b"Subject: waits\r\n" in content and content.endswith(b"x\r\n")
    assert host.martlet("queue", "show", "4jYJQl1CXpz2rl").returncode == 66


def test_hold_release_requeue_flush_delete(waiting):
    host, queue_id = waiting
    assert json.loads(host.martlet("queue", "hold", "--json", queue_id, check=0).stdout) == {"count": 1, "missing": []}
    assert host.queue_files()["hold"] == [queue_id] and host.queue_files()["deferred"] == []
    assert f"{queue_id}!" in host.mailq()
    attempts = host.log().count("status=deferred")
    host.martlet("flush")
    host.martlet("queue", "release", queue_id, check=0)
    assert host.queue_files()["hold"] == []
    assert f"{queue_id}!" not in host.mailq()
    host.martlet("flush", check=0)
    wait_until(lambda: host.log().count("status=deferred") > attempts, "another attempt", context=host.explain)
    wait_until(lambda: host.queue_files()["deferred"] == [queue_id], "back in deferred", context=host.explain)
    attempts = host.log().count("status=deferred")
    host.martlet("queue", "requeue", queue_id, check=0)
    wait_until(lambda: host.log().count("status=deferred") > attempts, "another attempt", context=host.explain)
    wait_until(lambda: sum(map(len, host.queue_files().values())) == 1, "one file", context=host.explain)
    left = json.loads(only(host.command("postqueue", "-j", check=0).stdout.decode().splitlines()))["queue_id"]
    host.martlet("queue", "delete", left, check=0)
    host.wait_until_empty()
    assert host.mailq() == "Mail queue is empty\n"
    assert host.martlet("queue", "delete", left).returncode == 1
    assert host.messages("phil") == [], "nobody is told"


def test_flush_tries_deferred_mail_at_once(story):
    host = story.host("sender.test", users=["phil"], main={"transport_maps": f"texthash:{story.base}/transport", "transport_retry_time": "1s"})
    (story.base / "transport").write_text("away.test smtp:[127.0.0.1]:1\n")
    host.start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("someone@away.test", HEADER.format("waits") + "x\r\n.\r\n")[0] == 250
    host.wait_for_log("status=deferred")
    wait_until(lambda: host.queue_files()["deferred"], "deferred", context=host.explain)
    (story.base / "transport").write_text("away.test discard:\n")
    host.martlet("reload", check=0)
    host.wait_for_log(r"master\[\d+\]: reload")
    wait_until(lambda: host.martlet("flush").returncode == 0 and host.log().count("status=sent"), "the flushed message goes", context=host.explain)
    host.wait_until_empty()


# martlet config, map, status


def test_config_shows_values_defaults_and_what_is_set(alone):
    assert alone.martlet("config", "myhostname", check=0).stdout == b"myhostname = mail.sender.test\n"
    assert alone.martlet("config", "-h", "mydomain", check=0).stdout == b"sender.test\n"
    assert alone.martlet("config", "-d", "message_size_limit", check=0).stdout == b"message_size_limit = 10240000\n"
    assert alone.martlet("config", "-x", "myorigin", check=0).stdout == b"myorigin = sender.test\n"
    explicit = alone.martlet("config", "-n", check=0).stdout.decode()
    assert set(re.findall(r"^(\w+) = ", explicit, re.MULTILINE)) == set(alone.settings)
    everything = alone.martlet("config", check=0).stdout.decode()
    assert len(everything.splitlines()) > 150 and "\nmaximal_queue_lifetime = 5d\n" in everything
    values = json.loads(alone.martlet("config", "--json", "myhostname", "mydomain", check=0).stdout)
    assert values == {"myhostname": "mail.sender.test", "mydomain": "sender.test"}
    unknown = alone.martlet("config", "mesage_size_limit")
    assert unknown.returncode == 1 and b"message_size_limit" in unknown.stderr


def test_config_comments_out(alone):
    path = alone.config / "main.cf"
    before = path.read_text()
    alone.martlet("config", "-#", "smtp_helo_timeout", check=0)
    assert path.read_text() == before.replace("smtp_helo_timeout", "#smtp_helo_timeout")
    assert alone.martlet("config", "smtp_helo_timeout", check=0).stdout == b"smtp_helo_timeout = 300s\n"
    assert alone.martlet("config", "-#", "-e", "a=b").returncode == 64
    assert alone.martlet("config", "-X", "a=b").returncode == 64


def test_check_finds_what_only_the_programs_know(story):
    host = story.host("sender.test", users=["anna"], main={"smtpd_recipient_restrictions": "permit_mynetworks, reject_unnauth_destination"})
    line = len((host.config / "master.cf").read_text().splitlines()) + 1
    host.master_extra = f"127.0.0.1:{free_port()} inet n n n - - smtpd\n  -o smtpd_tls_security_level=may\n  -o smtpd_tls_cert_file={story.base}/missing.pem\n"
    host.write_configuration()
    said = host.martlet("check")
    text = said.stderr.decode()
    assert said.returncode == 78, text
    assert re.search(r"master\.cf:2: the service 127\.0\.0\.1:\d+: smtpd: unknown smtpd restriction: \"reject_unnauth_destination\"", text), text
    assert re.search(rf"master\.cf:{line}: the service 127\.0\.0\.1:\d+: smtpd: .*missing\.pem", text), text
    report = json.loads(host.martlet("check", "--json").stdout)
    assert not report["ok"] and all(e["file"].endswith("master.cf") for e in report["errors"]), report
    assert host.martlet("start").returncode == 78


def test_config_edits_main_cf_and_leaves_the_rest_alone(alone):
    path = alone.config / "main.cf"
    path.write_text("# my words\n" + path.read_text())
    before = path.read_text()
    alone.martlet("config", "-e", "message_size_limit=12345", "mydomain = sender.test", check=0)
    after = path.read_text()
    assert after.startswith("# my words\n")
    assert [l for l in after.splitlines() if l not in before.splitlines()] == ["message_size_limit = 12345"]
    assert alone.martlet("config", "message_size_limit", check=0).stdout == b"message_size_limit = 12345\n"
    assert alone.martlet("config", "-e", "message_size_limit=lots").returncode != 0
    assert path.read_text() == after, "an edit that puts an error in is not made"
    alone.martlet("config", "-X", "message_size_limit", check=0)
    assert path.read_text() == before


def test_map_build_and_query(alone, tmp_path):
    source = tmp_path / "table"
    source.write_text("# comment\none  first value\nTwo second\n  continued\n")
    alone.martlet("map", "build", f"lmdb:{source}", check=0)
    assert alone.martlet("map", "query", "one", f"lmdb:{source}", check=0).stdout == b"first value\n"
    assert alone.martlet("map", "query", "two", f"lmdb:{source}", check=0).stdout.split() == [b"second", b"continued"]
    assert alone.martlet("map", "query", "three", f"lmdb:{source}").returncode == 1
    for table, key, value in [("inline:{ a=b, c=d }", "c", "d"), ("static:always", "x", "always"), (f"texthash:{source}", "one", "first value")]:
        assert alone.martlet("map", "query", key, table, check=0).stdout.decode() == value + "\n", table
    (tmp_path / "re").write_text("/^(.*)@old\\.test$/ $1@new.test\n")
    for kind in ("regexp", "pcre"):
        assert alone.martlet("map", "query", "phil@old.test", f"{kind}:{tmp_path}/re", check=0).stdout == b"phil@new.test\n"
    (tmp_path / "nets").write_text("192.0.2.0/24 REJECT\n")
    found = json.loads(alone.martlet("map", "query", "--json", "192.0.2.7", f"cidr:{tmp_path}/nets", check=0).stdout)
    assert found == {"key": "192.0.2.7", "found": True, "value": "REJECT"}
    assert alone.martlet("map", "query", "x", f"lmdb:{tmp_path}/missing").returncode == 75
    bad = tmp_path / "bad"
    bad.write_text("keyonly\n")
    result = alone.martlet("map", "build", f"lmdb:{bad}")
    assert b"bad:1" in result.stderr or b"line 1" in result.stderr, result


def test_status_start_and_stop(story):
    host = story.host("sender.test", users=["anna"])
    assert host.martlet("status").returncode == 69
    assert json.loads(host.martlet("status", "--json").stdout)["running"] is False
    host.start()
    status = json.loads(host.martlet("status", "--json", check=0).stdout)
    assert status["running"] is True and status["pid"] == host.process.pid
    assert host.martlet("start").returncode == 69, "already running"
    second = host.command("master", "-c", host.config)
    assert second.returncode == 71 and second.stderr.decode() == f"master: fatal: the mail system is already running: process {host.process.pid}\n", second
    host.martlet("stop", check=0)
    assert host.process.wait(5) == 0
    assert host.martlet("stop").returncode == 69
    host.martlet("start", check=0)
    try:
        assert host.martlet("status").returncode == 0
        with Dialogue(host.port) as c:
            c.ehlo()
            assert c.transaction("anna@sender.test", HEADER.format("background") + "x\r\n.\r\n")[0] == 250
        only(host.wait_for_mail("anna"))
    finally:
        host.martlet("stop", check=0)


def test_check_says_what_is_wrong_as_json(story):
    host = story.host("sender.test", main={"message_size_limit": "many"})
    result = host.martlet("check", "--json")
    assert result.returncode == 78
    said = json.loads(result.stdout)
    error = only(said["errors"])
    assert said["ok"] is False and error["file"].endswith("main.cf") and error["line"] > 0 and "message_size_limit" in error["text"]


# Other people's tools on the log


@pytest.mark.skipif(not shutil.which("pflogsumm"), reason="pflogsumm is not installed")
def test_pflogsumm_counts_the_deliveries(story):
    host = story.host("sender.test", users=["phil", "anna"], main={"syslog_name": "postfix", "transport_maps": "inline:{ away.test=smtp:[127.0.0.1]:1 }"}).start()
    for number in range(3):
        with Dialogue(host.port) as c:
            c.ehlo()
            c.expect("MAIL FROM:<phil@sender.test>", 250)
            c.expect("RCPT TO:<anna@sender.test>", 250)
            c.expect("RCPT TO:<phil@sender.test>", 250)
            c.expect("RCPT TO:<nobody-here@sender.test>", 550)
            c.expect("DATA", 354)
            c.send(HEADER.format(number) + "x\r\n.\r\n")
            assert c.reply()[0] == 250
            c.expect("QUIT", 221)
    host.sendmail("-f", "phil@sender.test", "someone@away.test", stdin=b"Subject: away\n\nx\n")
    host.wait_for_log("status=deferred")
    host.wait_for_log("status=sent", 6)
    host.wait_for_log("removed", 3)
    report = subprocess.run(["pflogsumm", str(host.log_path)], capture_output=True, timeout=30).stdout.decode()

    def count(what):
        return int(re.search(rf"^ *(\d+)k? +{what}", report, re.MULTILINE).group(1))

    assert count("received") == 4, report
    assert count("delivered") == 6, report
    assert count("deferred") == 1, report
    assert count("bounced") == 0 and count("rejected") == 3, report
    assert "Connection refused" in report


# The structured log


@pytest.mark.parametrize("form", ["json", "classic"])
def test_facts_beside_the_classic_line(story, form):
    """The same mail with both forms: every line of JSON is an object, its message is the classic line, and facts are typed."""
    host = story.host("sender.test", users=["anna", "phil"], main={"maillog_format": form, "transport_maps": "inline:{ away.test=smtp:[127.0.0.1]:1 }"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        c.expect("RCPT TO:<nobody-of-that-name@sender.test>", 550)
        c.expect("RCPT TO:<anna@sender.test>", 250)
        c.expect('RCPT TO:<"a\\"b"@away.test>', 250)
        c.expect("DATA", 354)
        c.send(HEADER.format("facts") + "x\r\n.\r\n")
        code, text = c.reply()
        assert code == 250
        c.expect("QUIT", 221)
    queue_id = text.split()[-1]
    host.wait_for_mail("anna")
    host.sendmail("-f", "phil@sender.test", "no-such-user", stdin=b"Subject: bounces\n\nx\n")
    host.wait_for_mail("phil")
    host.wait_for_log("status=deferred")
    host.wait_for_log("removed")
    host.wait_for_log("disconnect from")
    host.stop()
    lines = host.log().splitlines()
    if form == "classic":
        pattern = re.compile(r"^\w{3} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ martlet/[\w/]+\[\d+\]: .+$")
        assert all(pattern.match(line) for line in lines), [l for l in lines if not pattern.match(l)]
        assert "event" not in host.log() and "{" not in host.log()
        return
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["time"]), entry
        assert isinstance(entry["pid"], int) and entry["severity"] in ("info", "warning", "error", "fatal") and entry["host"], entry
        assert entry["tag"].startswith("martlet/") and entry["tag"].endswith("/" + entry["program"]), entry
        if match := re.match(r"(\w{12,}): ", entry["message"]):
            assert entry["queue_id"] == match.group(1), entry

    def event(name, **facts):
        return [e for e in entries if e.get("event") == name and all(e.get(k) == v for k, v in facts.items())]

    assert only(event("connect", client_port=only(event("client"))["client_port"]))["client_address"] == "127.0.0.1"
    reject = only(event("reject"))
    assert (reject["client_address"], reject["stage"], reject["code"], reject["dsn"]) == ("127.0.0.1", "RCPT", 550, "5.1.1"), reject
    assert reject["recipient"] == "nobody-of-that-name@sender.test" and reject["sender"] == "phil@sender.test" and reject["protocol"] == "ESMTP"
    assert "queue_id" not in reject
    for name in ("client", "queued", "active"):
        first = event(name, queue_id=queue_id)[0]
        assert first["sender"] == "phil@sender.test" and first["nrcpt"] == 2, first
    sent = only(event("delivery", queue_id=queue_id, status="sent"))
    assert (sent["recipient"], sent["relay"], sent["dsn"], sent["action"]) == ("anna@sender.test", "local", "2.0.0", "delivered"), sent
    parts = [sent[f"delay_{part}"] for part in ("before_qmgr", "in_qmgr", "connection", "transmission")]
    assert all(isinstance(p, float) and p >= 0 for p in parts) and abs(sum(parts) - sent["delay"]) < 1e-5, sent
    deferred = event("delivery", queue_id=queue_id, status="deferred")[0]
    assert deferred["recipient"] == '"a\\"b"@away.test' and deferred["dsn"] == "4.4.1" and "Connection refused" in deferred["reason"], deferred
    failed = only(event("delivery", status="bounced"))
    assert failed["dsn"] == "5.1.1" and failed["action"] == "failed" and failed["sender"] == "phil@sender.test", failed
    note = only(event("notification", queue_id=failed["queue_id"]))
    assert event("removed", queue_id=note["notification_id"]) and event("removed", queue_id=failed["queue_id"])[0]["age"] > 0
    assert only(event("pickup"))["uid"] == os.getuid()


def test_a_container_reads_the_log_from_standard_output(story):
    host = story.host("sender.test", users=["anna"], main={"maillog_file": "/dev/stdout", "maillog_format": "json"}).start()
    host.send("phil@sender.test", ["anna@sender.test"], HEADER.format("out") + "x\r\n")
    host.wait_for_mail("anna")
    host.wait_until_empty()
    host.martlet("reload", check=0)
    host.send("phil@sender.test", ["anna@sender.test"], HEADER.format("again") + "x\r\n")
    host.wait_for_mail("anna", 2)
    host.wait_until_empty()
    host.stop()
    entries = [json.loads(line) for line in host.process.stdout.read().splitlines()]
    assert {"master", "smtpd", "cleanup", "qmgr", "local"} <= {e["program"] for e in entries}
    assert sum(e.get("status") == "sent" for e in entries) == 2


def test_commands_of_users_get_the_environment_that_is_exported(story):
    host = story.host("sender.test", users=["anna"])
    host.set(export_environment="LANG=C, { MARK = a b }, PATH=/bin:/usr/bin, ABSENT", alias_maps=f"texthash:{host.config}/aliases")
    host.aliases["cmd"] = f'"|/usr/bin/env > {host.mail}/environment.new; mv {host.mail}/environment.new {host.mail}/environment"'
    host.write_configuration()
    host.start()
    host.sendmail("-f", "phil@sender.test", "cmd", stdin=b"Subject: x\n\nx\n")
    found = host.mail / "environment"
    wait_until(found.exists, "the command has run", context=host.explain)
    lines = found.read_text().splitlines()
    assert {"LANG=C", "MARK=a b", "PATH=/bin:/usr/bin", "SENDER=phil@sender.test"} <= set(lines), lines
    assert not any(line.startswith(("ABSENT", "MAIL_CONFIG", "SWIFT_")) for line in lines), lines


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_made_and_can_be_read(story, tmp_path, shell):
    script = subprocess.run([str(BIN / "martlet"), "--generate-completion-script", shell], capture_output=True, check=True, timeout=30).stdout
    assert b"martlet" in script and b"requeue" in script and b"import" in script
    if not shutil.which(shell):
        return
    (tmp_path / "script").write_bytes(script)
    assert subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, timeout=30).returncode == 0


@pytest.mark.parametrize(
    "words, expected",
    [("martlet que", "queue"), ("martlet queue req", "requeue"), ("martlet config mydest", "mydestination"), ("martlet import post", "postfix"), ("martlet status --js", "--json")],
)
def test_bash_completes(tmp_path, words, expected):
    script = tmp_path / "martlet"
    script.write_bytes(subprocess.run([str(BIN / "martlet"), "--generate-completion-script", "bash"], capture_output=True, check=True, timeout=30).stdout)
    program = f"""
        source {script}
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE='{words}'; COMP_POINT=${{#COMP_LINE}}
        $(complete -p martlet | sed 's/.*-F \\([^ ]*\\).*/\\1/') martlet "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "-c", program], capture_output=True, timeout=30, env={"PATH": f"{BIN}:/usr/bin:/bin"})
    assert [line.strip() for line in result.stdout.decode().splitlines()] == [expected], result
