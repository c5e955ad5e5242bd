"""A mail host that greylists: the first RCPT for an address in `grey` is answered 450, later ones are taken (aiosmtpd)."""

from aiosmtpd.controller import Controller

from harness import free_port


class Greylister:
    def __init__(self, grey):
        self.grey = set(grey)
        self.seen = set()
        self.accepted = []
        self.refused = 0
        self.port = free_port()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, server_hostname="mail.third.test")

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.grey and address not in self.seen:
            self.seen.add(address)
            self.refused += 1
            return "450 4.2.0 <%s>: Recipient address rejected: Greylisted" % address
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        self.accepted.extend(envelope.rcpt_tos)
        return "250 2.0.0 Ok"

    def start(self):
        self.controller.start()
        return self

    def stop(self):
        self.controller.stop()
