"""Remove, purge, and back to Postfix."""

from container import wait_until


def test_remove_keeps_configuration_and_mail(server):
    main = server.read("/etc/martlet/main.cf")
    assert server.run("mailq").output.count("far.example.net") >= 5
    server.run("apt-get", "remove", "-y", "martlet")
    assert server.run("test", "-e", "/usr/sbin/sendmail", check=False).status != 0
    assert server.systemctl("is-active", "martlet", check=False).output.strip() in ("inactive", "unknown")
    assert "libexec/martlet" not in server.run("ps", "-e", "-o", "args").output
    assert server.read("/etc/martlet/main.cf") == main
    assert server.shell("find /var/spool/martlet/deferred -type f | wc -l").output.strip() == "5"


def test_installed_again_it_goes_on(server, package):
    main = server.read("/etc/martlet/main.cf")
    server.install(package)
    assert server.read("/etc/martlet/main.cf") == main
    assert server.property("ActiveState") == "active"
    wait_until(lambda: server.run("mailq").output.count("far.example.net") >= 5, what="the messages are in the queue again")


def test_purge_does_not_throw_mail_away(server):
    said = server.run("apt-get", "purge", "-y", "martlet")
    assert "5 messages are in /var/spool/martlet" in said.output + said.errors
    assert server.shell("find /var/spool/martlet/deferred -type f | wc -l").output.strip() == "5"
    assert server.run("test", "-e", "/etc/martlet/main.cf", check=False).status != 0
    assert "staff: alice, bob" in server.read("/etc/aliases")
    assert server.read("/etc/mailname") == "mail.debian.test\n"
    assert len(server.mailbox("bob")) > 5


def test_purge_leaves_nothing_of_ours(server, package):
    server.install(package)
    server.run("martlet", "queue", "delete", "ALL")
    server.run("apt-get", "purge", "-y", "martlet")
    left = server.shell("ls -d /etc/martlet /var/spool/martlet /var/lib/martlet /var/log/martlet /etc/aliases.lmdb /usr/libexec/martlet "
                        "/usr/share/martlet /etc/systemd/system/*/martlet* 2>/dev/null", check=False).output
    assert left == ""


def test_back_to_postfix(server, package):
    """Over an installed Martlet, as an administrator would."""
    server.install(package)
    # Without bsd-mailx, which went with the last mail system that it had.
    server.shell("printf 'Subject: again\\n\\nmartlet again\\n' | sendmail alice")
    server.wait_for_mail("alice", "martlet again")
    server.run("apt-get", "install", "-y", "--no-install-recommends", "postfix", timeout=300)
    assert server.run("dpkg-query", "-W", "-f", "${Status}", "postfix").output == "install ok installed"
    assert server.run("dpkg-query", "-W", "-f", "${Status}", "martlet").output == "deinstall ok config-files"
    assert "a line of the administrator" in server.read("/etc/postfix/main.cf")
    server.shell("printf 'Subject: back\\n\\nby postfix again\\n' | sendmail staff")
    server.wait_for_mail("alice", "by postfix again")
