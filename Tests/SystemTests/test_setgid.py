"""postdrop and postqueue as set-gid programs, and pickup behind them, as hostile users with shells meet them. Needs root: the users are real."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys

import pytest
from harness import wait_until
from setgid_installation import GROUP, MALLORY, OWNER, PHIL, SetgidInstallation

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for users and set-gid programs"),
    pytest.mark.skipif(not all(map(shutil.which, ("unshare", "nsenter", "setpriv"))), reason="needs util-linux"),
]
MESSAGE = b"Subject: hello\n\nx\n"


@pytest.fixture
def host(tmp_path):
    installation = SetgidInstallation(tmp_path / "host", users=["anna", "phil"], main={"message_size_limit": "200000"})
    try:
        yield installation.start()
    finally:
        installation.stop()


@pytest.fixture
def make(tmp_path):
    made = []

    def start(**options):
        made.append(SetgidInstallation(tmp_path / f"host{len(made)}", users=["anna", "phil"], **options))
        return made[-1].start()

    yield start
    for installation in made:
        installation.stop()


# What ordinary users do


def test_ordinary_users_submit_look_and_ask(host):
    pid = wait_until(lambda: host.children("pickup"), "pickup runs", context=host.explain)[0]
    wait_until(lambda: os.stat(f"/proc/{pid}").st_uid == OWNER, "pickup is the mail owner", context=host.explain)
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    mail = host.wait_for_mail("anna")[0]
    assert f"from userid {PHIL}" in mail["Received"] and mail["From"].addresses[0].addr_spec == "phil@sender.test"
    host.wait_for_log(rf"pickup\[\d+\]: \w+: uid={PHIL} from=<phil>$")
    dialogue = b"EHLO x\r\nMAIL FROM:<phil@sender.test>\r\nRCPT TO:<anna@sender.test>\r\nDATA\r\nSubject: bs\r\n\r\nx\r\n.\r\nQUIT\r\n"
    assert b"250 2.0.0 Ok: queued\r\n" in host.as_user("sendmail", "-bs", stdin=dialogue, check=0).stdout
    assert "bs" in [m["Subject"] for m in host.wait_for_mail("anna", 2)]
    host.as_user("sendmail", "-bv", "anna", "nobody-here", check=0)
    report = host.wait_for_mail("phil")[0].as_string()
    assert "<anna@sender.test>: deliverable" in report and "<nobody-here@sender.test>: undeliverable" in report, report
    host.wait_until_empty()
    assert host.as_user("sendmail", "-bp", check=0).stdout == b"Mail queue is empty\n"
    for arguments in (("-q",), ("-qRsender.test",), ("-bp",)):
        host.as_user("sendmail", *arguments, check=0)
    # Orders are for others: 77.
    for order in ("hold", "release", "requeue", "delete"):
        refused = host.as_user("martlet", "queue", order, "ALL", env={"MAIL_CONFIG": "/etc/martlet"})
        assert refused.returncode == 77 and b"you may not give orders" in refused.stderr, (order, refused)
    # And by themselves they reach nothing.
    for path in ("maildrop", "public/qmgr", "public/cleanup", "incoming", "private"):
        assert host.as_user("/bin/ls", host.queue / path).returncode != 0, path
    (file,) = [host.as_user("/bin/sh", "-c", f"echo x > {host.queue}/maildrop/x")]
    assert file.returncode != 0 and not host.unfinished()


def test_what_a_dialogue_of_sendmail_bs_may_do(host):
    def talk(*lines):
        return host.as_user("sendmail", "-bs", stdin=b"".join(line + b"\r\n" for line in lines), check=0).stdout

    start = [b"EHLO x", b"MAIL FROM:<phil@sender.test>", b"RCPT TO:<anna@sender.test>"]
    # Abandoned, reset, cut off: nothing is left, nothing is sent.
    talk(*start, b"DATA", b"Subject: half")
    talk(*start, b"BDAT 5", b"abcRSET", b"QUIT")
    talk(*start, b"RSET", b"DATA", b"QUIT")
    assert b"552 5.3.4" in talk(*start, b"DATA", b"x" * 150000, b"x" * 150000, b".", b"QUIT")
    assert host.unfinished() == []
    two = talk(*start, b"DATA", b"Subject: one", b".", *start[1:], b"BDAT 14 LAST", b"Subject: two", b"QUIT")
    assert two.count(b"250 2.0.0 Ok: queued") == 2, two
    assert sorted(m["Subject"] for m in host.wait_for_mail("anna", 2)) == ["one", "two"]


# The configuration


def test_a_user_cannot_choose_the_configuration(host):
    secret = host.base / "secret"
    secret.mkdir()
    (secret / "main.cf").write_text(f"queue_directory = {secret}/SECRET WORD\n")
    (secret / "master.cf").write_text("")
    os.chown(secret, 0, GROUP)
    os.chmod(secret, 0o750)
    for program in ("postdrop", "postqueue"):
        arguments = ("-p",) if program == "postqueue" else ()
        for attempt in ((("-c", secret, *arguments), {}), (arguments, {"MAIL_CONFIG": str(secret)}), (("-c", "/etc/martlet/../martlet", *arguments), {})):
            result = host.as_user(program, *attempt[0], env=attempt[1])
            assert result.returncode == 77 and b"unauthorized configuration directory" in result.stderr, result
            assert b"SECRET" not in result.stderr
        # Root may, and so may everybody where the administrator says so.
        result = subprocess.run(host.inside(host.commands / program, "-c", secret, *arguments), input=b"", capture_output=True)
        assert b"unauthorized" not in result.stderr, result
    host.set(alternate_config_directories=f"{host.base}/x, {host.base}/etc")
    result = host.as_user("postqueue", "-c", f"{host.base}/etc/", "-p", check=0)
    assert result.stdout == b"Mail queue is empty\n"


def test_the_environment_of_a_user_is_gone_before_anything_reads_it(host):
    """SWIFT_DEBUG_HELP makes the Swift runtime speak when it reads its variables: it does so for a program without privileges."""
    env = {"SWIFT_DEBUG_HELP": "YES", "LD_DEBUG": "libs", "LD_PRELOAD": "/nonexistent.so", "SWIFT_BACKTRACE": "enable=yes", "TZ": "UTC"}
    plain = host.as_user("/bin/sh", "-c", f"cp {host.commands}/postqueue {host.base}/mail/plain && exec {host.base}/mail/plain -z", env=env)
    assert b"SWIFT_DEBUG" in plain.stderr, plain
    elevated = host.as_user("postqueue", "-z", env=env)
    assert elevated.returncode == 64 and elevated.stderr.startswith(b"postqueue: fatal: "), elevated
    assert host.as_user("postqueue", "-p", env=env, check=0).stderr == b""


# Descriptors, signals, limits


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2), (1, 2)])
def test_closed_descriptors_are_not_taken_by_files(host, closed):
    prelude = "\n".join(f"os.close({n})" for n in closed)
    good, bad = host.submission(), b"this is no submission\n"
    # glibc opens them for a set-id program, so that every use is an error.
    result = host.as_user("postdrop", stdin=bad, prelude=prelude)
    assert result.returncode == (75 if 0 in closed else 65), result
    assert host.unfinished() == []
    result = host.as_user("postdrop", stdin=good, prelude=prelude)
    assert result.returncode == (75 if 0 in closed else 0), result
    if 0 not in closed:
        host.wait_for_mail("anna")
    assert [p for p in host.queue_files()["corrupt"]] == []
    host.as_user("postqueue", "-p", prelude=prelude, check=74 if 1 in closed else 0)
    # Without privileges nobody but sendmail itself does it.
    result = host.as_user("sendmail", "phil", stdin=MESSAGE, prelude=prelude, check=0)
    host.wait_for_mail("phil")


def test_a_caller_that_ignores_or_blocks_signals(host):
    prelude = "signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))"
    host.as_user("sendmail", "anna", stdin=MESSAGE, prelude=prelude, check=0)
    host.wait_for_mail("anna")
    host.as_user("sendmail", "-bp", prelude=prelude, check=0)


def running_postdrop(host, submission, prelude="", **options):
    """postdrop that has read a part and waits for the rest."""
    process = subprocess.Popen(host.user_words("postdrop", prelude=prelude, **options), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(submission[: len(submission) // 2])
    process.stdin.flush()
    wait_until(lambda: any(n.endswith(".tmp") for n in host.unfinished()), "postdrop has begun", context=host.explain)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGXCPU])
def test_a_signal_leaves_nothing(host, number):
    process = running_postdrop(host, host.submission())
    process.send_signal(number)
    assert process.wait(20) == 75
    assert host.unfinished() == []


def test_a_timer_of_the_caller_leaves_nothing(host):
    process = running_postdrop(host, host.submission(), prelude="signal.setitimer(signal.ITIMER_REAL, 2)")
    assert process.wait(20) == 75
    assert host.unfinished() == []


def test_a_running_postdrop_shows_nothing_to_its_user(host):
    prelude = "resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2); [os.dup2(0, n) and os.set_inheritable(n, True) for n in range(50, 60)]"
    process = running_postdrop(host, host.submission(), prelude=prelude, env={"TZ": "UTC"})
    proc = f"/proc/{process.pid}"
    status = dict(line.split(":\t", 1) for line in open(f"{proc}/status").read().splitlines() if ":\t" in line)
    assert status["Uid"].split() == [str(PHIL)] * 4 and status["Gid"].split()[0] == str(PHIL) and status["Gid"].split()[1] == str(GROUP)
    # Not dumpable: its files in /proc are root's, and its user cannot trace it.
    assert os.stat(f"{proc}/fd").st_uid == 0
    assert re.search(r"Max core file size +0 +0", open(f"{proc}/limits").read())
    assert not [n for n in os.listdir(f"{proc}/fd") if int(n) >= 50]
    attach = "import sys; libc = ctypes.CDLL(None, use_errno=True); sys.exit(0 if libc.ptrace(16, int(sys.argv[1]), None, None) == 0 else ctypes.get_errno())"
    traced = subprocess.run(host.inside("setpriv", f"--reuid={PHIL}", f"--regid={PHIL}", "--clear-groups", sys.executable, "-c", f"import ctypes, os\n{attach}", process.pid))
    assert traced.returncode == 1, "EPERM"
    assert host.as_user("/bin/cat", f"{proc}/mem").returncode != 0
    assert host.as_user("/bin/ls", f"{proc}/fd/").returncode != 0
    # Its user may kill it; what is left is no message, and goes in a day.
    host.as_user("/bin/kill", "-9", process.pid, check=0)
    process.wait(20)
    assert [n.endswith(".tmp") for n in host.unfinished()] == [True]
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    assert len(host.wait_for_mail("anna")) == 1


@pytest.mark.parametrize("what", ["RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_AS", "RLIMIT_STACK", "RLIMIT_NPROC", "RLIMIT_CPU", "RLIMIT_DATA"])
def test_limits_of_the_caller_cost_the_caller_only(host, what):
    """Whatever the limit: status 0 is a message, anything else is none, and nothing stays."""
    submission = host.submission(text=b"Subject: limits\n\n" + b"x" * 60 + b"\n" * 20000)
    steps = {"RLIMIT_FSIZE": [0, 1, 100, 10000, 1 << 20], "RLIMIT_NOFILE": range(0, 16), "RLIMIT_NPROC": [0, 1], "RLIMIT_CPU": [1]}
    sizes = steps.get(what, [1 << n for n in range(12, 32, 2)])
    taken = 0
    for size in sizes:
        prelude = f"resource.setrlimit(resource.{what}, ({size}, {size}))"
        for program, arguments, stdin in (("postdrop", (), submission), ("postqueue", ("-p",), b"")):
            try:
                result = host.as_user(program, *arguments, stdin=stdin, prelude=prelude)
            except BrokenPipeError:
                continue
            if program == "postdrop":
                taken += result.returncode == 0
                left = [n for n in host.unfinished() if n.endswith(".tmp")]
                # Only a program that the kernel killed in the middle may leave something.
                assert not left or result.returncode < 0 or result.returncode > 128, (size, result, left)
                for name in left:
                    os.unlink(host.queue / "maildrop" / name)
    host.wait_until_empty()
    assert len(host.wait_for_mail("anna", taken) if taken else host.messages("anna")) == taken
    assert host.queue_files()["corrupt"] == []


def stop_pickup(host):
    """What is submitted from here on stays in maildrop."""
    host.as_user("sendmail", "phil", stdin=MESSAGE, check=0)
    host.wait_for_mail("phil")
    wait_until(lambda: not host.unfinished(), "pickup has nothing to do", context=host.explain)
    assert host.kill_children("pickup", signal.SIGSTOP) == 1


def test_the_umask_and_the_owner_of_a_submission(host):
    stop_pickup(host)
    for mask in (0, 0o777):
        host.as_user("sendmail", "anna", stdin=MESSAGE, prelude=f"os.umask({mask})", check=0)
    facts = [(host.queue / "maildrop" / n).stat() for n in host.unfinished()]
    assert {(f.st_uid, f.st_mode & 0o7777) for f in facts} == {(PHIL, 0o644)} and len(facts) == 2
    host.kill_children("pickup", signal.SIGCONT)
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    host.wait_for_mail("anna", 3)


def test_endless_and_stalled_input_hold_up_nobody(host):
    process = running_postdrop(host, host.submission())
    endless = host.as_user("/bin/sh", "-c", f"(printf 'Subject: x\\n\\n'; yes) | {host.commands}/sendmail anna; exit $?")
    assert endless.returncode == 69 and b"too big" in endless.stderr, endless
    # The same against postdrop itself, which cannot trust sendmail to have counted.
    big = host.submission(text=b"x" * 70000)
    record = big[big.index(b"C") :]
    flood = host.as_user("postdrop", stdin=big[: big.index(b"C")] + record[: 5 + 65536] * 1000)
    assert flood.returncode != 0 and len(host.unfinished()) == 1
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0, user=MALLORY)
    host.wait_for_mail("anna")
    process.kill()
    process.wait()


# maildrop as a subverted postdrop could fill it: what has the group may do this


HOSTILE = {
    "fifo": "mkfifo {m}/{id}",
    "symlink": "ln -s /etc/shadow {m}/{id}",
    "symlink to a submission": "cp {good} {m}/x.tmp && ln -s {m}/x.tmp {m}/{id}",
    "two names": "cp {good} {m}/{id} && ln {m}/{id} {m}/{id}B",
    "directory": "mkdir -m 777 {m}/{id}",
    "empty": ": > {m}/{id}",
    "sparse": "cp {good} {m}/x.tmp && truncate -s 1T {m}/x.tmp && mv {m}/x.tmp {m}/{id}",
    "only sparse": "truncate -s 1T {m}/{id}",
    "cut": "head -c 40 {good} > {m}/{id}",
    "more": "cat {good} {good} > {m}/x.tmp && mv {m}/x.tmp {m}/{id}",
    "garbage": "head -c 300000 /dev/urandom > {m}/x.tmp && mv {m}/x.tmp {m}/{id}",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_pickup_trusts_no_file(host, kind):
    good = host.base / "good"
    good.write_bytes(host.submission())
    maildrop = host.queue / "maildrop"
    order = HOSTILE[kind].format(m=maildrop, id="4jYJDg2t5cz1r2", good=good)
    host.as_user("/bin/sh", "-c", f"umask 022; {order}", group=GROUP, check=0)
    before = open("/etc/shadow", "rb").read()
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    wait_until(lambda: "4jYJDg2t5cz1r2" in host.queue_files()["corrupt"] or (host.queue / "corrupt/4jYJDg2t5cz1r2").is_dir() or (host.queue / "corrupt/4jYJDg2t5cz1r2").exists() or os.path.lexists(host.queue / "corrupt/4jYJDg2t5cz1r2"), "it is set aside", context=host.explain)
    host.wait_for_log("4jYJDg2t5cz1r2: maildrop file moved to corrupt")
    host.wait_for_mail("anna")
    assert [m["Subject"] for m in host.messages("anna")] == ["hello"]
    assert open("/etc/shadow", "rb").read() == before
    assert len(host.children("pickup")) == 1


def test_a_file_that_grows_and_one_that_cannot_be_read(host):
    maildrop, good = host.queue / "maildrop", host.submission()
    (maildrop / "x.tmp").write_bytes(good)
    os.chown(maildrop / "x.tmp", PHIL, GROUP)
    os.chmod(maildrop / "x.tmp", 0)
    os.rename(maildrop / "x.tmp", maildrop / "4jYJDg2t5cz1r2")
    writer = subprocess.Popen(host.user_words("/bin/sh", "-c", f"cat > {maildrop}/4jYJDg2t5cz1r3", group=GROUP, prelude="os.umask(0o022)"), stdin=subprocess.PIPE)
    writer.stdin.write(good[:-20])
    writer.stdin.flush()
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    host.wait_for_mail("anna")
    host.wait_for_log("4jYJDg2t5cz1r2: maildrop file is kept: .*Permission denied")
    # Half a file is none, however it goes on.
    host.wait_for_log("4jYJDg2t5cz1r3: maildrop file moved to corrupt: it ends too early")
    writer.stdin.write(good[-20:])
    writer.communicate()
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    host.wait_for_mail("anna", 2)


def test_the_sticky_bit_keeps_submissions_from_each_other(host):
    stop_pickup(host)
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    (name,) = host.unfinished()
    maildrop = host.queue / "maildrop"
    for order in (f"rm -f {maildrop}/{name}", f"mv {maildrop}/{name} {maildrop}/x", f"echo x >> {maildrop}/{name}"):
        assert host.as_user("/bin/sh", "-c", order, user=MALLORY, group=GROUP).returncode != 0, order
    host.kill_children("pickup", signal.SIGCONT)
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    host.wait_for_mail("anna", 2)


# postqueue


def test_hostile_addresses_do_not_reach_the_terminal(host):
    host.set(defer_transports="smtp local")
    host.process.send_signal(signal.SIGHUP)
    host.wait_for_log("reload")
    evil = "a\x1b]0;owned\x07\x9b31m@\u009b2J.test"
    host.as_user("sendmail", "-f", '"x\x1b[31m"@y.test', f'"{evil[:4]}\x1b"@z.test', stdin=MESSAGE)
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    wait_until(lambda: b"Request" in host.as_user("postqueue", "-p").stdout, "it is listed", context=host.explain)
    for option in ("-p", "-j"):
        out = host.as_user("postqueue", option, check=0).stdout.decode()
        assert not [c for c in out if ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160], out


def test_a_user_cannot_use_up_the_queue_manager(host):
    hold = (
        "import socket, sys\nheld = []\nfor n in range(30):\n s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b'N'); held.append(s)\n"
        "open_ = 0\nfor s in held:\n s.settimeout(20)\n open_ += s.recv(1) != b''\nprint(open_, flush=True)\nsys.stdin.read()"
    )
    process = subprocess.Popen(
        host.inside("setpriv", f"--reuid={MALLORY}", f"--regid={GROUP}", "--clear-groups", sys.executable, "-c", hold, host.queue / "public/qmgr"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"10\n"
    assert host.as_user("postqueue", "-p", user=MALLORY).returncode == 69
    # Nobody else notices.
    host.as_user("postqueue", "-p", check=0)
    host.as_user("sendmail", "anna", stdin=MESSAGE, user=MALLORY, check=0)
    host.wait_for_mail("anna")
    process.communicate()
    wait_until(lambda: host.as_user("postqueue", "-p", user=MALLORY).returncode == 0, "they are free again", context=host.explain)


CLIENT = """
import socket, struct, sys
def frame(stream, kind, payload=b''): return struct.pack('<IIB', len(payload), stream, kind) + payload
s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
s.sendall(b'N' + frame(1, int(sys.argv[2]), bytes.fromhex(sys.argv[3])))
data = b''
while True:
    try: more = s.recv(65536)
    except OSError: break
    data += more
    frames, rest = [], data
    while len(rest) >= 9 and len(rest) >= 9 + struct.unpack('<I', rest[:4])[0]:
        length, stream, kind = struct.unpack('<IIB', rest[:9])
        frames.append((stream, kind, rest[9:9 + length])); rest = rest[9 + length:]
    if not more or any(f[0] == 1 for f in frames): break
print(frames if data else 'closed')
"""


@pytest.mark.parametrize("verb", [0, 1, 2, 3, 4])
def test_the_group_gives_no_orders(host, verb):
    """What a subverted postqueue could say to qmgr and cleanup: flush, and nothing else."""
    host.set(defer_transports="local")
    host.process.send_signal(signal.SIGHUP)
    host.wait_for_log("reload")
    host.as_user("sendmail", "anna", stdin=MESSAGE, check=0)
    wait_until(lambda: host.queue_files()["deferred"], "it is deferred", context=host.explain)
    before = host.queue_files()

    def say(name, kind, payload):
        words = host.inside("setpriv", f"--reuid={MALLORY}", f"--regid={GROUP}", "--clear-groups", sys.executable, "-c", CLIENT, host.queue / "public" / name, kind, payload)
        return subprocess.run(words, capture_output=True, timeout=60).stdout.decode()

    answer = say("qmgr", 19, bytes([verb, 0]).hex())
    assert ("only root and the owner" in answer) == (verb != 0), answer
    assert host.queue_files() == before
    assert "closed" in say("cleanup", 21, ""), "nobody but programs of ours reaches cleanup"
    host.wait_for_log(f"cleanup: connection of user {MALLORY} refused")


# Whose mail it is


def json_lines(host):
    return [json.loads(line) for line in host.log().splitlines() if line.startswith("{")]


def test_the_submitting_unit_is_recorded(make):
    group = "/sys/fs/cgroup/systemd/system.slice/martlet-test-backup.service"
    try:
        os.makedirs(group, exist_ok=True)
    except OSError:
        pytest.skip("no control groups of version 1 to be made here")
    host = make(main={"maillog_format": "json", "defer_transports": "local"})
    try:
        # Joined as root would do it for a service, before the user's program begins.
        words = host.user_words("sendmail", "anna")
        subprocess.run(["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *words], input=MESSAGE, check=True)
    finally:
        os.rmdir(group)
    line = wait_until(lambda: [l for l in json_lines(host) if l.get("event") == "pickup"], "pickup logs", context=host.explain)[0]
    assert line["message"].endswith(f": uid={PHIL} from=<phil>"), "the classic line is Postfix's"
    assert (line["uid"], line["unit"], line["cgroup"]) == (PHIL, "martlet-test-backup.service", "/system.slice/martlet-test-backup.service")
    shown = host.martlet("queue", "show", "--envelope", line["queue_id"], check=0).stdout.decode()
    assert f"user id: {PHIL}\nunit: martlet-test-backup.service\ncontrol group: /system.slice/martlet-test-backup.service\n" in shown, shown
    facts = json.loads(host.martlet("queue", "show", "--json", line["queue_id"], check=0).stdout)
    assert (facts["uid"], facts["unit"]) == (PHIL, "martlet-test-backup.service")


def test_a_claim_about_who_submits_is_not_believed(make):
    host = make(main={"maillog_format": "json"})
    forged = bytearray(host.submission())
    # The user id of root, which ran the caught sendmail, as it stands in the bytes; postdrop puts the caller's there.
    host.as_user("postdrop", stdin=bytes(forged), check=0)
    line = wait_until(lambda: [l for l in json_lines(host) if l.get("event") == "pickup"], "pickup logs", context=host.explain)[0]
    assert line["uid"] == PHIL
    assert f"from userid {PHIL}" in host.wait_for_mail("anna")[0]["Received"]


def test_what_a_user_submits_over_the_limit_waits(make):
    host = make(main={"local_submission_rate_limit": "2", "local_submission_rate_time_unit": "1h", "local_submission_rate_exempt_users": f"root {MALLORY}"})
    for number in range(4):
        host.as_user("sendmail", "anna", stdin=b"Subject: %d\n\nx\n" % number, check=0)
    for number in range(4):
        host.as_user("sendmail", "anna", stdin=b"Subject: mallory\n\nx\n", user=MALLORY, check=0)
    held = {m[1] for m in host.wait_for_log(rf"pickup\[\d+\]: (\w+): hold: uid={PHIL} has submitted more than 2 messages in 3600s", 2)}
    host.wait_for_mail("anna", 6)
    assert set(host.queue_files()["hold"]) == held and len(held) == 2
    assert sorted(m["Subject"] for m in host.messages("anna")) == ["0", "1"] + ["mallory"] * 4
    assert b"!" in host.as_user("postqueue", "-p", check=0).stdout
    host.martlet("queue", "release", "ALL", check=0)
    assert len(host.wait_for_mail("anna", 8)) == 8
    host.wait_until_empty()
