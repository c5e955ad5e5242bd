"""Privileges as DESIGN.md, sections 1 and 2, and ARCHITECTURE.md, "Privileges", have them: seen from outside, at the running processes of an
installation through which mail goes in and out by SMTP with TLS, by sendmail, and into a mailbox. Needs root."""

import os
import pwd
import re
import smtplib
import socket
import ssl
import stat
import subprocess
import threading
from pathlib import Path

import pytest

import installation
from harness import BIN, PATIENCE, Instance, wait_until
from installation import Installation, Process
from tlsfiles import Certificate

pytestmark = pytest.mark.skipif(not installation.available(), reason="needs root and Debian's accounts")

# ARCHITECTURE.md, "Privileges": chown, dac_override, fowner, kill, setgid, setuid, setpcap, net_bind_service, sys_chroot
CAPABILITIES_OF_MASTER = sum(1 << n for n in (0, 1, 3, 5, 6, 7, 8, 10, 18))
O_PATH, O_ACCMODE, O_APPEND = 0o10000000, 0o3, 0o2000
FILTER = 2


class SlowSink:
    """A mail host that takes one message and does not answer its end until it is told."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.has_message, self.may_go_on = threading.Event(), threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(line):
                stream.write(line + b"\r\n")
                stream.flush()

            say(b"220 slow.test ESMTP")
            for line in stream:
                verb = line[:4].upper()
                if verb == b"DATA":
                    say(b"354 go on")
                    while stream.readline() != b".\r\n":
                        pass
                    self.has_message.set()
                    self.may_go_on.wait(PATIENCE)
                say(b"221 bye" if verb == b"QUIT" else b"250 slow.test")
                if verb == b"QUIT":
                    return


@pytest.fixture
def receiver(story, tmp_path):
    certificate = Certificate(tmp_path / "receiver-tls", "mail.receiver.test")
    return story.host("receiver.test", users=["matt"], main=certificate.smtpd).start()


@pytest.fixture
def installed(story, receiver, tmp_path):
    """sender.test, which sends to receiver.test with TLS; anna has a mailbox here."""
    certificate = Certificate(tmp_path / "sender-tls", "mail.sender.test")
    os.chmod(certificate.key, 0o600)
    host = Installation(
        tmp_path / "sender.test", "mail.sender.test", users=["anna"], dns_port=story.dns.port,
        main={**certificate.smtpd, "smtp_tls_security_level": "encrypt", "smtpd_peername_lookup": "yes"},
        extra_tables={"access": "refused@elsewhere.test REJECT not you\n", "transport": f"receiver.test smtp:receiver.test:{receiver.port}\n"},
    )
    host.set(transport_maps=f"texthash:{host.config}/transport", smtpd_sender_restrictions=f"check_sender_access texthash:{host.config}/access")
    story.instances.append(host)
    return host.start()


def send_tls(host, sender, recipients, subject):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", host.port, timeout=PATIENCE) as client:
        client.starttls(context=context)
        client.sendmail(sender, recipients, f"Subject: {subject}\n\nbody\n")


def use(host, receiver, subject="first"):
    """Mail by each way, so that each program runs and has worked."""
    before = len(receiver.messages("matt")), len(host.messages("anna"))
    send_tls(host, "phil@elsewhere.test", ["matt@receiver.test", "anna@sender.test"], subject)
    host.sendmail("-f", "anna@sender.test", "matt@receiver.test", "nobody-there@receiver.test", stdin=b"Subject: by sendmail\n\nx\n")
    receiver.wait_for_mail("matt", before[0] + 2)
    # The message, and the report on the address that is not there.
    host.wait_for_mail("anna", before[1] + 2)
    host.wait_until_empty()


def processes(host):
    found = {}
    for pid in host.children():
        process = Process(pid)
        found.setdefault(process.name, []).append(process)
    return found


def identity(name):
    user = pwd.getpwnam(name)
    return [user.pw_uid] * 4, [user.pw_gid] * 4


def check_powerless(process, owner):
    uid, gid = identity(owner)
    assert process.ids("Uid") == uid and process.ids("Gid") == gid, process.name
    assert process.groups == [], process.name
    assert {kind: process.capabilities(kind) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == dict.fromkeys(("Inh", "Prm", "Eff", "Bnd", "Amb"), 0), process.name
    assert process.status["NoNewPrivs"] == "1", process.name
    assert not process.is_dumpable, process.name
    assert process.limit("Max core file size") == ["0", "0"], process.name
    assert process.umask == 0o077, process.name


def test_each_process_has_what_it_needs_and_no_more(installed, receiver):
    use(installed, receiver)
    found = processes(installed)
    assert {"smtpd", "smtp", "resolver", "cleanup", "qmgr", "bounce", "local", "pickup"} == set(found), found

    jail = installed.queue / "jail"
    facts = jail.stat()
    assert facts.st_uid == facts.st_gid == 0 and stat.S_IMODE(facts.st_mode) == 0o555 and os.listdir(jail) == []
    for process in found["smtpd"] + found["smtp"] + found["resolver"]:
        check_powerless(process, installation.NETWORK_OWNER)
        assert process.root == str(jail), process.name
        assert int(process.status["Seccomp"]) == FILTER and int(process.status["Seccomp_filters"]) >= 1, process.name
    for process in found["cleanup"] + found["qmgr"] + found["bounce"] + found["pickup"]:
        check_powerless(process, installation.MAIL_OWNER)
        assert process.root == "/", process.name
    master = Process(installed.process.pid)
    for process in [master] + found["local"]:
        assert process.ids("Uid") == [0] * 4 and process.ids("Gid") == [0] * 4, process.name
        assert process.capabilities("Inh") == process.capabilities("Amb") == 0
        available = Process(os.getpid()).capabilities("Bnd")
        for kind in ("Prm", "Eff", "Bnd"):
            assert process.capabilities(kind) == CAPABILITIES_OF_MASTER & available, (process.name, kind)
        # A command of a user's may be set-user-id.
        assert process.status["NoNewPrivs"] == "0", process.name

    # The sockets of our programs are the mail owner's alone.
    for name, mode in (("private", 0o700), ("public", 0o710), ("maildrop", 0o1770), ("incoming", 0o700), ("deferred", 0o700)):
        assert stat.S_IMODE((installed.queue / name).stat().st_mode) == mode, name
    # network_owner owns nothing in the whole installation.
    network = pwd.getpwnam(installation.NETWORK_OWNER)
    owned = [path for path in installed.base.rglob("*") if path.lstat().st_uid == network.pw_uid or path.lstat().st_gid == network.pw_gid]
    assert owned == []


def test_whoever_is_where_smtpd_is_finds_no_file_and_no_socket(installed, receiver):
    """A process of our own with the root directory and the ids of a jailed one: what an intruder has who can do all that smtpd may."""
    installed.send("phil@elsewhere.test", ["anna@sender.test"], "Subject: hello\n\nx\n")
    paths = [installed.queue / place for place in ("private/cleanup", "private/smtp", "public/cleanup", "incoming", "maildrop", "pid/master.pid")]
    paths += [installed.config / "main.cf", "/etc/passwd", "/proc/self/status", "../etc/passwd", "../../etc/passwd"]
    pid = installed.children("smtpd")[0]
    uid, gid = pwd.getpwnam(installation.NETWORK_OWNER)[2:4]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        found = []
        try:
            os.chroot(f"/proc/{pid}/root")
            os.chdir("/")
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            found += os.listdir("/")
            for path in map(str, paths):
                for attempt in (lambda: os.open(path, os.O_RDONLY), lambda: os.stat(path), lambda: socket.socket(socket.AF_UNIX).connect(path)):
                    try:
                        attempt()
                        found.append(path)
                    except (FileNotFoundError, PermissionError):
                        pass
            try:
                os.mkdir("/made")
                found.append("/made")
            except PermissionError:
                pass
        except BaseException as problem:
            found.append(repr(problem))
        os.write(writer, "\n".join(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as result:
        assert result.read() == b""
    os.waitpid(child, 0)


def check_descriptors(host, process, files):
    """Nothing but descriptors without a name, the log (for appending), and files by their attributes only (O_PATH)."""
    queue_files = []
    for number, (target, flags) in sorted(process.descriptors().items()):
        where = f"{process.name} {process.pid}: descriptor {number} is {target}, flags {flags:o}"
        if target == "/dev/null":
            assert number in (0, 1), where
        elif re.match(r"(pipe|socket):\[\d+\]$", target) or target in ("anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]", "anon_inode:[signalfd]"):
            pass
        elif target == str(host.log_path):
            assert flags & O_ACCMODE == os.O_WRONLY and flags & O_APPEND, where
        elif flags & O_PATH:
            assert target in files, where
        elif target.startswith(str(host.queue) + "/"):
            queue_files.append((os.path.relpath(target, host.queue), flags & O_ACCMODE))
        else:
            raise AssertionError(where)
    return queue_files


def test_descriptors_are_of_the_kinds_that_are_expected(installed, receiver):
    use(installed, receiver)
    tables = {str(installed.config / "access")}
    keys = {str(installed.settings[name]) for name in ("smtpd_tls_cert_file", "smtpd_tls_key_file")}
    files = {"smtpd": tables | keys, "smtp": set(), "resolver": {os.path.realpath("/etc/resolv.conf"), os.path.realpath("/etc/hosts")}}
    found = processes(installed)
    for name, allowed in files.items():
        for process in found[name]:
            assert check_descriptors(installed, process, allowed) == [], name
    # The watched ones are there, or the assertions above said nothing.
    assert {t for t, f in found["smtpd"][0].descriptors().values() if f & O_PATH} == tables | keys
    # local and master hold no network socket but master's listeners; all that local has of the queue comes with a request.
    assert not any(str(installed.queue) in target for target, _ in found["local"][0].descriptors().values())
    for name, allowed in (("MAIL_CONFIG", False), ("SWIFT_BACKTRACE", True)):
        assert all((name in process.environment()) == allowed for process in found["smtpd"]), name


def test_smtp_has_a_queue_file_by_descriptor_while_it_delivers_and_only_for_reading(installed, receiver):
    sink = SlowSink()
    (installed.config / "transport").write_text(f"slow.test smtp:[127.0.0.1]:{sink.port}\n")
    installed.set(smtp_tls_security_level="none")
    installed.martlet("reload", check=0)
    installed.send("phil@elsewhere.test", ["x@slow.test"], "Subject: slow\n\nx\n")
    assert sink.has_message.wait(PATIENCE), installed.explain()
    holding = {}
    for process in processes(installed)["smtp"]:
        for path, mode in check_descriptors(installed, process, set()):
            holding[path] = mode
            check_powerless(process, installation.NETWORK_OWNER)
    queue_file = installed.queue_files()["incoming"]
    assert holding == {f"incoming/{queue_file[0]}": os.O_RDONLY}, (holding, queue_file)
    sink.may_go_on.set()
    installed.wait_until_empty()


# An /etc/martlet that only the command sees: elevated programs read no other directory.
AS_USER = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$LAYERS"
mkdir "$LAYERS/upper" "$LAYERS/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$LAYERS/upper,workdir=$LAYERS/work" /etc
mkdir -p /etc/martlet
mount --bind "$CONFIG" /etc/martlet
cd /
exec setpriv --reuid=daemon --regid=daemon --clear-groups env -i PATH=/usr/bin:/bin "$@"
"""


def test_postdrop_and_postqueue_work_for_an_ordinary_user_and_nothing_else_of_the_queue_does(installed, tmp_path):
    (tmp_path / "layers").mkdir()
    configuration = installed.configuration_for_users()

    def as_user(*command, stdin=b""):
        environment = {**os.environ, "LAYERS": str(tmp_path / "layers"), "CONFIG": str(configuration)}
        return subprocess.run(["unshare", "--mount", "sh", "-c", AS_USER, "sh", *map(str, command)], input=stdin, capture_output=True, env=environment, timeout=60)

    sent = as_user(BIN / "sendmail", "anna@sender.test", stdin=b"Subject: from daemon\n\nx\n")
    assert sent.returncode == 0, sent.stderr
    message = installed.wait_for_mail("anna")[0]
    assert message["Subject"] == "from daemon" and message["Return-Path"] == "<daemon@sender.test>", message
    listed = as_user(installed.commands / "postqueue", "-p")
    assert listed.returncode == 0 and listed.stdout.strip() == b"Mail queue is empty", listed
    for path in ("private/bounce", "public/qmgr", "incoming", "maildrop"):
        assert as_user("ls", installed.queue / path).returncode != 0, path


def test_a_table_that_changes_in_the_jail_is_seen_before_the_next_client(installed, receiver):
    use(installed, receiver)

    def refusal(sender):
        with installed.smtp() as client:
            client.ehlo()
            client.mail(sender)
            return client.rcpt("anna@sender.test")

    assert refusal("refused@elsewhere.test")[0] == 554
    assert refusal("welcome@elsewhere.test")[0] == 250
    first = installed.children("smtpd")
    # Somebody is in a session while the table changes, and stays in it: whoever comes then does not wait for that.
    with installed.smtp() as staying:
        staying.ehlo()
        path = installed.config / "access"
        new = path.with_suffix(".new")
        new.write_text("welcome@elsewhere.test REJECT not you either\n")
        os.rename(new, path)
        assert refusal("welcome@elsewhere.test")[0] == 554
        assert refusal("refused@elsewhere.test")[0] == 250
        staying.mail("welcome@elsewhere.test")
        assert staying.rcpt("anna@sender.test")[0] == 250, "an old session goes on with what it began with"
    installed.wait_for_log(f"{path} has changed -- restarting")
    wait_until(lambda: not set(first) & set(installed.children("smtpd")), "the old process ends", context=installed.explain)
    use(installed, receiver, "after")


def test_mail_waits_for_nobody_who_keeps_a_session_over_a_reload(installed):
    sessions = []
    try:
        for _ in range(3):
            session = installed.smtp()
            session.ehlo()
            sessions.append(session)
            installed.martlet("reload", check=0)
        with installed.smtp() as client:
            assert client.ehlo()[0] == 250
        assert all(session.noop()[0] == 250 for session in sessions)
    finally:
        for session in sessions:
            session.close()


def test_cleanup_and_resolver_may_restart_under_jailed_programs(installed, receiver):
    use(installed, receiver)
    smtpd = installed.children("smtpd")
    for program in ("cleanup", "resolver"):
        assert installed.kill_children(program) >= 1
    use(installed, receiver, "again")
    again = set(smtpd) & set(installed.children("smtpd"))
    assert again, "they were not restarted for it"
    # Made under the filter, for the new cleanup: large content does not go through a socket.
    assert any("memfd:window" in Path(f"/proc/{process}/maps").read_text() for process in again)


def test_many_sessions_with_tls_at_a_time_under_the_filter(installed, receiver):
    failures = []

    def work(number):
        try:
            send_tls(installed, "phil@elsewhere.test", ["anna@sender.test", "matt@receiver.test"], f"number {number}")
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [], installed.explain()
    installed.wait_for_mail("anna", 60)
    receiver.wait_for_mail("matt", 60)
    installed.wait_until_empty()
    for word in ("killed by signal", "Fatal error", "Operation not permitted", "works without a filter"):
        assert word not in installed.log(), installed.explain()


def test_a_jail_that_is_not_empty_is_not_entered(tmp_path, story):
    host = Installation(tmp_path / "x", "mail.sender.test", users=["anna"], dns_port=story.dns.port)
    (host.queue / "jail").mkdir()
    (host.queue / "jail" / "etc").mkdir()
    result = subprocess.run([str(BIN / "master"), "-c", str(host.config)], capture_output=True, timeout=60)
    assert result.returncode == 71 and "jail is not empty: there is etc" in result.stderr.decode(), result
    checked = host.martlet("check")
    assert checked.returncode == 78 and "jail_directory" in checked.stderr.decode()


def test_check_says_what_cannot_be_reached_in_an_installation(tmp_path, story):
    host = Installation(tmp_path / "x", "mail.sender.test", users=["anna"], dns_port=story.dns.port, services="x unix - y y - 1 cleanup\n", main={"mailbox_transport": "lmtp:unix:private/dovecot-lmtp"})
    said = host.martlet("check", check=78).stderr.decode()
    assert "the service x: chroot: cleanup works on files by their names; write n" in said
    assert re.search(r"mailbox_transport: irc, as whom smtp and lmtp run, cannot enter private", said)
