"""The accounts of a real installation: each program under the user that master.cf and main.cf give it. Needs root and users of Debian's own."""

import os
import smtplib
from pathlib import Path

import pytest

from harness import Instance


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_programs_run_as_their_users_and_mail_goes_through(tmp_path):
    one = Instance(
        tmp_path / "one", "mail.sender.test", users=["anna"],
        main={"mail_owner": "games", "network_owner": "nobody", "setgid_group": "mail", "default_privs": "nobody"},
    )
    path = one.config / "master.cf"
    lines = []
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) >= 8 and not line.startswith(("#", " ")) and words[7] != "local":
            words[3] = "y"
            line = " ".join(words)
        lines.append(line)
    path.write_text("\n".join(lines) + "\n")
    one.start()
    try:
        with smtplib.SMTP("127.0.0.1", one.port) as client:
            client.sendmail("phil@elsewhere.test", ["anna@sender.test"], "Subject: accounts\n\n")
            assert client.vrfy("anna")[0] in (250, 252)
        one.wait_until_empty()
        assert len(one.raw_messages("anna")) == 1

        def users(program):
            return {Path("/proc", str(pid)).stat().st_uid for pid in one.children(program)}

        import pwd

        games, nobody = pwd.getpwnam("games").pw_uid, pwd.getpwnam("nobody").pw_uid
        assert users("smtpd") == {nobody}
        assert users("cleanup") == {games} and users("qmgr") == {games}
        assert users("local") == {0}
    finally:
        one.stop()
