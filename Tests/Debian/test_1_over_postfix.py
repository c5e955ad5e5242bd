"""`apt install ./martlet_*.deb` on a server that runs Postfix."""

import re

ALIASES = "# ours\npostmaster: root\nstaff: alice, bob\n"


def test_postfix_is_there_first(server):
    assert server.run("dpkg-query", "-W", "-f", "${Status}", "postfix").output == "install ok installed"
    server.write("/etc/aliases", ALIASES)
    server.run("newaliases")
    server.shell("echo '# a line of the administrator' >>/etc/postfix/main.cf")
    server.shell("echo by postfix | mail -s before alice")
    server.wait_for_mail("alice", "by postfix")


def test_apt_replaces_it(server, package):
    said = server.install(package)
    assert "Martlet has taken the place of Postfix" in said
    assert "martlet import postfix" in said
    # One screen.
    message = said[said.index("Martlet has taken"):]
    assert len(message[:message.index("Log readers")].splitlines()) < 20
    assert "postfix" not in server.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n", "postfix").output.split("rc")[0]
    assert server.run("dpkg-query", "-W", "-f", "${Status}", "martlet").output == "install ok installed"


def test_what_was_there_is_kept(server):
    assert server.read("/etc/aliases") == ALIASES
    assert server.read("/etc/mailname") == "mail.debian.test\n"
    assert "by postfix" in server.mailbox("alice")[0]
    for directory in ("/etc/postfix", "/var/backups/martlet-postfix"):
        assert "a line of the administrator" in server.read(f"{directory}/main.cf")


def test_the_service_runs(server):
    assert server.property("ActiveState") == "active"
    assert server.property("SubState") == "running"
    assert server.systemctl("is-enabled", "martlet").output.strip() == "enabled"
    assert server.run("martlet", "check").errors.strip() == "martlet: no errors in /etc/martlet"


def test_the_paths_of_policy_11_6(server):
    links = {"/usr/lib/sendmail": "/usr/sbin/sendmail", "/usr/bin/mailq": "/usr/sbin/sendmail", "/usr/bin/newaliases": "/usr/sbin/sendmail"}
    for link, target in links.items():
        assert server.run("readlink", "-f", link).output.strip() == target
    for program in ("/usr/sbin/sendmail", "/usr/bin/rmail", "/usr/sbin/postdrop", "/usr/sbin/postqueue", "/usr/sbin/martlet"):
        owner = server.run("stat", "-c", "%U:%G %a", program).output.strip()
        assert owner == ("root:postdrop 2755" if "/post" in program else "root:root 755"), program


def test_main_cf_is_short_and_explains_itself(server):
    text = server.read("/etc/martlet/main.cf")
    assert len(text.splitlines()) < 60
    assert "Internet Site" in text and "@" not in re.sub(r"user.*@\S+", "", text)
    assert server.run("martlet", "config", "-hx", "myhostname").output.strip() == "mail.debian.test"


def test_mail_goes_through_the_old_aliases(server):
    server.shell("echo by martlet | mail -s after staff")
    for user in ("alice", "bob"):
        message = server.wait_for_mail(user, "by martlet")
        assert "\nFrom: root <root@mail.debian.test>\n" in message
        assert "\nTo: staff@mail.debian.test\n" in message


def test_mailboxes_are_as_policy_has_them(server):
    for user in ("alice", "bob"):
        assert server.run("stat", "-c", "%U:%G %a", f"/var/mail/{user}").output.strip() in (f"{user}:mail 660", f"{user}:{user} 600", f"{user}:mail 600")
    assert server.run("stat", "-L", "-c", "%U:%G %a", "/var/mail").output.strip() == "root:mail 2775"


def test_rmail_takes_the_sender_from_the_from_lines(server):
    server.shell(
        "printf 'From carol Thu Nov 26 03:00:00 2026 remote from far\\n>From carol Thu Nov 26 02:00 2026 remote from away\\n"
        "From: carol@away.test\\nSubject: by uucp\\n\\nHello\\n' | rmail alice"
    )
    message = server.wait_for_mail("alice", "Subject: by uucp")
    assert re.match(r"From \S*away!carol@far ", message), message
    assert server.run("rmail", check=False).status == 64


def test_every_program_has_its_page(server):
    """man martlet, and every page that one of ours names exists."""
    listed = server.run("dpkg", "-L", "martlet").output.split()
    pages = {name.rsplit("/", 1)[1].removesuffix(".gz") for name in listed if "/man/man" in name and name.endswith(".gz")}
    for program in (p.rsplit("/", 1)[1] for p in listed if re.match(r"/usr/(s?bin|libexec/martlet)/\w+$", p)):
        assert program == "suite" or f"{program}.8" in pages or f"{program}.1" in pages, f"{program} has no manual page"
    text = server.run("man", "--pager=cat", "martlet").output
    assert "main.cf" in text
    for command in ("bash", "zsh", "fish"):
        assert any("martlet" in name and command in name for name in listed), f"no completion for {command}"
    completed = server.run("bash", "-c", "source /usr/share/bash-completion/completions/martlet && complete -p martlet").output
    assert "martlet" in completed
