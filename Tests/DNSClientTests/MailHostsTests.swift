import DNSClient
import MailIPC
import MailModel
import Testing

@Suite struct MailHostsTests {
    static let zone: FakeDNS = {
        var dns = FakeDNS()
        dns.mx("two.test", [(20, "b.two.test"), (10, "a.two.test"), (10, "c.two.test")])
        dns.mx("null.test", [(0, "")])
        dns.mx("half-null.test", [(0, ""), (5, "a.two.test")])
        dns.mx("numbers.test", [(10, "192.0.2.1")])
        dns.mx("mixed.test", [(1, "192.0.2.1"), (10, "a.two.test")])
        dns.mx("ghost.test", [(10, "gone.two.test")])
        dns.mx("halfghost.test", [(10, "gone.two.test"), (20, "servfail.test")])
        dns.mx("signed.test", [(10, "signed.test")], security: .secure)
        dns.mx("shared.test", [(10, "a.two.test"), (20, "alias.two.test")])
        dns.addresses("a.two.test", ["192.0.2.1", "2001:db8::1"])
        dns.addresses("alias.two.test", ["192.0.2.1", "192.0.2.9"])
        dns.addresses("b.two.test", ["192.0.2.2"])
        dns.addresses("c.two.test", ["192.0.2.3"])
        dns.addresses("signed.test", ["192.0.2.4"], security: .secure)
        dns.addresses("implicit.test", ["192.0.2.5"])
        dns.add("text.test", .txt, [[1, 0x61]])
        dns.failure("servfail.test", .mx)
        dns.failure("servfail.test", .a)
        dns.failure("servfail.test", .aaaa)
        dns.failure("refused.test", .mx, code: DNSResponseCode.refused)
        dns.failure("bogus.test", .mx, bogus: true)
        dns.failure("halffail.test", .aaaa)
        dns.add("halffail.test", .a, [[192, 0, 2, 6]])
        dns.failure("onefamily.test", .aaaa)
        dns.add("onefamily.test", .a, [])
        dns.add("broken.test", .mx, [[0]])
        dns.unreachable = [host("away.test")]
        return dns
    }()

    private func describe(_ result: DestinationResult) -> String {
        switch result {
        case .addresses(let list):
            list.map { "\($0.preference):\($0.host)[\($0.address)]\($0.isSecure ? "+" : "")" }.joined(separator: " ")
        case .failure(let failure): "\(failure.status) \(failure.reason)"
        }
    }
    private static let prefix = "Host or domain name not found. Name service error for name="

    @Test(arguments: [
        ("null.test", "5.1.10 Domain null.test does not accept mail (nullMX)"),
        ("nowhere.test", "5.4.4 \(prefix)nowhere.test type=MX: Host not found"),
        ("servfail.test", "4.4.3 \(prefix)servfail.test type=MX: Host not found, try again"),
        ("refused.test", "4.4.3 \(prefix)refused.test type=MX: Host not found, try again"),
        ("bogus.test", "4.4.3 \(prefix)bogus.test type=MX: DNSSEC validation failure: signature expired"),
        ("away.test", "4.4.3 \(prefix)away.test type=MX: connection to resolver lost"),
        ("broken.test", "4.4.3 \(prefix)broken.test type=MX: Malformed or unexpected name server reply"),
        ("numbers.test", "5.4.4 \(prefix)numbers.test type=MX: Malformed or unexpected name server reply"),
        ("text.test", "5.4.4 \(prefix)text.test type=A: Host found but no data record of requested type"),
        ("ghost.test", "5.4.4 \(prefix)gone.two.test type=A: Host not found"),
        ("halfghost.test", "4.4.3 \(prefix)servfail.test type=AAAA: Host not found, try again"),
        ("onefamily.test", "4.4.3 \(prefix)onefamily.test type=AAAA: Host not found, try again"),
        ("implicit.test", "0:implicit.test[192.0.2.5]"),
        ("halffail.test", "0:halffail.test[192.0.2.6]"),
        ("signed.test", "10:signed.test[192.0.2.4]+"),
        ("shared.test", "10:a.two.test[2001:db8::1] 10:a.two.test[192.0.2.1] 20:alias.two.test[192.0.2.9]"),
    ])
    func destinations(domain: String, expected: String) async {
        var generator = SeededGenerator(state: 1)
        let result = await DNSLookup(Self.zone).destination(domain: host(domain), preferring: .ipv6, using: &generator)
        #expect(describe(result) == expected)
    }

    @Test func exchangersThatAreNoHostsArePassedOver() async {
        var generator = SeededGenerator(state: 1)
        for domain in ["half-null.test", "mixed.test"] {
            let result = await DNSLookup(Self.zone).destination(domain: host(domain), families: .ipv4, using: &generator)
            #expect(describe(result).hasSuffix(":a.two.test[192.0.2.1]"))
        }
    }

    /// Kumo 2025.12: the list of exchangers was tried in reverse.
    @Test func preferenceComesBeforeChance() async {
        var firsts: Set<String> = []
        for seed in 0..<64 {
            var generator = SeededGenerator(state: UInt64(seed))
            let result = await DNSLookup(Self.zone).destination(domain: host("two.test"), using: &generator)
            guard case .addresses(let list) = result else {
                Issue.record("no addresses")
                return
            }
            #expect(list.map(\.preference) == [10, 10, 10, 20])
            firsts.insert(list[0].address.description)
        }
        #expect(firsts == ["192.0.2.1", "2001:db8::1", "192.0.2.3"])
    }

    @Test(arguments: [(AddressPreference.ipv4, false), (.ipv6, true)])
    func preferredFamilyIsFirst(preference: AddressPreference, isIPv6: Bool) async {
        for seed in 0..<16 {
            var generator = SeededGenerator(state: UInt64(seed))
            let result = await DNSLookup(Self.zone).destination(host: host("a.two.test"), preferring: preference, using: &generator)
            guard case .addresses(let list) = result else {
                Issue.record("no addresses")
                return
            }
            #expect(list.map(\.address.isIPv6) == [isIPv6, !isIPv6])
        }
    }

    @Test func exchangersWithoutAddressMayDefer() async {
        var generator = SeededGenerator(state: 1)
        let result = await DNSLookup(Self.zone).destination(domain: host("ghost.test"), defersWithoutAddress: true, using: &generator)
        #expect(describe(result).hasPrefix("4.4.4 "))
    }

    @Test(
        arguments: [
            ("example.org", NextHop(.domain(host("example.org")))), ("Example.org:587", NextHop(.domain(host("example.org")), port: 587)),
            ("[mx.example.org]", NextHop(.host(host("mx.example.org")))),
            ("[mx.example.org]:submission", NextHop(.host(host("mx.example.org")), port: 587)),
            ("[192.0.2.1]:2525", NextHop(.address(.v4(0xC000_0201)), port: 2525)), ("[::1]:24", NextHop(.address(.v6(0, 1)), port: 24)),
            ("[IPv6:::1]", NextHop(.address(.v6(0, 1)))), ("unix:private/lmtp", NextHop(.unixSocket("private/lmtp"))),
            ("inet:mail.example:24", NextHop(.domain(host("mail.example")), port: 24)),
            ("", nil), ("[", nil), ("[]", nil), ("[a", nil), ("[a]b", nil), ("[a]:", nil), ("[a]:0", nil), ("[a]:65536", nil), ("a:", nil),
            ("a:b", nil), (":25", nil), ("192.0.2.1", nil), ("unix:", nil), ("a b", nil), ("::1", nil),
        ] as [(String, NextHop?)])
    func nextHops(text: String, expected: NextHop?) { #expect(NextHop(text) == expected) }

    @Test func clientNames() async throws {
        var dns = FakeDNS()
        func pointer(_ address: String, _ names: [String]) throws {
            dns.add(try #require(IPAddress(address)).reverseName.text, .ptr, names.map(wire))
        }
        try pointer("192.0.2.1", ["good.test"])
        try pointer("192.0.2.2", ["good.test"])
        try pointer("192.0.2.3", ["other.test", "good.test"])
        try pointer("192.0.2.4", ["bad name.test"])
        try pointer("192.0.2.5", ["fails.test"])
        try pointer("2001:db8::1", ["good.test"])
        dns.addresses("good.test", ["192.0.2.1", "192.0.2.3", "2001:db8::1"])
        dns.failure("fails.test", .a)
        dns.failure("6.2.0.192.in-addr.arpa", .ptr)
        let expected: [(String, ClientName)] = [
            ("192.0.2.1", .verified(host("good.test"))), ("192.0.2.2", .unverified(host("good.test"))),
            ("192.0.2.3", .verified(host("good.test"))), ("192.0.2.4", .none), ("192.0.2.5", .temporaryFailure(host("fails.test"))),
            ("192.0.2.6", .temporaryFailure(nil)), ("192.0.2.7", .none), ("2001:db8::1", .verified(host("good.test"))),
            ("::ffff:192.0.2.1", .verified(host("good.test"))),
        ]
        for (text, name) in expected {
            let address = try #require(IPAddress(text))
            #expect(await DNSLookup(dns).clientName(of: address) == name, "\(text)")
        }
    }

    @Test func framesOfTheResolver() throws {
        let answer = DNSAnswer(responseCode: 0, data: [[1]])
        #expect(try DNSAnswer(frame: IPCFrame(stream: 1, type: ResolverFrame.answer, payload: answer.encoded)) == answer)
        #expect(throws: DNSQueryError("timed out")) {
            try DNSAnswer(frame: IPCFrame(stream: 1, type: ResolverFrame.failed, payload: Array("timed out".utf8)))
        }
        #expect(throws: DNSQueryError.self) { try DNSAnswer(frame: IPCFrame(stream: 1, type: ResolverFrame.answer, payload: [1])) }
        #expect(throws: DNSQueryError.self) { try DNSAnswer(frame: IPCFrame(stream: 1, type: 99, payload: answer.encoded)) }
    }
}
