"""The resolver service against a real NSD: every record type that mail uses, chains of CNAME records, and what DNSSEC says of an answer."""

import shutil
import socket
import struct
import subprocess

import pytest

from harness import PATIENCE, Instance, NameServer, wait_until

A, CNAME, PTR, MX, TXT, AAAA, TLSA = 1, 5, 12, 15, 16, 28, 52
SECURE, INSECURE, BOGUS = 0, 1, 2


class Resolver:
    """A client of the resolver protocol (ARCHITECTURE.md, "IPC catalogue")."""

    def __init__(self, instance):
        path = instance.queue / "private" / "resolver"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        # It has a name a moment before anybody listens.
        wait_until(lambda: self.socket.connect_ex(str(path)) == 0, "master listens at the socket", context=instance.explain)
        self.socket.sendall(b"N")
        self.stream = 0
        assert self.frame()[1] == 1, "the server greets"

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the resolver closed the connection"
            data += more
        return data

    def frame(self):
        size, stream, kind = struct.unpack("<IIB", self.exactly(9))
        return stream, kind, self.exactly(size)

    def ask(self, name, kind):
        """(response code, DNSSEC status, canonical name, list of resource data), or the text of a failure."""
        self.stream += 1
        payload = struct.pack("<I", len(name)) + name.encode() + struct.pack("<H", kind)
        self.socket.sendall(struct.pack("<IIB", len(payload), self.stream, 16) + payload)
        while True:
            stream, type_, data = self.frame()
            if stream == self.stream and type_ == 17:
                break
            if stream == self.stream and type_ == 18:
                return data.decode()
        code, security = struct.unpack_from("<HB", data)
        position = 3

        def text():
            nonlocal position
            (size,) = struct.unpack_from("<I", data, position)
            position += 4 + size
            return data[position - size : position]

        text()
        position += 4
        canonical = text().decode()
        (count,) = struct.unpack_from("<I", data, position)
        position += 4
        return code, security, canonical, sorted(text() for _ in range(count))


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


ZONE = """
@ MX 10 mx1
@ MX 20 mx2
@ TXT "v=spf1 -all" " more"
mx1 A 192.0.2.1
mx1 A 192.0.2.2
mx1 AAAA 2001:db8::1
mx2 A 192.0.2.3
_25._tcp.mx1 TLSA 3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899
alias CNAME chain
chain CNAME mx1
loop1 CNAME loop2
loop2 CNAME loop1
empty TXT "x"
"""


@pytest.fixture
def served(tmp_path):
    dns = NameServer(tmp_path / "dns", {"plain.test": ZONE, "2.0.192.in-addr.arpa": "1 PTR mx1.plain.test.\n"}).start()
    instance = Instance(tmp_path / "host", "mail.plain.test", dns_port=dns.port).start()
    yield instance
    instance.stop()
    dns.stop()


def test_every_type_that_mail_uses(served):
    resolver = Resolver(served)
    mx = lambda preference, name: struct.pack(">H", preference) + wire(name)
    assert resolver.ask("plain.test", MX) == (0, INSECURE, "", [mx(10, "mx1.plain.test"), mx(20, "mx2.plain.test")])
    assert resolver.ask("mx1.plain.test", A)[3] == [socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")]
    assert resolver.ask("mx1.plain.test", AAAA)[3] == [socket.inet_pton(socket.AF_INET6, "2001:db8::1")]
    assert resolver.ask("plain.test", TXT)[3] == [b"\x0bv=spf1 -all\x05 more"]
    assert resolver.ask("_25._tcp.mx1.plain.test", TLSA)[3] == [bytes.fromhex("030101" + "aabbccddeeff00112233445566778899" * 2)]
    assert resolver.ask("1.2.0.192.in-addr.arpa", PTR)[3] == [wire("mx1.plain.test")]
    assert resolver.ask("alias.plain.test", CNAME)[3] == [wire("chain.plain.test")]


def test_names_that_are_not_there_and_names_that_lead_on(served):
    resolver = Resolver(served)
    assert resolver.ask("nowhere.plain.test", A) == (3, INSECURE, "", [])
    assert resolver.ask("empty.plain.test", A) == (0, INSECURE, "", [])
    code, _, canonical, data = resolver.ask("alias.plain.test", A)
    assert (code, canonical, len(data)) == (0, "mx1.plain.test", 2)
    # A circle is an error of the zone, never an answer; the same resolver goes on.
    looped = resolver.ask("loop1.plain.test", A)
    assert isinstance(looped, str) or looped[3] == [], looped
    assert isinstance(resolver.ask("mx1.plain.test", 255), str), "a type that mail does not use"
    assert isinstance(resolver.ask("a..b", A), str), "no name"
    assert len(resolver.ask("mx1.plain.test", A)[3]) == 2


@pytest.mark.skipif(not shutil.which("ldns-signzone"), reason="needs ldnsutils")
def test_dnssec_status_of_signed_and_broken_zones(tmp_path):
    """mistakes-of-others: an answer that is bogus must never be used as if it were none."""
    base = tmp_path / "dns"
    base.mkdir()
    anchors = []
    zones = {}
    for zone in ("signed.test", "broken.test"):
        key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone], cwd=base, capture_output=True, check=True).stdout.decode().strip()
        text = f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 60\n@ NS ns.{zone}.\nns A 127.0.0.1\n@ MX 10 mx\nmx A 192.0.2.1\n"
        (base / "unsigned").write_text(text)
        subprocess.run(["ldns-signzone", "-f", "signed", "unsigned", key], cwd=base, capture_output=True, check=True)
        signed = (base / "signed").read_text()
        if zone == "broken.test":
            # The address is another than the signed one.
            assert "192.0.2.1" in signed
            signed = signed.replace("192.0.2.1", "192.0.2.66")
        zones[zone] = signed
        anchors.append((base / f"{key}.key").read_text())
    (base / "anchors").write_text("".join(anchors))
    dns = NameServer(base, {"plain.test": ZONE, **zones}).start()
    host = Instance(tmp_path / "host", "mail.plain.test", dns_port=dns.port, main={"resolver_trust_anchor_file": base / "anchors"}).start()
    try:
        resolver = Resolver(host)
        assert resolver.ask("signed.test", MX)[:2] == (0, SECURE)
        assert resolver.ask("mx.signed.test", A) == (0, SECURE, "", [socket.inet_aton("192.0.2.1")])
        assert resolver.ask("nowhere.signed.test", A)[:2] == (3, SECURE), "also the absence is proven"
        assert resolver.ask("mx1.plain.test", A)[1] == INSECURE
        code, security, _, data = resolver.ask("mx.broken.test", A)
        assert security == BOGUS and data == [], (code, security, data)
        # Mail for it waits; it is not returned.
        host.send("phil@plain.test", ["matt@broken.test"], "Subject: x\r\n\r\nx\r\n")
        host.wait_for_log(r"to=<matt@broken\.test>, .*dsn=4\.\d\.\d, status=deferred")
    finally:
        host.stop()
        dns.stop()
