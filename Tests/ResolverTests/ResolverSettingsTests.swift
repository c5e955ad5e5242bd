import DNSClient
import MailConfiguration
import Testing

@testable import Resolver

@Suite struct ResolverSettingsTests {
    @Test(
        arguments: [
            ("127.0.0.1", "127.0.0.1@53"), ("127.0.0.1@5353", "127.0.0.1@5353"), ("::1@53", "::1@53"),
            ("[2001:db8::1]@8053", "2001:db8::1@8053"),
            ("[::1]", "::1@53"), ("", nil), ("@", nil), ("localhost", nil), ("127.0.0.1@", nil), ("127.0.0.1@0", nil),
            ("127.0.0.1@65536", nil),
            ("127.0.0.1@a", nil), ("127.0.0.1:53", nil), ("127.0.0.1@53@54", nil), ("fe80::1%eth0", nil),
        ] as [(String, String?)])
    func nameServers(text: String, expected: String?) { #expect(NameServer(text)?.description == expected) }

    @Test func resolvConf() {
        let text = """
            # nameserver 192.0.2.9
            search example.org
            nameserver 192.0.2.1
            \tnameserver 192.0.2.2 trailing words
            nameserver fe80::1%eth0
            nameserver
            nameserver ::1
            nameservers 192.0.2.7
            nameserver 192.0.2.3
            """
        #expect(NameServer.inResolvConf(Array(text.utf8)).map(\.description) == ["192.0.2.1@53", "192.0.2.2@53", "::1@53"])
        #expect(NameServer.inResolvConf([0xFF, 0x0A, 0x00]).isEmpty)
    }

    @Test func parametersComeBeforeTheSystem() throws {
        let files = ["/etc/resolv.conf": "nameserver 192.0.2.1\n", "/etc/hosts": "192.0.2.8 printer\n"]
        let read = { (path: String) in files[path].map { Array($0.utf8) } }
        let given = try ResolverSettings(try Configuration(text: "resolver_nameservers = 127.0.0.1@5353 ::1"), read: read)
        #expect(given.nameServers.map(\.description) == ["127.0.0.1@5353", "::1@53"])
        #expect(given.areServersExplicit)
        let system = try ResolverSettings(try Configuration(text: ""), read: read)
        #expect(system.nameServers.map(\.description) == ["192.0.2.1@53"])
        #expect(!system.areServersExplicit)
        let nothing = try ResolverSettings(try Configuration(text: ""), read: { _ in nil })
        #expect(nothing.nameServers.isEmpty)
        #expect(throws: ResolverSettings.InvalidServer.self) {
            try ResolverSettings(try Configuration(text: "resolver_nameservers = ns.example.org"), read: read)
        }
    }
}

@Suite struct HostsFileTests {
    static let table = HostsFile(
        Array(
            """
            # comment
            127.0.0.1\tlocalhost   # with a comment 192.0.2.1
            127.0.1.1 vm.example.org vm
            192.0.2.8 Printer printer.lan
            2001:db8::8 printer
            192.0.2.8 other
            nonsense entry
            192.0.2.9
            192.0.2.10 bad/name good
            """.utf8))

    private func texts(_ name: String, _ type: DNSRecordType) -> [String]? {
        guard let name = DomainName(name), let answer = Self.table.answer(DNSQuestion(name, type)) else { return nil }
        return answer.data.map { data in
            type == .ptr ? ResourceData.name(data)?.text ?? "malformed" : IPAddress(bytes: data)?.description ?? "malformed"
        }
    }

    @Test(
        arguments: [
            ("localhost", DNSRecordType.a, ["127.0.0.1"]), ("localhost", .aaaa, nil), ("vm", .a, ["127.0.1.1"]),
            ("VM.example.org", .a, ["127.0.1.1"]),
            ("printer", .a, ["192.0.2.8"]), ("printer", .aaaa, ["2001:db8::8"]), ("printer", .mx, nil),
            ("entry", .a, nil), ("good", .a, ["192.0.2.10"]),
            ("8.2.0.192.in-addr.arpa", .ptr, ["printer"]), ("1.0.0.127.in-addr.arpa", .ptr, ["localhost"]),
            ("9.2.0.192.in-addr.arpa", .ptr, nil),
        ] as [(String, DNSRecordType, [String]?)])
    func answers(name: String, type: DNSRecordType, expected: [String]?) { #expect(texts(name, type) == expected) }

    @Test func localhostIsKnownWithoutAFile() throws {
        let name = try #require(DomainName("localhost"))
        let table = HostsFile([])
        #expect(table.answer(DNSQuestion(name, .a))?.data == [[127, 0, 0, 1]])
        #expect(table.answer(DNSQuestion(name, .aaaa))?.data == [[UInt8](repeating: 0, count: 15) + [1]])
    }
}
