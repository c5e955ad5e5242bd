import DNSClient
import Testing

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
        ("2001:DB8::1", "2001:db8::1"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("::ffff:192.0.2.1", "::ffff:c000:201"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("0:0:1::", "0:0:1::"),
    ])
    func text(input: String, canonical: String) throws {
        let address = try #require(IPAddress(input))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
        #expect(IPAddress(bytes: address.bytes) == address)
    }

    @Test(arguments: [
        "", ".", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.+4", "1.2.3.4 ", " 1.2.3.4", "1..2.3",
        "0x1.2.3.4", "99999999999.1.1.1",
        ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1::", "1::2::3", "12345::", "g::", "fe80::1%eth0",
        "1:2:3:4:5:6:7:8::", "1.2.3.4::",
        "::1.2.3", "::1.2.3.4.5", "1:2:3:4:5:6:7:1.2.3.4",
    ])
    func refused(_ input: String) { #expect(IPAddress(input) == nil) }

    @Test(
        arguments: [
            ("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1"), ("[ipv6:::1]", "::1"), ("[::1]", "::1"),
            ("[IPv6:192.0.2.1]", nil), ("[]", nil), ("[", nil), ("]", nil), ("192.0.2.1", nil), ("[example.org]", nil), ("[IPv6:]", nil),
            ("[tag:text]", nil),
        ] as [(String, String?)])
    func literals(input: String, expected: String?) { #expect(IPAddress(literal: Array(input.utf8))?.description == expected) }

    @Test func literalOfAnAddress() {
        #expect(IPAddress("192.0.2.1")?.literal == "[192.0.2.1]")
        #expect(IPAddress("2001:db8::1")?.literal == "[IPv6:2001:db8::1]")
    }

    @Test func mappedAddressStandsForIPv4() {
        #expect(IPAddress("::ffff:192.0.2.1")?.unmapped == IPAddress("192.0.2.1"))
        #expect(IPAddress("::192.0.2.1")?.unmapped == IPAddress("::192.0.2.1"))
    }

    @Test(arguments: [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    ])
    func reverseNames(input: String, name: String) { #expect(IPAddress(input)?.reverseName.text == name) }

    @Test func everyByteStringOfOtherLengthsIsRefused() {
        for count in 0...40 where count != 4 && count != 16 { #expect(IPAddress(bytes: [UInt8](repeating: 7, count: count)) == nil) }
    }
}
