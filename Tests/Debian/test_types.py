"""The answers to the package's questions, on a Debian that has no mail system and is not booted: the main.cf that they make."""

import shutil

import pytest

from debian_roots import in_root

# type, answers, what main.cf sets
TYPES = {
    "Internet Site": ({"mailname": "example.test", "root_address": "phil"},
                      {"relayhost": "", "inet_interfaces": "all", "myorigin": "/etc/mailname", "default_transport": "smtp"}),
    "Internet with smarthost": ({"relayhost": "[smart.test]:587", "mynetworks": "127.0.0.0/8 192.0.2.0/24"},
                                {"relayhost": "[smart.test]:587", "inet_interfaces": "all", "mynetworks": "127.0.0.0/8 192.0.2.0/24"}),
    "Satellite system": ({"relayhost": "smart.test", "recipient_delim": "-"},
                         {"relayhost": "smart.test", "inet_interfaces": "loopback-only", "recipient_delimiter": "-"}),
    "Local only": ({"destinations": "$myhostname, a|b&c.test, localhost", "protocols": "ipv4"},
                   {"inet_interfaces": "loopback-only", "default_transport": "error:5.1.2 this system delivers local mail only",
                    "mydestination": "$myhostname, a|b&c.test, localhost", "inet_protocols": "ipv4"}),
}


def install(fresh, package, kind, answers):
    selections = f"martlet martlet/main_mailer_type select {kind}\n"
    selections += "".join(f"martlet martlet/{name} string {value}\n" for name, value in answers.items())
    in_root(fresh.root, "debconf-set-selections", stdin=selections)
    shutil.copy(package, fresh.root / "var/tmp/martlet.deb")
    return in_root(fresh.root, "apt-get", "install", "-y", "--no-install-recommends", "/var/tmp/martlet.deb").stdout


@pytest.mark.parametrize("kind", TYPES)
def test_a_type(fresh, package, kind):
    answers, wanted = TYPES[kind]
    said = install(fresh, package, kind, answers)
    assert "martlet: no errors in /etc/martlet" in said
    for name, value in wanted.items():
        assert in_root(fresh.root, "martlet", "config", "-h", name).stdout.strip() == value, name
    # It is right, it is short, and all that it needs is there.
    assert in_root(fresh.root, "martlet", "check").stdout.strip() == "martlet: no errors in /etc/martlet"
    text = (fresh.root / "etc/martlet/main.cf").read_text()
    assert kind in text and len(text.splitlines()) < 60
    assert (fresh.root / "etc/mailname").read_text().strip() == answers.get("mailname", "mail.debian.test")
    aliases = (fresh.root / "etc/aliases").read_text()
    assert "\npostmaster:" in aliases
    assert ("\nroot: phil\n" in aliases) == ("root_address" in answers)
    assert (fresh.root / "etc/aliases.lmdb").exists()


def test_no_configuration(fresh, package):
    """Nothing is written, nothing is started, and nothing fails."""
    assert "nothing is started" in install(fresh, package, "No configuration", {})
    assert not (fresh.root / "etc/martlet/main.cf").exists()
    assert not (fresh.root / "etc/aliases").exists()


def test_what_is_there_is_not_asked_for(fresh, package):
    """/etc/mailname, /etc/aliases and a main.cf from an earlier installation win over any answer."""
    (fresh.root / "etc/mailname").write_text("mine.test\n")
    (fresh.root / "etc/aliases").write_text("root: me\nPostmaster: me\n")
    (fresh.root / "etc/martlet").mkdir()
    mine = "# mine\nmyhostname = mine.test\nrelayhost = [my.relay]\n"
    (fresh.root / "etc/martlet/main.cf").write_text(mine)
    install(fresh, package, "Local only", {"mailname": "other.test", "root_address": "phil", "relayhost": "other.test"})
    assert (fresh.root / "etc/mailname").read_text() == "mine.test\n"
    assert (fresh.root / "etc/aliases").read_text() == "root: me\nPostmaster: me\n"
    assert (fresh.root / "etc/martlet/main.cf").read_text() == mine


def test_a_postfix_configuration_that_was_left_behind_gives_the_suggestions(fresh, package):
    (fresh.root / "etc/postfix").mkdir()
    (fresh.root / "etc/postfix/main.cf").write_text("relayhost = [old.relay]:25\n")
    shutil.copy(package, fresh.root / "var/tmp/martlet.deb")
    in_root(fresh.root, "apt-get", "install", "-y", "--no-install-recommends", "/var/tmp/martlet.deb")
    assert in_root(fresh.root, "martlet", "config", "-h", "relayhost").stdout.strip() == "[old.relay]:25"
    assert "relayhost" in (fresh.root / "var/backups/martlet-postfix/main.cf").read_text()
