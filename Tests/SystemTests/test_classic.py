"""Postfix's command names: what scripts give them and read from them, compared with Debian's Postfix command by command."""

import json
import re
import shutil
import subprocess

import pytest

import peers
from harness import BIN, wait_until
from reference import Pair, PostfixCommands, classic_names

MAIN = """\
# See /usr/share/postfix/main.cf.dist
myhostname = mail.example.org
mydestination = $myhostname, localhost.$mydomain, localhost

# a comment
relayhost = [a]
virtual_alias_maps = hash:/etc/a,
  hash:/etc/b
# inside
  hash:/etc/c
mine = abc
alias_maps =
mynetworks = 127.0.0.0/8, $mine, [::1]/128, 10.11.12.0/24, 10.11.13.0/24, 10.11.14.0/24, 10.11.15.0/24
"""

MASTER = """\
# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
#smtps     inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
#  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_mynetworks,reject -o { smtpd_banner = a b }
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name -v -o smtp_helo_timeout=5
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
bsmtp     unix  -       n       n       -       -       pipe -v flags=Fq. user=bsmtp argv=/usr/lib/bsmtp/bsmtp -t$nexthop -f$sender $recipient
"""


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    if not peers.available():
        pytest.skip("a root of its own for Postfix needs root")
    postfix = PostfixCommands(tmp_path_factory.mktemp("postfix")).start()
    yield postfix
    postfix.stop()


@pytest.fixture
def pair(reference, tmp_path):
    return Pair(reference, tmp_path, {"main.cf": MAIN, "master.cf": MASTER})


def text_of(path):
    """Postfix's edits of master.cf carry the comments behind an entry before it; here they stay where they are."""
    lines = path.read_text().splitlines()
    return "\n".join(line for line in lines if path.name == "main.cf" or not line.startswith("#"))


def compare(pair, commands, files=()):
    """Runs every command in both places; each is a line of words, or (words, input)."""
    found = []
    for command in commands:
        words, stdin = command if isinstance(command, tuple) else (command, b"")
        found += pair.differences(words.split(" ") if isinstance(words, str) else words, stdin)
        for name in files:
            ours, theirs = (text_of(directory / name) for directory in (pair.here, pair.there))
            if ours != theirs:
                found.append(f"after {words}: {name}\n  ours\n{ours}\n  Postfix's\n{theirs}")
                shutil.copy(pair.there / name, pair.here / name)
    assert not found, "\n".join(found)


def test_postconf_shows_parameters(pair):
    compare(
        pair,
        [
            "postconf relayhost", "postconf -h relayhost mydestination", "postconf -H relayhost", "postconf -n", "postconf -nf", "postconf -nh",
            "postconf -nH", "postconf -n mynetworks message_size_limit", "postconf -f mynetworks virtual_alias_maps", "postconf -x mydestination",
            "postconf -xh mynetworks", "postconf -d relayhost message_size_limit mydestination", "postconf -dh maximal_queue_lifetime",
            "postconf message_size_limit alias_maps", "postconf nosuch", "postconf nosuch relayhost", "postconf -n nosuch", "postconf -h nosuch",
            "postconf mine", "postconf -C user", "postconf -C nosuch", "postconf -o relayhost=xx relayhost", "postconf -o relayhost=xx -n relayhost",
            "postconf -o foo relayhost", "postconf -p relayhost", "postconf smtp_destination_concurrency_limit relay_destination_rate_delay",
            "postconf -l", "postconf -c /nonexistent", "postconf -c /nonexistent relayhost", "postconf -z", "postconf -c", "postconf -hH relayhost",
            "postconf -n -d", "postconf -MF", "postconf -PM", "postconf -eX relayhost", "postconf config_directory",
        ],
    )


def test_postconf_warns_of_what_is_unused_undefined_or_set_twice(pair):
    for directory in (pair.here, pair.there):
        with open(directory / "main.cf", "a") as main:
            main.write("unused = 1\nrelayhost = [b]\nmydestination = $foo\n")
        with open(directory / "master.cf", "a") as master:
            master.write("x unix - - n - - smtp -o nosuch=1\n")
    compare(pair, ["postconf relayhost", "postconf -n", "postconf unused", "postconf -d relayhost", "postconf -x mydestination"])


def test_postconf_edits_main_cf(pair):
    compare(
        pair,
        [
            ["postconf", "-e", "relayhost = [c]:587"], ["postconf", "-e", "new_one=1"], ["postconf", "-e", "mail_name = A B  C"], ["postconf", "relayhost="],
            ["postconf", "mydestination = a, b"], ["postconf", "-e", "virtual_alias_maps=texthash:/etc/x", "alias_maps = $virtual_alias_maps"],
            "postconf -# relayhost", "postconf -X new_one nosuch", "postconf -# mydestination mine", "postconf -e relayhost=z", "postconf -e foo",
            "postconf -e =x", "postconf -e", "postconf -X", "postconf -#", "postconf -X a=b", "postconf -# a=b", ["postconf", "-e", "a\n=b"],
            ["postconf", "-e", "a b=c"], ["postconf", "-e", "relayhost = 1", "relayhost = 2"], "postconf -n",
        ],
        files=["main.cf"],
    )


def test_postconf_shows_master_cf(pair):
    compare(
        pair,
        [
            "postconf -M", "postconf -Mf", "postconf -M smtp", "postconf -M smtp/inet", "postconf -M */unix", "postconf -M nosuch",
            "postconf -M pickup/fifo", "postconf -M a/b/c", "postconf -F", "postconf -F smtp/inet", "postconf -F smtp/inet/chroot",
            "postconf -Fh smtp/inet/chroot", "postconf -FH smtp/inet/chroot", "postconf -F */*/chroot", "postconf -F a/b/c/d", "postconf -P",
            "postconf -P submission/inet", "postconf -P submission/inet/syslog_name", "postconf -Ph submission/inet/syslog_name",
            "postconf -P submission/inet/x", "postconf -P */*/syslog_name", "postconf -F submission/inet/command",
        ],
    )


def test_postconf_edits_master_cf(pair):
    compare(
        pair,
        [
            "postconf -F */*/chroot=n", "postconf -F smtp/inet/process_limit=5 smtp/inet/private=-", "postconf -F smtp/inet/nosuch=5",
            "postconf -F nosuch/inet/chroot=y", "postconf -F smtp/inet/chroot=maybe", "postconf -Fe", "postconf -FX a/b/c",
            ["postconf", "-F", "smtp/inet/command=smtpd -o x=y -v"], ["postconf", "-M", "foo/inet=foo inet n - y - - smtpd"],
            ["postconf", "-M", "submission/inet=submission inet n - n - - smtpd -o syslog_name=x"], "postconf -M foo/inet", "postconf -MX foo/inet",
            "postconf -M# smtp/inet", "postconf -MX bsmtp/unix", "postconf -MX nosuch/unix", "postconf -Me foo/unix", "postconf -M x=y", "postconf -MX",
            "postconf -M#", "postconf -P relay/unix/smtp_helo_timeout=7", "postconf -P maildrop/unix/syslog_name=q", "postconf -PX relay/unix/syslog_name",
            ["postconf", "-P", "relay/unix/myhostname=a b"], "postconf -P#", "postconf -PX", "postconf -Pe", "postconf -Mf",
        ],
        files=["master.cf"],
    )


TABLE = b"a b c\nFoo@Example.org  x@y, z\n# comment\nk1 v1\n  cont\nb\nb two\na again\n"
ALIASES = b'root: phil\nAbc: "|cmd x", b\n"quoted name": x\nmissing\nroot: other\n'
MESSAGE = b"To: Foo <foo@example.org>\nSubject: hello\n world\n\nbody a\nother\n"


def test_postmap_and_postalias(pair):
    for directory in (pair.here, pair.there):
        (directory / "tab").write_bytes(TABLE)
        (directory / "al").write_bytes(ALIASES)
        (directory / "re").write_text("/^Subject: (.*)/ REJECT $1\n/^body/ BODY\n")
    compare(
        pair,
        [
            "postmap lmdb:tab", "postmap -q a lmdb:tab", "postmap -q A lmdb:tab", "postmap -q foo@example.org lmdb:tab", "postmap -q none lmdb:tab",
            "postmap -s lmdb:tab", ("postmap -q - lmdb:tab", b"a\nnone\nb\nFOO@example.org\n"), ("postmap -q - lmdb:tab", b"none\n"),
            "postmap -w lmdb:tab", "postmap -r lmdb:tab", "postmap -q a lmdb:tab", "postmap -q a nosuch:tab", "postmap -q x static:foo",
            "postmap -q x inline:{x=y}", "postmap -q z inline:{x=y}", "postmap -q z inline:{x=y} static:q", "postmap nosuchfile", "postmap regexp:re",
            "postmap -q a", "postmap -q", "postmap", "postmap -y x", "postmap -q x -d y lmdb:tab", "postmap -s -q x lmdb:tab", "postmap -c /nonexist lmdb:tab",
            "postmap -d a lmdb:tab", "postmap -q a lmdb:tab", "postmap -d a lmdb:tab", ("postmap -d - lmdb:tab", b"k1\nnone\n"), "postmap -s lmdb:tab",
            ("postmap -i lmdb:tab", b"n1 new\nb other\n"), "postmap -s lmdb:tab", ("postmap -ri lmdb:tab", b"n1 newer\nb other\n"), "postmap -s lmdb:tab",
            "postmap -s regexp:re", ("postmap -hq - regexp:re", MESSAGE), ("postmap -bq - regexp:re", MESSAGE), ("postmap -hbq - regexp:re", MESSAGE),
            ("postmap -q - regexp:re", MESSAGE), "postmap -N -n -o -p -u lmdb:tab",
            "postalias -w lmdb:al", "postalias -q root lmdb:al", "postalias -q ABC lmdb:al", "postalias -q no lmdb:al",
            ("postalias -q - lmdb:al", b"root\nnone\nquoted name\n"), "postalias -d root lmdb:al", "postalias -d root lmdb:al", "postalias",
            "postalias nosuch", "postalias lmdb:al",
        ],
    )


# The commands about messages, on an instance of Martlet. The lines are Postfix 3.7's.


@pytest.fixture
def host(story):
    """Four messages that wait for a host that does not answer, and the classic names."""
    host = story.host("sender.test", users=["phil"], main={"transport_maps": "inline:{ .test=smtp:[127.0.0.1]:1 }"}).start()
    host.names = classic_names(host.base / "bin")
    for number in range(1, 5):
        text = f"Subject: m{number}\nTo: x@far.test\n\nbody {number}\n..dot\n".encode()
        host.sendmail("-f", "phil@sender.test", "-i", f"x{number}@far.test", "y@other.test", stdin=text)
    wait_until(lambda: len(host.queue_files()["deferred"]) == 4, "all are deferred", context=host.explain)
    host.ids = host.queue_files()["deferred"]
    return host


def call(host, *words, stdin=b"", user=None):
    environment = {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(host.config)}
    result = subprocess.run([str(host.names / words[0]), *map(str, words[1:])], input=stdin, capture_output=True, env=environment, timeout=60, user=user)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def test_postsuper_while_the_system_runs(host):
    a, b, c, d = host.ids
    assert call(host, "postsuper", "-h", a) == (0, "", f"postsuper: {a}: placed on hold\npostsuper: Placed on hold: 1 message\n")
    assert host.queue_files()["hold"] == [a]
    assert call(host, "postsuper", "-h", a) == (0, "", "postsuper: Placed on hold: 0 messages\n")
    assert call(host, "postsuper", "-H", a) == (0, "", f"postsuper: {a}: released from hold\npostsuper: Released from hold: 1 message\n")
    assert call(host, "postsuper", "-H", a) == (0, "", "postsuper: Released from hold: 0 messages\n")
    assert call(host, "postsuper", "-r", b) == (0, "", f"postsuper: {b}: requeued\npostsuper: Requeued: 1 message\n")
    wait_until(lambda: len(host.queue_files()["deferred"]) == 4 and "*" not in host.mailq(), "all wait", context=host.explain)
    assert call(host, "postsuper", "-h", "ALL", "hold") == (0, "", "postsuper: Placed on hold: 0 messages\n")
    assert call(host, "postsuper", "-h", "ALL", "deferred") == (0, "", "postsuper: Placed on hold: 4 messages\n")
    assert call(host, "postsuper", "-H", "ALL") == (0, "", "postsuper: Released from hold: 4 messages\n")
    wait_until(lambda: len(host.queue_files()["deferred"]) == 4 and "*" not in host.mailq(), "all wait", context=host.explain)
    assert call(host, "postsuper", "-d", "-", stdin=f"{c}\nNOSUCH\n".encode()) == (0, "", f"postsuper: {c}: removed\npostsuper: Deleted: 1 message\n")
    assert call(host, "postsuper", "-d", "bad/id") == (0, "", "postsuper: warning: invalid mail queue id: bad/id\npostsuper: Deleted: 0 messages\n")
    assert call(host, "postsuper", "-d", d, "-h", d)[2].splitlines()[-1] == "postsuper: Placed on hold: 0 messages"
    assert call(host, "postsuper", "-d", "ALL", "nosuch") == (1, "", "postsuper: fatal: invalid directory name: nosuch\n")
    assert call(host, "postsuper", "-d")[0] == 1
    assert call(host, "postsuper") == (0, "", "")
    assert call(host, "postsuper", "-d", "ALL") == (0, "", "postsuper: Deleted: 2 messages\n")
    assert host.mailq() == "Mail queue is empty\n"


def test_postsuper_while_the_system_is_stopped(host):
    a, b, c, d = host.ids
    host.stop()
    assert call(host, "postsuper", "-h", a, "-d", b)[2].splitlines() == [
        f"postsuper: {b}: removed", "postsuper: Deleted: 1 message", f"postsuper: {a}: placed on hold", "postsuper: Placed on hold: 1 message",
    ]
    assert host.queue_files()["hold"] == [a] and host.queue_files()["deferred"] == [c, d]
    assert not (host.queue / "defer" / b).exists()
    assert call(host, "postsuper", "-H", "ALL", "-r", c)[2].splitlines()[-1] == "postsuper: Released from hold: 1 message"
    (host.queue / "incoming" / "4jYJQl1CXpz2rl").write_bytes(b"torn")
    status, _, said = call(host, "postsuper", "-s")
    assert status == 0 and "incoming/4jYJQl1CXpz2rl" in said
    assert not (host.queue / "incoming" / "4jYJQl1CXpz2rl").exists()
    assert call(host, "postsuper", "-d", "ALL", "deferred")[2] == "postsuper: Deleted: 3 messages\n"
    host.sendmail("phil", stdin=b"Subject: never taken\n\nx\n")
    # Postfix lists it too.
    entry = json.loads(subprocess.run([str(BIN / "postqueue"), "-c", str(host.config), "-j"], capture_output=True, timeout=30).stdout)
    assert entry["queue_name"] == "maildrop" and entry["recipients"] == [{"address": "phil"}], entry
    assert call(host, "postsuper", "-h", "ALL")[2] == "postsuper: Placed on hold: 0 messages\n"
    assert call(host, "postsuper", "-d", "ALL")[2] == "postsuper: Deleted: 1 message\n"
    host.start()
    assert host.mailq() == "Mail queue is empty\n"


def test_postsuper_is_for_the_superuser(host):
    if not peers.available():
        pytest.skip("another user needs root")
    assert call(host, "postsuper", "-d", "ALL", user="nobody") == (1, "", "postsuper: fatal: use of this command is reserved for the superuser\n")
    assert len(host.queue_files()["deferred"]) == 4


def test_postcat(host):
    queue_id = host.ids[0]
    status, out, said = call(host, "postcat", "-q", queue_id)
    assert (status, said) == (0, "")
    number = re.search(r"Subject: m(\d)", out)[1]
    assert out.splitlines()[0] == f"*** ENVELOPE RECORDS deferred/{queue_id} ***"
    assert re.search(r"^message_size: +(\d+) +\d+ +2 +0 +\1 +0$", out, re.M), out
    assert re.search(r"^message_arrival_time: \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$", out, re.M), out
    for line in ("named_attribute: rewrite_context=local", "sender: phil@sender.test", f"recipient: x{number}@far.test", "recipient: y@other.test", "..dot"):
        assert line in out.splitlines(), (line, out)
    assert out.splitlines()[-2:] == [f"*** HEADER EXTRACTED deferred/{queue_id} ***", f"*** MESSAGE FILE END deferred/{queue_id} ***"]
    assert "\r" not in out
    header, body = call(host, "postcat", "-qh", queue_id)[1], call(host, "postcat", "-qb", queue_id)[1]
    assert body == f"\nbody {number}\n..dot\n" and header.startswith("Received: by mail.sender.test") and "***" not in header
    assert call(host, "postcat", "-qbh", queue_id)[1] == header + body
    assert call(host, "postcat", "-q", queue_id)[1] == call(host, "postcat", "-qehb", queue_id)[1]
    assert "***" in call(host, "postcat", "-qe", queue_id)[1] and "body" not in call(host, "postcat", "-qe", queue_id)[1]
    path = host.queue / "deferred" / queue_id
    assert call(host, "postcat", path)[1].splitlines()[0] == f"*** ENVELOPE RECORDS {path} ***"
    assert call(host, "postcat", "-q", "NOSUCH") == (1, "", "postcat: fatal: open queue file NOSUCH: No such file or directory\n")
    assert call(host, "postcat", "/nosuch") == (1, "", "postcat: fatal: open /nosuch: No such file or directory\n")


def test_postcat_shows_local_submissions(host):
    host.stop()
    host.sendmail("-f", "phil@sender.test", "anna@far.test", stdin=b"Subject: later\n\nx\n")
    name = host.queue_files()["maildrop"][0]
    out = call(host, "postcat", "-q", name)[1].splitlines()
    assert out[0] == f"*** ENVELOPE RECORDS maildrop/{name} ***" and "recipient: anna@far.test" in out and "Subject: later" in out
    host.start()


def test_qshape(host):
    heads = "                                         T  5 10 20 40 80 160 320 640 1280 1280+\n"

    def row(name, count):
        return f"{name:>39}{count:3}{count:3}  0  0  0  0   0   0   0    0     0\n"

    shown = heads + row("TOTAL", 8) + row("far.test", 4) + row("other.test", 4)
    assert call(host, "qshape", "deferred") == (0, shown, "")
    assert call(host, "qshape", "-s", "deferred") == (0, heads + row("TOTAL", 4) + row("sender.test", 4), "")
    assert call(host, "qshape", host.queue / "deferred") == (0, shown, "")
    assert call(host, "qshape") == (0, heads + row("TOTAL", 0), "")
    assert call(host, "qshape", "incoming", "active", "deferred", "hold") == (0, shown, "")
    assert call(host, "qshape", "nosuch")[1] == heads + row("TOTAL", 0)
    assert call(host, "qshape", "-x")[0] == 255
    host.stop()
    assert call(host, "qshape", "deferred", "active") == (0, shown, "")


def test_postfix(host):
    assert call(host, "postfix", "status") == (0, "", "")
    status, _, said = call(host, "postfix", "start")
    assert status == 1 and "already running" in said
    assert call(host, "postfix", "check") == (0, "", call(host, "postfix", "check")[2])
    assert call(host, "postfix", "reload")[0] == 0
    assert call(host, "postfix", "flush") == (0, "", "")
    assert call(host, "postfix", "upgrade-configuration") == (0, "", "")
    for words in (["nosuch"], [], ["set-permissions"], ["status", "x"], ["-z", "status"]):
        assert call(host, "postfix", *words)[0] == 1, words
    assert call(host, "postfix", "stop")[0] == 0
    assert call(host, "postfix", "status")[0] == 1
    assert call(host, "postfix", "stop")[0] == 1
    assert call(host, "postfix", "reload")[0] == 1
    assert call(host, "postfix", "flush")[0] == 69
    assert call(host, "postfix", "start")[0] == 0
    assert call(host, "postfix", "-c", host.config, "status")[0] == 0
    assert call(host, "postfix", "stop")[0] == 0
    with open(host.config / "main.cf", "a") as main:
        main.write("message_size_limit = abc\n")
    for verb in ("check", "start", "reload"):
        status, _, said = call(host, "postfix", verb)
        assert status == 1 and "message_size_limit" in said, (verb, said)


def test_postconf_mends_a_broken_file(host):
    with open(host.config / "main.cf", "a") as main:
        main.write("message_size_limit = abc\n")
    assert call(host, "postconf", "-h", "message_size_limit") == (0, "abc\n", "")
    assert call(host, "postconf", "-e", "message_size_limit=x")[2].startswith("postconf: warning: ")
    assert call(host, "postconf", "-e", "message_size_limit=5000") == (0, "", "")
    assert call(host, "postconf", "-x", "message_size_limit") == (0, "message_size_limit = 5000\n", "")


def test_the_version(host):
    status, out, _ = call(host, "postconf", "-dh", "mail_version")
    assert status == 0 and host.martlet("--version", check=0).stdout.decode() == f"Martlet {out}"
