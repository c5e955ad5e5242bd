import DNSClient
import Testing

@Suite struct DomainNameTests {
    @Test(
        arguments: [
            ("example.org", "example.org"), ("EXAMPLE.Org.", "example.org"), ("localhost", "localhost"),
            ("_dmarc.example.org", "_dmarc.example.org"),
            ("bücher.example", "xn--bcher-kva.example"), ("пример.test", "xn--e1afmkfd.test"),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            ("他们为什么不说中文.example", "xn--ihqwcrb4cv8a8dqg056pqjye.example"), ("1.example", "1.example"),
            ("3com.example.2a", "3com.example.2a"),
            ("", nil), (".", nil), ("..", nil), (".example", nil), ("a..b", nil),
            ("a b", nil), ("-a.example", nil), ("a-.example", nil),
            ("192.0.2.1", nil), ("example.1", nil), ("a\u{0}b.example", nil), ("[192.0.2.1]", nil), ("a/b.example", nil), ("a@b", nil),
            ("ex\u{7F}ample", nil),
        ] as [(String, String?)])
    func fromText(input: String, expected: String?) { #expect(DomainName(input)?.text == expected) }

    @Test func lengthsAreBounded() {
        let label = String(repeating: "a", count: 63)
        #expect(DomainName(label + ".example") != nil)
        #expect(DomainName(label + "a.example") == nil)
        #expect(DomainName("\(label).\(label).\(label).\(String(repeating: "b", count: 61))") != nil)
        #expect(DomainName("\(label).\(label).\(label).\(String(repeating: "b", count: 62))") == nil)
        #expect(DomainName(String(repeating: "ü", count: 126) + ".example") == nil)
        #expect(DomainName(String(repeating: "\u{10FFFF}", count: 62)) == nil)
    }

    @Test func malformedUTF8IsRefused() { #expect(DomainName(domain: [0x61, 0xFF, 0x2E, 0x62]) == nil) }

    @Test(
        arguments: [
            ([0], ""), ([3, 0x4D, 0x58, 0x31, 1, 0x61, 0], "mx1.a"), ([1, 0x2E, 0], "\\046"), ([2, 0x00, 0xFF, 0], "\\000\\255"),
            ([], nil), ([1], nil), ([1, 0x61], nil), ([0, 0], nil), ([0xC0, 0x0C], nil), ([0x40, 0], nil), ([5, 0x61, 0x62, 0], nil),
            ([1, 0x61, 0, 0], nil),
        ] as [([UInt8], String?)])
    func fromWire(input: [UInt8], expected: String?) {
        #expect(DomainName(wire: input)?.text == expected)
        if let name = DomainName(wire: input) { #expect(DomainName(wire: name.wire) == name) }
    }

    @Test func wireNamesOver255OctetsAreRefused() {
        let label = [UInt8(63)] + [UInt8](repeating: 0x61, count: 63)
        let longest = label + label + label + [61] + [UInt8](repeating: 0x62, count: 61) + [0]
        #expect(longest.count == 255)
        #expect(DomainName(wire: longest) != nil)
        #expect(DomainName(wire: label + label + label + [62] + [UInt8](repeating: 0x62, count: 62) + [0]) == nil)
        #expect(DomainName(wire: label + label + label + label + label + [0]) == nil)
    }

    @Test func escapedNamesAndTheRootAreNoHosts() {
        #expect(DomainName(wire: [1, 0x2E, 0])?.isHostName == false)
        #expect(DomainName(wire: [0])?.isHostName == false)
        #expect(DomainName(wire: [0])?.isRoot == true)
        #expect(DomainName(wire: [1, 0x61, 0])?.isHostName == true)
    }
}
