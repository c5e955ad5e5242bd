"""Debian's Postfix and Exim as the other end, each in a root of its own: an overlay over this system in a mount namespace of its own, into
which the package is installed. Needs root; nothing of this system is changed, and nothing is left when the process ends."""

import os
import shutil
import signal
import socket
import subprocess
import textwrap
from email import policy
from email.parser import BytesParser
from pathlib import Path

from harness import free_port, wait_until

SETUP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$BASE/layers"
mkdir -p "$BASE"/layers/{upper,work,root}
root="$BASE/layers/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$BASE/layers/upper,workdir=$BASE/layers/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/srv/peer"
mount --bind "$BASE/shared" "$root/srv/peer"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive
chroot "$root" apt-get install -y -qq --no-install-recommends $PACKAGE > "$BASE/install.log" 2>&1
chroot "$root" sh /srv/peer/configure > "$BASE/configure.log" 2>&1
exec chroot "$root" sh /srv/peer/run
"""


def available():
    return os.geteuid() == 0 and shutil.which("unshare") is not None


class Peer:
    """A mail host that delivers DOMAIN into Maildirs under shared/mail and relays everything else to `relay_port`."""

    package = ""

    def __init__(self, base, domain, relay_port=None, tls=None):
        self.base = Path(base)
        self.domain = domain
        self.port = free_port()
        self.relay_port = relay_port
        self.tls = tls
        self.process = None
        (self.base / "layers").mkdir(parents=True)
        shared = self.base / "shared"
        (shared / "mail").mkdir(parents=True)
        os.chmod(self.base, 0o755)
        os.chmod(shared / "mail", 0o777)
        if tls:
            shutil.copy(tls.certificate, shared / "cert.pem")
            shutil.copy(tls.key, shared / "key.pem")
            os.chmod(shared / "key.pem", 0o644)
        (shared / "configure").write_text(self.configure())
        (shared / "run").write_text(self.run())

    def configure(self):
        raise NotImplementedError

    def run(self):
        raise NotImplementedError

    def start(self):
        environment = dict(os.environ, BASE=str(self.base), PACKAGE=self.package)
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", SETUP], env=environment, stdin=subprocess.DEVNULL,
            stdout=open(self.base / "output.log", "wb"), stderr=subprocess.STDOUT, start_new_session=True,
        )
        wait_until(self.is_listening, f"{self.package} listens", 240, self.explain)
        return self

    def is_listening(self):
        assert self.process.poll() is None, self.explain()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.settimeout(5)
                return s.recv(3) == b"220"
        except OSError:
            return False

    def inside(self, *command, stdin=b""):
        """Runs a command in the peer's root."""
        child = next(p for p in self._descendants())
        return subprocess.run(
            ["nsenter", "-t", str(child), "-m", "-p", "chroot", str(self.base / "layers" / "root"), *command], input=stdin, capture_output=True, timeout=60
        )

    def _descendants(self):
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return [int(c) for c in children]

    def raw_messages(self, user):
        folder = self.base / "shared" / "mail" / user / "new"
        return [p.read_bytes() for p in sorted(folder.iterdir())] if folder.is_dir() else []

    def messages(self, user):
        return [BytesParser(policy=policy.default).parsebytes(raw) for raw in self.raw_messages(user)]

    def wait_for_mail(self, user, count=1):
        wait_until(lambda: len(self.raw_messages(user)) >= count, f"{count} message(s) for {user} at {self.package}", 60, self.explain)
        return self.messages(user)

    def explain(self):
        parts = []
        for path in [self.base / n for n in ("install.log", "configure.log", "output.log")] + sorted((self.base / "shared").glob("*.log")):
            if path.exists():
                parts.append(f"--- {path.name} ---\n{path.read_text(errors='replace')[-6000:]}")
        return "\n".join(parts)

    def stop(self):
        if self.process and self.process.poll() is None:
            # Killing the namespace's first process ends all in it.
            for child in self._descendants():
                os.kill(child, signal.SIGKILL)
            self.process.wait(20)


class Postfix(Peer):
    package = "postfix"

    def configure(self):
        settings = {
            "myhostname": f"mail.{self.domain}",
            "mydomain": self.domain,
            "myorigin": self.domain,
            "mydestination": "localhost",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "maillog_file": "/dev/stdout",
            "virtual_mailbox_domains": self.domain,
            "virtual_mailbox_base": "/srv/peer/mail",
            "virtual_uid_maps": "static:65534",
            "virtual_gid_maps": "static:65534",
            "relayhost": f"[127.0.0.1]:{self.relay_port}" if self.relay_port else "",
            "smtp_tls_security_level": "may" if self.tls else "none",
            "smtp_tls_loglevel": "1",
            "smtp_host_lookup": "native",
            "compatibility_level": "3.6",
        }
        if self.tls:
            settings |= {"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": "/srv/peer/cert.pem", "smtpd_tls_key_file": "/srv/peer/key.pem", "smtpd_tls_loglevel": "1"}
        settings["virtual_mailbox_maps"] = f"inline:{{ matt@{self.domain}=matt/, phil@{self.domain}=phil/ }}"
        lines = "".join(f"postconf -e '{name} = {value}'\n" for name, value in settings.items())
        return "set -e\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + lines + textwrap.dedent(
            f"""\
            postconf -F '*/*/chroot = n'
            postconf -M# smtp/inet
            postconf -M '127.0.0.1:{self.port}/inet=127.0.0.1:{self.port} inet n - n - - smtpd'
            postconf -M postlog/unix='postlog unix-dgram n - n - 1 postlogd'
            newaliases
            """
        )

    def run(self):
        return "exec /usr/sbin/postfix start-fg\n"


class Exim(Peer):
    package = "exim4-daemon-heavy"

    def configure(self):
        tls = "tls_advertise_hosts = *\ntls_certificate = /srv/peer/cert.pem\ntls_privatekey = /srv/peer/key.pem\n" if self.tls else "tls_advertise_hosts =\n"
        route = f"route_list = * 127.0.0.1::{self.relay_port}" if self.relay_port else "route_list = * 127.0.0.1::1"
        config = textwrap.dedent(
            f"""\
            primary_hostname = mail.{self.domain}
            domainlist local_domains = {self.domain}
            daemon_smtp_ports = {self.port}
            local_interfaces = 127.0.0.1
            disable_ipv6 = true
            log_file_path = /srv/peer/exim-%slog
            acl_smtp_rcpt = accept
            host_lookup =
            rfc1413_query_timeout = 0s
            trusted_users = nobody
            never_users =
            qualify_domain = {self.domain}
            dsn_advertise_hosts = *
            {{tls}}
            begin routers
            mailbox:
              driver = accept
              domains = +local_domains
              local_parts = matt : phil
              transport = maildir
            unknown:
              driver = redirect
              domains = +local_domains
              allow_fail
              data = :fail: Unrouteable address
            smarthost:
              driver = manualroute
              domains = ! +local_domains
              transport = smtp
              self = send
              {route}
            begin transports
            maildir:
              driver = appendfile
              directory = /srv/peer/mail/$local_part_data
              maildir_format
              delivery_date_add
              envelope_to_add
              return_path_add
              user = nobody
              group = nogroup
              create_directory
            smtp:
              driver = smtp
              hosts_try_auth =
              allow_localhost
            begin retry
            * * F,1h,5s
            """
        ).replace("{tls}", tls)
        return f"set -e\ncat > /etc/exim4/exim4.conf <<'END'\n{config}END\nchmod 644 /etc/exim4/exim4.conf\nmkdir -p /srv/peer; chmod 777 /srv/peer\n"

    def run(self):
        return "exec /usr/sbin/exim4 -bdf -q5s -oX %d -oP /run/exim.pid\n" % self.port
