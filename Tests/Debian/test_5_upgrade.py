"""From one version to the next, with mail in the queue and a configuration that is the administrator's."""

import re

from container import wait_until


def queued(server):
    return set(re.findall(r"^([0-9A-Za-z]{10,})[*!]? ", server.run("mailq").output, re.M))


def test_an_upgrade_keeps_mail_and_configuration(server, newer_package):
    server.run("martlet", "config", "-e", "recipient_delimiter=-", "mailbox_size_limit=123456789")
    server.shell("echo '# by hand' >>/etc/martlet/master.cf")
    files = [server.read(f"/etc/martlet/{name}") for name in ("main.cf", "master.cf")]
    for number in range(5):
        server.shell(f"echo waits {number} | mail -s waits x{number}@far.example.net")
    wait_until(lambda: server.run("mailq").output.count("try again") == 5, 60, "five messages are deferred")
    ids = queued(server)
    assert len(ids) == 5
    before = server.main_pid()
    said = server.install(newer_package)
    assert "Martlet has taken" not in said
    assert server.run("dpkg-query", "-W", "-f", "${Version}", "martlet").output.endswith("+newer1")
    assert server.property("ActiveState") == "active" and server.main_pid() != before
    assert [server.read(f"/etc/martlet/{name}") for name in ("main.cf", "master.cf")] == files
    wait_until(lambda: queued(server) == ids, what="the same messages are in the queue")
    server.shell("echo by the newer one | mail -s newer bob")
    server.wait_for_mail("bob", "by the newer one")


def test_a_statoverride_is_kept(server, package):
    server.run("groupadd", "--system", "submitters")
    server.run("dpkg-statoverride", "--update", "--add", "root", "submitters", "2711", "/usr/sbin/postqueue")
    server.install(package)
    assert server.run("stat", "-c", "%G %a", "/usr/sbin/postqueue").output.strip() == "submitters 2711"
    assert server.run("stat", "-c", "%G %a", "/usr/sbin/postdrop").output.strip() == "postdrop 2755"
    server.run("dpkg-statoverride", "--remove", "/usr/sbin/postqueue")
    server.install(package)
    server.run("apt-get", "install", "-y", "--reinstall", "/var/tmp/martlet.deb")
    assert server.run("stat", "-c", "%G %a", "/usr/sbin/postqueue").output.strip() == "postdrop 2755"


def test_reconfigure_begins_with_what_is_there(server):
    """The administrator's file wins: debconf's own memory does not come back, and only what is answered differently changes."""
    server.run("martlet", "config", "-e", "mydestination=$myhostname, mine.test, localhost")
    before = server.read("/etc/martlet/main.cf")
    server.run("dpkg-reconfigure", "--frontend=noninteractive", "martlet")
    assert server.read("/etc/martlet/main.cf") == before
    # Somebody answers the question about the relay host.
    server.write("/root/editor", "#!/bin/sh\nsed -i -e 's/^\\(martlet.main_mailer_type\\)=.*/\\1=\"Internet with smarthost\"/' "
                 "-e 's/^\\(martlet.relayhost\\)=.*/\\1=\"[127.0.0.9]:2525\"/' \"$1\"\n", 0o755)
    # script(1) makes the terminal that debconf wants to have for an editor.
    server.run("script", "--quiet", "--return", "--command", "dpkg-reconfigure --priority=low martlet", "/dev/null",
               environment={"DEBIAN_FRONTEND": "editor", "EDITOR": "/root/editor", "VISUAL": "/root/editor"})
    after = server.read("/etc/martlet/main.cf")
    changed = set(after.splitlines()) ^ set(before.splitlines())
    assert {line.split("=")[0].strip() for line in changed} == {"relayhost"}, changed
    assert server.run("martlet", "config", "-h", "relayhost").output.strip() == "[127.0.0.9]:2525"
    assert server.property("ActiveState") == "active"
    server.run("martlet", "config", "-e", "relayhost=")
    server.systemctl("reload", "martlet")
