"""A raw SMTP connection for the system tests: bytes out as they are written in the test, replies in as (code, text)."""

import socket
import ssl
import time

from harness import PATIENCE


class Dialogue:
    def __init__(self, port, greet=True, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.buffer = b""
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"connection closed; left over: {self.buffer!r}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a reply line ends in CR LF (RFC 5321 section 2.3.8): {line!r}"
        return line[:-1].decode()

    def reply(self):
        """One whole reply: (code, text with newlines between its lines)."""
        lines = []
        while True:
            line = self.line()
            assert line[:3].isdigit() and (line[3:4] in ("", " ", "-")), line
            lines.append(line)
            if line[3:4] != "-":
                assert len({l[:3] for l in lines}) == 1, lines
                return int(line[:3]), "\n".join(l[4:] for l in lines)

    def ask(self, command):
        """Sends a command line and returns the reply."""
        self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
        return self.reply()

    def expect(self, command, code, text=""):
        """Sends a command; its reply must have the code and begin with the text."""
        got = self.ask(command)
        assert got[0] == code and got[1].startswith(text), f"{command!r}: {got}, expected {code} {text}"
        return got[1]

    def ehlo(self):
        """The keywords with their parameters."""
        lines = self.expect("EHLO client.test", 250).split("\n")
        return {line.split(" ")[0]: line.split(" ")[1:] for line in lines[1:]}

    def at_end(self, patience=PATIENCE):
        """Whether the server closes the connection (everything before the end is dropped)."""
        self.socket.settimeout(patience)
        deadline = time.monotonic() + patience
        try:
            while time.monotonic() < deadline:
                if not self.socket.recv(65536):
                    return True
        except ConnectionResetError:
            return True
        except (TimeoutError, socket.timeout):
            return False
        return False

    def start_tls(self):
        self.expect("STARTTLS", 220, "2.0.0 ")
        self.wrap()

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def transaction(self, recipient, content, sender="phil@sender.test"):
        """MAIL, RCPT, DATA and the content as given; returns the final reply."""
        self.expect(f"MAIL FROM:<{sender}>", 250, "2.1.0 ")
        self.expect(f"RCPT TO:<{recipient}>", 250, "2.1.5 ")
        self.expect("DATA", 354)
        self.send(content)
        return self.reply()
