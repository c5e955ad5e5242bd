"""The two that are compared, each with its queue, mailboxes and log under one directory of the same file system, and the same settings:
Debian's defaults for Postfix, Martlet's own, and in both only what SHARED says. Durability is the default of both: nothing is switched
off.

Postfix runs in a root of its own (peers.py); its programs are on a tmpfs, what it writes is not."""

import os
import shutil
from pathlib import Path

import peers
from harness import Instance, wait_until
from load import FAN

PATIENCE = 600
SHARED = {
    "smtpd_peername_lookup": "no",
    "smtp_tls_security_level": "none",
    "smtpd_tls_security_level": "none",
    "local_recipient_maps": "$alias_maps",
    "smtpd_recipient_limit": "1000",
}
# smtpd looks up whole addresses in a pattern table, local the local part. smtp-source puts a number before the local part.
ALIASES = "/^[0-9]*matt/ {mail}/matt/\n"
# The message to many recipients: each domain has a next hop of its own, so that each is a destination of its own.
TRANSPORTS = "".join(f"d{n}.test smtp:[127.0.1.{n + 1}]:{{port}}\n" for n in range(FAN))


class Martlet:
    name = "Martlet"
    accept_parameters = {}

    def __init__(self, base, relay_port, fan_port):
        self.base = base / "martlet"
        self.relay_port = relay_port
        self.instance = Instance(self.base, "mail.receiver.test", main=SHARED)
        (self.instance.config / "regexp").write_text(ALIASES.format(mail=self.instance.mail))
        (self.instance.config / "transport").write_text(TRANSPORTS.format(port=fan_port))
        self.transports = f"texthash:{self.instance.config}/transport"
        self.instance.set(alias_maps=f"regexp:{self.instance.config}/regexp", relayhost=f"[127.0.0.1]:{relay_port}")
        self.mail, self.queue, self.log_path = self.instance.mail, self.instance.queue, self.instance.log_path
        self.extra = {}

    def start(self):
        self.instance.start()
        self.port = self.instance.port
        return self

    def root_pid(self):
        return self.instance.process.pid

    def certificate_paths(self, tls):
        return tls.certificate, tls.key

    def configure(self, empties=False, relay_port=None, **parameters):
        """Restarts with these parameters beside the usual ones, and with an empty queue if asked to."""
        self.instance.stop()
        if empties:
            shutil.rmtree(self.queue)
            self.queue.mkdir()
        for name in self.extra:
            self.instance.settings.pop(name, None)
        self.extra = parameters
        self.instance.set(relayhost=f"[127.0.0.1]:{relay_port or self.relay_port}", **parameters)
        self.instance.start()

    def stop_for_a_while(self):
        self.instance.stop()

    def start_again(self):
        self.instance.start()

    def list_queue(self):
        return self.instance.command("postqueue", "-p", check=0).stdout

    def queue_length(self):
        # Names: one that is moved meanwhile is seen in both directories.
        return len({name for d in ("maildrop", "incoming", "deferred") for _, _, files in os.walk(self.queue / d) for name in files})

    def stop(self):
        self.instance.stop()

    def explain(self):
        return self.instance.explain()


class BenchedPostfix(peers.Postfix):
    """Queue, mailboxes and log are under shared/, which is of the real file system, not under the tmpfs of its root."""

    def configure(self):
        settings = SHARED | {
            "relayhost": f"[127.0.0.1]:{self.relay_port}",
            "queue_directory": "/srv/peer/queue",
            "maillog_file": "/srv/peer/mail.log",
            "maillog_file_prefixes": "/srv",
            "mydestination": f"{self.domain}, localhost",
            "virtual_mailbox_domains": "",
            "virtual_mailbox_maps": "",
            "alias_maps": "regexp:/srv/peer/regexp",
        }
        (self.base / "shared" / "regexp").write_text(ALIASES.format(mail="/srv/peer/mail"))
        lines = "".join(f"postconf -e '{name} = {value}'\n" for name, value in settings.items())
        return "cp -a /var/spool/postfix /srv/peer/queue\n" + super().configure() + lines

    def run(self):
        # Started again after each `postfix stop`, as soon as it may.
        return "while :; do\n  /usr/sbin/postfix start-fg\n  while [ -e /srv/peer/pause ]; do sleep 0.02; done\ndone\n"


class Postfix:
    name = "Postfix"
    # Postfix pauses an smtpd for a second when mail comes in faster than it goes out: right in life, but an accept run would measure that.
    accept_parameters = {"in_flow_delay": "0s"}

    def __init__(self, base, relay_port, fan_port):
        self.relay_port = relay_port
        self.peer = BenchedPostfix(base / "postfix", "receiver.test", relay_port=relay_port)
        self.shared = base / "postfix" / "shared"
        (self.shared / "transport").write_text(TRANSPORTS.format(port=fan_port))
        self.transports = "texthash:/srv/peer/transport"
        self.mail, self.queue, self.log_path = self.shared / "mail", self.shared / "queue", self.shared / "mail.log"
        self.extra = {}

    def start(self):
        self.peer.start()
        self.port = self.peer.port
        return self

    def root_pid(self):
        return self.peer.process.pid

    def certificate_paths(self, tls):
        for path in (tls.certificate, tls.key):
            shutil.copy(path, self.shared / path.name)
        return f"/srv/peer/{tls.certificate.name}", f"/srv/peer/{tls.key.name}"

    def run(self, *command):
        result = self.peer.inside("/usr/sbin/" + command[0], *command[1:])
        assert result.returncode == 0, f"{command}: {result.stderr.decode()}"
        return result.stdout

    def configure(self, empties=False, relay_port=None, **parameters):
        if empties:
            self.run("postsuper", "-d", "ALL")
        # As Martlet; and after a reload a process of before may serve one more client.
        self.stop_for_a_while()
        if self.extra:
            self.run("postconf", "-X", *self.extra)
        self.extra = parameters
        settings = {"relayhost": f"[127.0.0.1]:{relay_port or self.relay_port}", **parameters}
        self.run("postconf", "-e", *(f"{name} = {value}" for name, value in settings.items()))
        self.start_again()

    def stop_for_a_while(self):
        (self.shared / "pause").touch()
        self.run("postfix", "stop")

    def start_again(self):
        (self.shared / "pause").unlink()
        wait_until(self.peer.is_listening, "Postfix listens", PATIENCE, self.explain)

    def list_queue(self):
        return self.run("postqueue", "-p")

    def queue_length(self):
        return sum(len(files) for d in ("maildrop", "incoming", "active", "deferred") for _, _, files in os.walk(self.queue / d))

    def stop(self):
        self.peer.stop()

    def explain(self):
        return self.peer.explain()
