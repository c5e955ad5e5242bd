import InternetMessage
import MailModel
import Testing

@Suite struct AddressListParserTests {
    private func addresses(_ text: String) -> [String] {
        AddressListParser.parse(text.utf8).addresses.map { String(decoding: $0.address.internalForm, as: UTF8.self) }
    }

    @Test(
        arguments: [
            ("a@b", ["a@b"]),
            ("a@b, c@d", ["a@b", "c@d"]),
            ("a@b,,  ,c@d,", ["a@b", "c@d"]),
            ("Bob <a@b>", ["a@b"]),
            ("\"Smith, Bob\" <a@b>, c", ["a@b", "c"]),
            ("Bob (the, builder) <a@b>", ["a@b"]),
            ("a(comment (nested) \\) more)@b", ["a@b"]),
            ("undisclosed-recipients:;", []),
            ("Friends: a@b, Bob <c@d>;, e@f", ["a@b", "c@d", "e@f"]),
            ("<@x,@y:a@b>", ["a@b"]),
            ("\"a b\"@c", ["a b@c"]),
            ("\"a\\\"b\"@c", ["a\"b@c"]),
            ("a . b @ c . d", ["a.b@c.d"]),
            ("a@[127.0.0.1]", ["a@[127.0.0.1]"]),
            ("a@[IPv6:::1], b@c", ["a@[IPv6:::1]", "b@c"]),
            ("<>", [""]),
            ("a@b\r\n ,\r\n\tc@d", ["a@b", "c@d"]),
            ("Bob Smith", ["Bob Smith"]),
            ("j\u{F6}rg@gr\u{FC}n.example", ["j\u{F6}rg@gr\u{FC}n.example"]),
            ("a@b@c", ["a@b@c"]),
            ("<a@b, c@d", ["a@b", "c@d"]),
            ("a@", []),
            ("@b", []),
            ("", []),
            ("|/bin/sh", ["|/bin/sh"]),
        ] as [(String, [String])])
    func table(text: String, expected: [String]) { #expect(addresses(text) == expected) }

    @Test func namesGroupsAndRanges() throws {
        let text = "G: \"Q. Name\" <a@b>;, J\u{F6}rg  K <c>"
        let list = AddressListParser.parse(text.utf8)
        try #require(list.addresses.count == 2)
        #expect(list.addresses[0].displayName == Array("Q. Name".utf8) && list.addresses[0].group == Array("G".utf8))
        #expect(list.addresses[1].displayName == Array("J\u{F6}rg K".utf8) && list.addresses[1].group == nil)
        let bytes = Array(text.utf8)
        #expect(list.addresses.map { String(decoding: bytes[$0.range], as: UTF8.self) } == ["a@b", "c"])
        #expect(list.malformedCount == 0)
        #expect(AddressListParser.parse("none:;".utf8).emptyGroups == [Array("none".utf8)])
    }

    @Test(arguments: ["\"open", "a@b (open", "a@[1.2", "a@b>", "a@", "<a@b> trailing"])
    func malformedIsCounted(text: String) { #expect(AddressListParser.parse(text.utf8).malformedCount > 0) }

    @Test func isBounded() {
        let list = AddressListParser.parse(Array(String(repeating: "a@b,", count: 50).utf8), limit: 10)
        #expect(list.addresses.count == 10 && list.isTruncated)
        #expect(AddressListParser.parse(String(repeating: "(", count: 100_000).utf8).malformedCount == 1)
        // An obsolete route without an end must not cost more than its length.
        #expect(AddressListParser.parse(("<" + String(repeating: "@a,", count: 50_000)).utf8).addresses.isEmpty)
    }

    @Test func anyBytesAreTaken() {
        var state: UInt64 = 7
        let alphabet = Array("ab@<>,;:.\"\\()[] \r\n\0".utf8) + [200]
        for _ in 0..<2000 {
            let bytes = (0..<30).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return alphabet[Int(state >> 33) % alphabet.count]
            }
            for listed in AddressListParser.parse(bytes).addresses { #expect(listed.range.upperBound <= bytes.count) }
            _ = AddressCompletion(origin: "o.example", domain: "d").complete(addressList: bytes[...])
        }
    }
}
