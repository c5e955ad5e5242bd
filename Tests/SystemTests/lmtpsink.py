"""An LMTP server (RFC 2033) that keeps what it gets; one answer for each recipient after the message."""

import socketserver
import threading


class LMTPSink:
    def __init__(self, refused=()):
        self.refused = set(refused)
        self.messages = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.say("220 sink.test LMTP")
                sender, recipients = None, []
                while line := self.rfile.readline().decode(errors="replace").rstrip("\r\n"):
                    verb = line[:4].upper()
                    if verb == "LHLO":
                        self.say("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME")
                    elif verb == "MAIL":
                        sender, recipients = line, []
                        self.say("250 2.1.0 ok")
                    elif verb == "RCPT":
                        recipients.append(line.split("<", 1)[1].split(">", 1)[0])
                        self.say("250 2.1.5 ok")
                    elif verb == "DATA":
                        self.say("354 go on")
                        content = b""
                        while (part := self.rfile.readline()) not in (b".\r\n", b""):
                            content += part[1:] if part.startswith(b".") else part
                        for recipient in recipients:
                            if recipient in outer.refused:
                                self.say("550 5.1.1 no such mailbox")
                            else:
                                outer.messages.append((sender, recipient, content))
                                self.say(f"250 2.0.0 kept {len(outer.messages)}")
                    elif verb == "QUIT":
                        return self.say("221 2.0.0 bye")
                    else:
                        self.say("250 2.0.0 ok")

            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
