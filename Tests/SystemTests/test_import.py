"""martlet import postfix: Debian's own configuration, and one with everything in it."""

import json
import os
import subprocess

import pytest

import peers
from harness import free_port, wait_until
from reference import PostfixCommands, classic_names

MAIN = """\
# A site with everything.
indexed = hash:$config_directory/
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
compatibility_level = 3.6
queue_directory = /var/spool/postfix
myhostname = mail.sender.test
mydomain = sender.test
myorigin = $mydomain
mydestination = $myhostname, $mydomain, localhost, mysql:$config_directory/domains.cf
mynetworks = 127.0.0.0/8, cidr:{old}/networks.cidr
alias_maps = hash:{old}/aliases, nis:mail.aliases
alias_database = hash:{old}/aliases

# Virtual
virtual_alias_maps = ${{indexed}}virtual,
   ldap:{old}/ldap.cf
transport_maps = hash:$config_directory/transport
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination,
   check_policy_service unix:private/policyd,
   reject_rbl_client zen.example.org, check_client_access hash:$config_directory/clients,
   warn_if_reject reject_unknown_client_hostname, permit
smtpd_milters = inet:localhost:8891
content_filter = smtp-amavis:[127.0.0.1]:10024
smtpd_sasl_auth_enable = yes
smtp_sasl_auth_enable = no
virtual_mailbox_domains = box.test
header_checks = pcre:{old}/header_checks
message_size_limit = 20 MB
relayhost = [smarthost.test]:587
relayhost =
mailbox_transport = lmtp:unix:private/dovecot-lmtp
fallback_transport = dovecot
smtp_destination_concurrency_limit=3
smtpd_tls_key_file = $config_directory/key.pem
unknown_thing = 1
recipient_delimiter = +
"""

MASTER = """\
smtp      inet  n       -       y       -       1       postscreen
smtpd     pass  -       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o { smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject }
127.0.0.1:10025 inet n  -       n       -       -       smtpd
  -o content_filter=
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
smtp      unix  -       -       y       -       -       smtp
smtp-amavis unix -      -       n       -       2       smtp -o smtp_helo_timeout=9
lmtp      unix  -       -       y       -       -       lmtp
local     unix  -       n       n       -       -       local
dovecot   unix  -       n       n       -       -       pipe
  flags=DRhu user=vmail argv=/usr/lib/dovecot/deliver -d ${recipient}
too few fields
"""

FILES = {
    "networks.cidr": "10.0.0.0/8 OK\n",
    "aliases": "# names\nanna: {mail}/anna/\nnot an alias\nroot: anna\n",
    "virtual": "info@sender.test anna@sender.test\n",
    "transport": "legacy.test dovecot:\nother.test smtp:[127.0.0.1]:1\n",
    "clients": "192.0.2.1 REJECT\n",
    "key.pem": "secret\n",
    "header_checks": "/x/ REJECT\n",
}


@pytest.fixture
def site(story, tmp_path):
    """A Postfix configuration, and an instance of Martlet that has one already."""
    host = story.host("sender.test", users=["anna"])
    old = tmp_path / "postfix"
    old.mkdir()
    for name, text in FILES.items():
        (old / name).write_text(text.replace("{mail}", str(host.mail)))
    os.chmod(old / "key.pem", 0o600)
    (old / "main.cf").write_text(MAIN.format(old=old))
    (old / "master.cf").write_text(MASTER)
    host.old = old
    return host


def run_import(host, *words, check=0):
    return json.loads(host.martlet("import", "postfix", host.old, "--to", host.config, "--json", *words, check=check).stdout)


def make_private(host, ports):
    """What makes an instance of its own of an imported configuration: directories, ports, owner."""
    for name in ("queue_directory", "daemon_directory", "command_directory", "data_directory", "maillog_file", "mail_owner", "inet_interfaces", "resolver_nameservers", "smtpd_peername_lookup"):
        host.martlet("config", "-e", f"{name}={host.settings[name]}", check=0)
    names = classic_names(host.base / "bin")
    for words in [(f"{service}/inet/service=127.0.0.1:{port}",) for service, port in ports.items()] + [("*/*/unprivileged=n",)]:
        subprocess.run([names / "postconf", "-c", host.config, "-F", *words], check=True, timeout=30)


def test_a_site_with_everything(site):
    before = (site.config / "main.cf").read_text()
    report = run_import(site, check=0)
    assert report["written"] is False and (site.config / "main.cf").read_text() == before, "without --write nothing is written"
    report = run_import(site, "--write", check=None)
    lines = MAIN.format(old=site.old).splitlines()

    def said(name, text, kind="unsupported", serious=True, file="main.cf"):
        found = [f for f in report["findings"] if f["name"] == name and text in f["text"] and f["file"] == str(site.old / file)]
        assert found, (name, text, [f for f in report["findings"] if f["name"] == name])
        assert all((f["kind"], f["serious"], f["file"]) == (kind, serious, str(site.old / file)) for f in found), found
        if file == "main.cf" and found[0]["line"]:
            assert lines[found[0]["line"] - 1].startswith(name), found
        return found

    said("smtpd_milters", "milters")
    said("content_filter", "unchecked")
    said("smtpd_sasl_auth_enable", "log in")
    said("smtpd_sasl_auth_enable", "-o smtpd_sasl_auth_enable=yes of submission/inet", file="master.cf")
    said("smtp_sasl_auth_enable", "not set", kind="needless", serious=False)
    said("mydestination", "mysql")
    said("alias_maps", "nis")
    said("alias_maps", "lmdb", kind="changed", serious=False)
    said("virtual_alias_maps", "ldap")
    said("smtpd_recipient_restrictions", "check_policy_service unix:private/policyd")
    said("smtpd_recipient_restrictions", "reject_rbl_client zen.example.org", serious=False)
    said("smtpd_recipient_restrictions", "reject_unknown_client_hostname", serious=False)
    said("header_checks", "header fields")
    said("message_size_limit", "20 MB")
    said("relayhost", "a later line", kind="needless", serious=False)
    said("mailbox_transport", "queue directory", kind="changed")
    said("fallback_transport", "no transport dovecot")
    said("virtual_transport", "virtual(8)")
    said("unknown_thing", "no such parameter", serious=False)
    said("queue_directory", "its own", kind="needless", serious=False)
    said("smtp/inet", "postscreen", kind="changed", serious=False, file="master.cf")
    said("dovecot/unix", "pipe", serious=False, file="master.cf")
    said("master.cf", "no service", file="master.cf")
    assert [f["line"] for f in report["findings"] if f["file"].endswith("/transport")] == [1]
    assert [f["line"] for f in report["findings"] if f["file"] == str(site.config / "aliases")] == [3], "a line that is no alias"
    assert set(report["tables"]) == {str(site.config / n) for n in ("aliases", "virtual", "transport", "clients")}
    assert set(report["files"]) >= {str(site.config / n) for n in ("aliases", "virtual", "transport", "clients", "networks.cidr", "key.pem")}
    assert (site.config / "key.pem").stat().st_mode & 0o777 == 0o600
    assert set(report["backups"]) >= {str(site.config / n) + ".before-import" for n in ("main.cf", "master.cf", "aliases")}
    assert (site.config / "main.cf.before-import").read_text() == before

    new = (site.config / "main.cf").read_text()
    assert "# A site with everything.\n" in new and "\n# Virtual\n" in new, "the administrator's comments stay"
    assert "\n#smtpd_milters = inet:localhost:8891\n" in new
    assert "\n#indexed = hash:" in new, "nothing refers to it any more"
    assert f"\nvirtual_alias_maps = lmdb:{site.config}/virtual\n" in new
    assert f"\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_client_access, lmdb:{site.config}/clients, permit\n" in new
    assert "\nvirtual_transport = retry:" in new and "\nsmtp_destination_concurrency_limit = 3\n" in new

    # A second time: the files are the same, and nothing is copied away.
    assert run_import(site, "--write", check=None)["backups"] == []


def test_the_imported_configuration_passes_check_and_delivers(site):
    run_import(site, "--write", check=None)
    make_private(site, {"smtp": site.port, "submission": site.submission_port, "127.0.0.1:10025": free_port()})
    site.martlet("config", "-X", "mailbox_transport", "smtpd_tls_key_file", check=0)
    result = site.martlet("check", check=0)
    assert b"error" not in result.stderr.replace(b"no errors", b""), result.stderr
    site.start()
    refused = site.send("phil@far.test", ["info@sender.test", "x@box.test", "x@legacy.test"], "Subject: imported\r\n\r\nx\r\n")
    assert [m["Subject"] for m in site.wait_for_mail("anna")] == ["imported"]
    # For a domain without a transport: at the door, or in the queue. Nothing of it is lost.
    assert list(refused) == ["x@box.test"] and refused["x@box.test"][0] == 451, refused
    wait_until(lambda: site.queue_files()["deferred"], "mail for a transport that is not there waits", context=site.explain)
    assert "x@legacy.test" in site.mailq()


def test_debians_own_configuration(story, tmp_path):
    if not peers.available():
        pytest.skip("Debian's Postfix in a root of its own needs root")
    postfix = PostfixCommands(tmp_path / "peer").start()
    host = story.host("sender.test", users=["anna"])
    try:
        assert postfix.inside("sh", "-c", "newaliases; cp -r /etc/postfix /srv/peer/etc; cp /etc/aliases /srv/peer/etc/; cp /etc/postfix/master.cf /srv/peer/etc/master.cf").returncode == 0
        host.old = postfix.base / "shared" / "etc"
        # Its aliases are not this system's.
        text = (host.old / "main.cf").read_text().replace("hash:/etc/aliases", f"hash:{host.old}/aliases")
        (host.old / "main.cf").write_text(text)
        report = run_import(host, "--write", check=None)
        # Nobody with Debian's own configuration has to do anything.
        assert [f for f in report["findings"] if f["serious"] or f["kind"] == "unsupported"] == []
        make_private(host, {"smtp": host.port})
        host.martlet("check", check=0)
        host.start()
    finally:
        postfix.stop()


def test_what_cannot_be_read(site, tmp_path):
    assert site.martlet("import", "postfix", tmp_path / "nosuch").returncode == 66
    assert site.martlet("import", "postfix", site.old, "--to", site.old).returncode == 65
    assert site.martlet("import", "postfix", "relative").returncode == 64
    text = site.martlet("import", "postfix", site.old, "--to", site.config, check=0).stdout.decode()
    assert "Needs your attention before the change-over:" in text and f"{site.old}/main.cf:" in text and "Nothing was written" in text
    assert "tlsmgr is not needed" not in text
    assert "tlsmgr is not needed" in site.martlet("import", "postfix", site.old, "--to", site.config, "--all", check=0).stdout.decode()
