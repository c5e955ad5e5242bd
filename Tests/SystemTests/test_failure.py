"""What fails from inside: disks, files, tables, programs. Nothing acknowledged is ever missing, and what is unforeseen defers.

The seed of random moments is printed; MARTLET_TEST_SEED repeats a run.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from dialogue import Dialogue
from harness import BIN, PATIENCE, free_port, wait_until

HEADER = "From: Phil <phil@sender.test>\r\nTo: anna@sender.test\r\nSubject: {}\r\n\r\n"


def only(items):
    assert len(items) == 1, items
    return items[0]


# Disks


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a file system: needs root")
def test_a_full_disk_is_told_as_such_and_accepts_nothing_by_half(story):
    # Without a size limit MAIL is accepted as long as there is any room (test_receiving has the other case).
    host = story.host("sender.test", users=["anna"], main={"message_size_limit": "0"})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", host.queue], check=True)
    try:
        host.start()
        filler = host.queue / "filler"
        with Dialogue(host.port) as c:
            c.ehlo()
            assert c.transaction("anna@sender.test", HEADER.format("first") + "x\r\n.\r\n")[0] == 250
        host.wait_for_mail("anna")
        host.wait_until_empty()
        descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="No space"):
            while True:
                os.write(descriptor, b"\0" * 4096)
        with Dialogue(host.port) as c:
            c.ehlo()
            # What is known of the room is up to a second old.
            wait_until(lambda: c.ask("MAIL FROM:<phil@sender.test>") == (452, "4.3.1 Insufficient system storage") or c.ask("RSET")[0] != 250, "MAIL is refused", context=host.explain)
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - 8192)
        os.close(descriptor)
        with Dialogue(host.port) as c:
            c.ehlo()
            wait_until(lambda: c.ask("MAIL FROM:<phil@sender.test>")[0] == 250, "there is some room", context=host.explain)
            c.expect("RSET", 250)
            for _ in range(2):
                code, text = c.transaction("anna@sender.test", HEADER.format("full") + "x\r\n" * 5000 + ".\r\n")
                assert code == 452 and text.startswith("4.3.1 "), (code, text)
        result = host.sendmail("-f", "phil@sender.test", "anna", stdin=b"Subject: full\n\n" + b"x\n" * 100_000, check=75)
        assert result.stderr
        assert not any(host.queue_files().values()), host.queue_files()
        filler.unlink()
        with Dialogue(host.port) as c:
            c.ehlo()
            assert c.transaction("anna@sender.test", HEADER.format("second") + "x\r\n.\r\n")[0] == 250
        host.sendmail("-f", "phil@sender.test", "anna", stdin=b"Subject: third\n\nx\n")
        host.wait_for_mail("anna", 3)
        host.wait_until_empty()
        assert sorted(m["Subject"] for m in host.messages("anna")) == ["first", "second", "third"]
        host.stop()
    finally:
        if host.process and host.process.poll() is None:
            host.stop()
        subprocess.run(["umount", "-l", host.queue], check=True)


# Configuration


def master(host):
    return subprocess.run([str(BIN / "master"), "-c", str(host.config)], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)


def refusals(host):
    """What `master` and `martlet check` say about a bad configuration; nothing may be started."""
    started = master(host)
    checked = host.martlet("check")
    for result in (started, checked):
        assert result.returncode == 78, (result.returncode, result.stdout, result.stderr)
    with pytest.raises(OSError):
        Dialogue(host.port)
    assert "daemon started" not in host.log()
    return started.stderr.decode() + started.stdout.decode() + host.log(), checked.stderr.decode()


def test_a_missing_main_cf_starts_nothing(story):
    host = story.host("sender.test")
    (host.config / "main.cf").unlink()
    for said in refusals(host):
        assert f"{host.config}/main.cf" in said, said


def test_a_missing_master_cf_starts_nothing(story):
    host = story.host("sender.test")
    (host.config / "master.cf").unlink()
    for said in refusals(host):
        assert f"{host.config}/master.cf" in said, said


def test_every_error_of_main_cf_is_listed_with_its_line(story):
    host = story.host("sender.test")
    lines = len((host.config / "main.cf").read_text().splitlines())
    with open(host.config / "main.cf", "a") as f:
        f.write("message_size_limit = many\n")
        f.write("maximal_queue_lifetime = 5 lightyears\n")
        f.write("this is no assignment\n")
        f.write("smtpd_tls_security_level = sometimes\n")
    for said in refusals(host):
        for number in (1, 2, 3, 4):
            assert re.search(rf"main\.cf:{lines + number}: ", said), (number, said)
        assert "message_size_limit" in said and "maximal_queue_lifetime" in said


def test_every_error_of_master_cf_is_listed_with_its_line(story):
    host = story.host("sender.test")
    lines = len((host.config / "master.cf").read_text().splitlines())
    with open(host.config / "master.cf", "a") as f:
        f.write("short unix n\n")
        f.write("odd carrier n n n - 0 smtp\n")
        f.write("maybe unix perhaps n n - 0 smtp\n")
        f.write("many unix n n n - lots smtp\n")
    for said in refusals(host):
        for number in (1, 2, 3, 4):
            assert re.search(rf"master\.cf:{lines + number}: ", said), (number, said)


def test_unknown_parameters_are_reported_with_the_nearest_name(story):
    host = story.host("sender.test", main={"mesage_size_limit": "100"})
    said = host.martlet("check", check=0).stderr.decode()
    assert re.search(r"main\.cf:\d+: .*mesage_size_limit.*message_size_limit", said), said


def size_offered(host):
    with Dialogue(host.port) as c:
        return c.ehlo()["SIZE"]


def test_a_reload_with_a_bad_file_keeps_the_old_configuration_also_for_programs_started_later(story):
    host = story.host("sender.test", users=["anna"])
    host.set(myorigin=f"{host.config}/mailname", service_throttle_time="1s")
    (host.config / "mailname").write_text("sender.test\n")
    host.start()
    path, good = host.config / "main.cf", (host.config / "main.cf").read_text()
    lines = len(good.splitlines())
    # Before a reload a changed file changes nothing, whoever is started meanwhile.
    path.write_text(good + "message_size_limit = 77777\n")
    assert size_offered(host) == ["10240000"]
    path.write_text(good + "message_size_limit = many\nmax_idle = never\nno assignment\n")
    refused = host.martlet("reload")
    assert refused.returncode == 78
    for number in (1, 2, 3):
        assert f"main.cf:{lines + number}: ".encode() in refused.stderr
    # Somebody signals master without asking for a check.
    host.process.send_signal(signal.SIGHUP)
    for number in (1, 2, 3):
        host.wait_for_log(rf"master\[\d+\]: error: {path}:{lines + number}: ")
    host.wait_for_log(r"master\[\d+\]: error: reload: the old configuration stays in use")
    status = host.martlet("status", check=0).stdout.decode()
    assert "the last reload was refused" in status and f"main.cf:{lines + 1}: message_size_limit" in status, status
    assert len(json.loads(host.martlet("status", "--json", check=0).stdout)["refused"]) == 3
    # Every program anew, with the bad file there: not even the file that myorigin names is needed.
    (host.config / "mailname").unlink()
    for number in range(2):
        for pid in host.children():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not host.children("smtpd"), "they are gone", context=host.explain)
        assert size_offered(host) == ["10240000"]
        with Dialogue(host.port) as c:
            c.ehlo()
            assert c.transaction("anna@sender.test", HEADER.format(f"old {number}") + "x\r\n.\r\n")[0] == 250
        host.wait_for_mail("anna", number + 1)
    assert "exit status 78" not in host.log(), host.explain()
    # An option in master.cf is checked too, before a program is started with it.
    master_file = host.config / "master.cf"
    services = master_file.read_text()
    path.write_text(good.replace(f"{host.config}/mailname", "sender.test"))
    master_file.write_text(services + "extra unix n n n - 0 smtp -o max_idle=never\n")
    assert host.martlet("reload").returncode == 78
    host.process.send_signal(signal.SIGHUP)
    host.wait_for_log(r"master\.cf:\d+: the service extra: -o max_idle: ")
    # Mended.
    master_file.write_text(services)
    path.write_text(good.replace(f"{host.config}/mailname", "sender.test") + "message_size_limit = 54321\n")
    assert b"the new configuration is in use" in host.martlet("reload", check=0).stderr
    wait_until(lambda: size_offered(host) == ["54321"], "the new configuration is in use", context=host.explain)
    assert "refused" not in host.martlet("status", check=0).stdout.decode()


def test_a_reload_that_only_the_running_system_can_refuse_is_told_by_its_status(story):
    host = story.host("sender.test", users=["anna"]).start()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with open(host.config / "master.cf", "a") as f:
            f.write(f"127.0.0.1:{taken.getsockname()[1]} inet n n n - - smtpd\n")
        refused = host.martlet("reload")
        assert refused.returncode == 78 and b"old configuration stays in use" in refused.stderr, refused
    host.martlet("reload", check=0)


def test_a_missing_table_is_a_warning_at_check_start_and_reload_and_defers_mail(story):
    table = story.base / "aliases-not-there"
    host = story.host("sender.test", users=["anna"], main={"virtual_alias_maps": f"texthash:{table}", "data_directory": story.base})
    what = rf"warning: {host.config}/main\.cf:\d+: virtual_alias_maps: table texthash:{table}: .*No such file.*: without it mail is deferred"
    assert re.search(what, host.martlet("check", check=0).stderr.decode())
    started = host.martlet("start", check=0)
    try:
        assert re.search(what, started.stderr.decode()), started

        def rcpt():
            with Dialogue(host.port) as c:
                c.ehlo()
                c.ask("MAIL FROM:<phil@sender.test>")
                return c.ask("RCPT TO:<anna@sender.test>")

        assert rcpt()[0] == 451
        reloaded = host.martlet("reload", check=0).stderr.decode()
        assert re.search(what, reloaded) and "the new configuration is in use" in reloaded, reloaded
        assert rcpt() == (451, "4.3.0 <anna@sender.test>: Temporary lookup failure")
        assert re.search(rf"cleanup\[\d+\]: warning: table texthash:{table}: ", host.log()), host.explain()
        table.write_text("")
        assert rcpt()[0] == 250
        # An error within a table is one of the configuration all the same.
        table.write_text("key without a value\nkey\n")
        assert [host.martlet(verb).returncode for verb in ("check", "reload")] == [78, 78]
    finally:
        host.martlet("stop")


def test_a_service_removed_by_a_reload_gives_up_its_port(story):
    host = story.host("sender.test", users=["anna"])
    extra = free_port()
    host.master_extra = f"127.0.0.1:{extra} inet n n n - - smtpd\n"
    host.write_configuration()
    host.start()
    host.wait_for_log("daemon started")
    with Dialogue(extra) as c:
        c.ehlo()
        host.master_extra = ""
        host.write_configuration()
        host.martlet("reload", check=0)

        def is_refused():
            try:
                socket.create_connection(("127.0.0.1", extra), 1).close()
                return False
            except ConnectionRefusedError:
                return True

        wait_until(is_refused, "the port is closed", context=host.explain)
        # The session that had begun goes on.
        assert c.transaction("anna@sender.test", HEADER.format("old port") + "x\r\n.\r\n")[0] == 250
    only(host.wait_for_mail("anna"))


# Tables


def test_a_table_of_recipients_that_cannot_be_opened_defers_at_rcpt(story):
    host = story.host("sender.test", users=["anna"])
    host.set(local_recipient_maps=f"texthash:{host.config}/missing")
    host.start()
    with Dialogue(host.port) as c:
        c.ehlo()
        c.expect("MAIL FROM:<phil@sender.test>", 250)
        for user in ("anna", "nobody"):
            code, text = c.ask(f"RCPT TO:<{user}@sender.test>")
            assert code == 451 and text.startswith("4.3.0 "), (code, text)
    host.wait_for_log(r"warning: .*missing")


@pytest.mark.parametrize("parameter", ["transport_maps", "virtual_alias_maps", "alias_maps"])
def test_a_table_that_cannot_be_opened_defers_mail_and_never_rejects_it(story, parameter):
    host = story.host("sender.test", users=["anna"], main={"minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "queue_run_delay": "1s", "local_recipient_maps": ""})
    broken = {parameter: f"texthash:{host.config}/missing"}
    good = host.settings.get(parameter, "")
    host.set(**broken)
    host.start()
    with Dialogue(host.port) as c:
        c.ehlo()
        code, _ = c.ask("MAIL FROM:<phil@sender.test>")
        assert code == 250
        code, text = c.ask("RCPT TO:<anna@sender.test>")
        assert code in (250, 451), (code, text)
        if code == 250:
            c.expect("DATA", 354)
            c.send(HEADER.format("waits") + "x\r\n.\r\n")
            code, text = c.reply()
            assert code in (250, 451), (code, text)
            if code == 250:
                host.wait_for_log(r"status=deferred")
    assert "status=bounced" not in host.log()
    host.sendmail("-f", "phil@sender.test", "anna", stdin=b"Subject: waits\n\nx\n")
    host.set(**{parameter: good})
    host.martlet("reload", check=0)
    host.wait_for_mail("anna", patience=40)
    assert "status=bounced" not in host.log(), host.explain()


# Programs


def seed():
    value = int(os.environ.get("MARTLET_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"MARTLET_TEST_SEED={value}")
    return value


class Stream:
    """Sends numbered messages until every one of them is acknowledged or refused for good."""

    def __init__(self, host, recipient, count, workers=4, pause=0.0):
        self.host, self.recipient, self.pause = host, recipient, pause
        self.acknowledged = set()
        self.permanent = []
        self.temporary = 0
        self.is_given_up = False
        self.left = list(range(count))
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            return self.left.pop() if self.left and not self.is_given_up else None

    def work(self):
        while (number := self.take()) is not None:
            try:
                with smtplib.SMTP("127.0.0.1", self.host.port, timeout=20) as client:
                    client.sendmail("phil@sender.test", [self.recipient], HEADER.format(f"number {number}") + "x\r\n")
                self.acknowledged.add(number)
            except (smtplib.SMTPException, OSError, EOFError) as error:
                codes = [code for code, _ in error.recipients.values()] if isinstance(error, smtplib.SMTPRecipientsRefused) else [getattr(error, "smtp_code", 0)]
                if isinstance(error, smtplib.SMTPServerDisconnected) or not any(500 <= (code or 0) < 600 for code in codes):
                    self.temporary += 1
                    with self.lock:
                        self.left.insert(0, number)
                    time.sleep(0.05)
                else:
                    self.permanent.append((number, error))
            if self.pause:
                time.sleep(self.pause)

    def is_done(self):
        return not any(t.is_alive() for t in self.threads)


def numbers(host, user):
    found = []
    for folder in ("new", "cur"):
        for path in (host.mail / user / folder).glob("*"):
            match = re.search(rb"^Subject: number (\d+)$", path.read_bytes(), re.MULTILINE)
            found.append(int(match.group(1)))
    return found


QUICK = {"minimal_backoff_time": "1s", "maximal_backoff_time": "1s", "queue_run_delay": "1s", "smtpd_client_connection_count_limit": "0", "delay_warning_time": "0", "service_throttle_time": "1s", "transport_retry_time": "1s"}


@pytest.mark.parametrize("victims", [["cleanup"], ["qmgr"], ["smtpd"], ["smtp"], ["local"], ["bounce", "pickup", "resolver", "cleanup", "qmgr", "smtp", "local"]], ids=lambda v: v[0] if len(v) == 1 else "all")
def test_programs_killed_at_random_moments_lose_nothing(story, victims):
    dice = random.Random(seed())
    sender = story.host("sender.test", users=["phil", "anna"], main=QUICK)
    receiver = story.host("receiver.test", users=["matt"], main=QUICK)
    story.connect(sender, receiver)
    sender.start()
    receiver.start()
    relayed = "local" not in victims or len(victims) > 1
    user = "matt@receiver.test" if relayed else "anna@sender.test"
    stream = Stream(sender, user, 200, pause=0.01)
    kills = 0
    deadline = time.monotonic() + PATIENCE * 2
    while not stream.is_done() and time.monotonic() < deadline:
        time.sleep(dice.uniform(0.02, 0.4))
        for pid in sender.children(dice.choice(victims)):
            if kills < 12:
                # It may have ended by itself since it was looked up.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
    assert stream.is_done(), sender.explain()
    assert not stream.permanent, stream.permanent
    assert len(stream.acknowledged) == 200
    assert kills > 0 or victims == ["local"]
    target, mailbox = (receiver, "matt") if relayed else (sender, "anna")
    wait_until(lambda: set(numbers(target, mailbox)) >= stream.acknowledged, "every acknowledged message is delivered", 60, lambda: f"missing: {sorted(stream.acknowledged - set(numbers(target, mailbox)))}\n{sender.explain()}")
    sender.wait_until_empty(60)
    receiver.wait_until_empty(60)
    assert "status=bounced" not in sender.log(), sender.explain()
    print(f"{kills} kills, {stream.temporary} temporary refusals, {len(numbers(target, mailbox))} deliveries of 200")


def test_silent_clients_on_the_sockets_of_programs_hold_nobody_up(alone):
    """Each of them may be silent for a second; together they would hold up a program that waits for them for a minute and more."""
    silent = []
    for name in ("public/cleanup", "public/qmgr", "private/bounce", "public/pickup"):
        for _ in range(80):
            s = socket.socket(socket.AF_UNIX)
            # The port may be open a moment before these are.
            wait_until(lambda: s.connect_ex(str(alone.queue / name)) == 0, f"{name} takes connections", context=alone.explain)
            silent.append(s)
    with smtplib.SMTP("127.0.0.1", alone.port, timeout=PATIENCE) as client:
        client.sendmail("phil@sender.test", ["anna@sender.test", "postmaster@sender.test"], HEADER.format("speaks") + "x\r\n")
    alone.sendmail("-f", "phil@sender.test", "no-such-user", stdin=b"Subject: bounces\n\nx\n")
    only(alone.wait_for_mail("anna", patience=20))
    only(alone.wait_for_mail("phil", patience=20))
    for s in silent:
        s.settimeout(PATIENCE)
        assert s.recv(1) == b"", "the silent are sent away"
        s.close()


def test_reload_under_load_refuses_nobody_and_lets_sessions_finish(story):
    host = story.host("sender.test", users=["anna"], main=QUICK).start()
    with Dialogue(host.port) as patient:
        patient.ehlo()
        patient.expect("MAIL FROM:<phil@sender.test>", 250)
        stream = Stream(host, "anna@sender.test", 150, pause=0.01)
        for _ in range(4):
            time.sleep(0.2)
            host.process.send_signal(signal.SIGHUP)
        wait_until(stream.is_done, "all are sent", 60, host.explain)
        assert not stream.permanent, stream.permanent
        assert stream.temporary == 0, (stream.temporary, host.explain())
        # The session that began before the first reload goes on.
        patient.expect("RCPT TO:<anna@sender.test>", 250)
        patient.expect("DATA", 354)
        patient.send(HEADER.format("number 1000") + "x\r\n.\r\n")
        assert patient.reply()[0] == 250
        patient.expect("QUIT", 221)
    wait_until(lambda: set(numbers(host, "anna")) >= stream.acknowledged | {1000}, "all are delivered", 60, host.explain)
    host.wait_until_empty(60)
    assert sorted(numbers(host, "anna")) == sorted(stream.acknowledged | {1000}), "each once"


def test_stop_is_bounded_and_leaves_no_process(story):
    host = story.host("sender.test", users=["anna"], main=QUICK).start()
    idle = [Dialogue(host.port) for _ in range(5)]
    stream = Stream(host, "anna@sender.test", 50)
    wait_until(lambda: len(stream.acknowledged) > 5, "some are sent", context=host.explain)
    children = host.children()
    assert children
    started = time.monotonic()
    host.stop(patience=15)
    assert time.monotonic() - started < 15
    stream.is_given_up = True
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), "its programs are gone", 10)
    wait_until(stream.is_done, "clients notice", 60, host.explain)
    for c in idle:
        c.close()
    # What was acknowledged is still there, and goes on.
    host.start()
    wait_until(lambda: set(numbers(host, "anna")) >= stream.acknowledged, "all are delivered", 30, host.explain)


def test_a_program_that_cannot_run_is_throttled_and_others_go_on(story):
    broken = story.base / "programs"
    broken.mkdir()
    for name in os.listdir(BIN):
        if os.access(BIN / name, os.X_OK) and (BIN / name).is_file():
            (broken / name).symlink_to(BIN / name)
    (broken / "bounce").unlink()
    shutil.copy("/bin/false", broken / "bounce")
    host = story.host("sender.test", users=["anna"], main={**QUICK, "daemon_directory": broken}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("works") + "x\r\n.\r\n")[0] == 250
    only(host.wait_for_mail("anna"))
    # Something for bounce: it cannot be reported, so it stays.
    host.sendmail("-f", "phil@sender.test", "no-such-user", stdin=b"Subject: unknown\n\nx\n")
    host.wait_for_log(r"master\[\d+\]: warning: .*bounce.*throttling", 1)
    assert any(host.queue_files().values()), "not dropped"


# Logs


def test_logs_of_messages_that_are_gone_go_at_the_next_start_of_bounce(story):
    """As a qmgr that dies between the removal of a message and the forgetting of its logs leaves them."""
    host = story.host("sender.test", users=["anna"], main={"transport_maps": "inline:{ {later.test = retry:4.3.0 not now} }"}).start()
    host.sendmail("-i", "phil@later.test", stdin=b"Subject: waits\n\nx\n")
    waiting = only(wait_until(lambda: os.listdir(host.queue / "deferred"), "it is deferred", context=host.explain))
    assert os.listdir(host.queue / "defer") == [waiting]
    host.stop()
    for directory in ("defer", "trace", "bounce"):
        shutil.copy(host.queue / "defer" / waiting, host.queue / directory / "4jYJLY11QbzBJR")
    host.start()
    host.command("postqueue", "-f", check=0)
    wait_until(lambda: os.listdir(host.queue / "defer") == [waiting] and not os.listdir(host.queue / "trace"), "orphans are gone", context=host.explain)
    assert os.listdir(host.queue / "bounce") == ["4jYJLY11QbzBJR"]
    host.wait_for_log("bounce.*: 1 defer logs of messages that are gone removed")


# Memory


def resident(pid):
    """In MB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


def test_what_a_peak_took_is_given_back(story):
    host = story.host("sender.test", users=["anna"], main={"smtpd_client_connection_count_limit": "0"}).start()
    with Dialogue(host.port) as c:
        c.ehlo()
        assert c.transaction("anna@sender.test", HEADER.format("first") + "x\r\n.\r\n")[0] == 250
    host.wait_for_mail("anna")
    pids = [only(host.children(name)) for name in ("smtpd", "cleanup")]
    before = [resident(pid) for pid in pids]
    # Content of all sizes, of which nobody sees the end.
    clients = [Dialogue(host.port) for _ in range(300)]
    for number, c in enumerate(clients):
        c.ehlo()
        assert c.ask("MAIL FROM:<phil@sender.test>")[0] == 250
        assert c.ask("RCPT TO:<anna@sender.test>")[0] == 250
        assert c.ask("DATA")[0] == 354
        c.send(HEADER.format("never") + (("x" * 76 + "\r\n") * (500 + 10 * number)))
    wait_until(lambda: sum(map(resident, pids)) > sum(before) + 30, "they take memory", context=host.explain)
    for c in clients:
        c.close()
    for pid, mb in zip(pids, before):
        wait_until(lambda: resident(pid) < mb + 10, f"{pid} is as small as before", context=lambda: f"{mb} MB before, {resident(pid)} MB now")
