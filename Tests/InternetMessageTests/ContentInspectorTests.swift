import InternetMessage
import MailModel
import Testing

@Suite struct ContentInspectorTests {
    private func facts(header: String, body: [UInt8], size: Int) -> ContentFacts {
        var inspector = ContentInspector()
        inspector.inspect(Array(header.utf8)[...])
        inspector.beginBody()
        var start = 0
        while start < body.count {
            let end = min(start + size, body.count)
            inspector.inspect(body[start..<end])
            start = end
        }
        return inspector.result
    }

    @Test(
        arguments: [
            ("A: b\r\n\r\n", "plain text of some length, longer than a word\r\n", ContentFacts([])),
            ("A: b\r\n\r\n", "", []),
            ("A: b\r\n\r\n", "no end", .unterminated),
            ("A: b\r\n\r\n", "gr\u{FC}n\r\n", .eightBitBody),
            ("A: gr\u{FC}n\r\n\r\n", "plain\r\n", .eightBitHeader),
            ("A: gr\u{FC}n\r\n\r\n", "gr\u{FC}n\r\n", [.eightBitHeader, .eightBitBody]),
            ("A: b\r\n\r\n", ".\r\nsome text\r\n", .leadingDots),
            ("A: b\r\n\r\n", "some.text\r\n.more\r\n", .leadingDots),
            ("A: b\r\n\r\n", "bare\nlf\r\n", .binary),
            ("A: b\r\n\r\n", "ends in bare lf\n", [.binary, .unterminated]),
            ("A: b\r\n\r\n", "bare\rcr\r\n", .binary),
            ("A: b\r\n\r\n", "ends in cr\r", [.binary, .unterminated]),
            ("A: b\r\n\r\n", "cr cr lf\r\r\n", .binary),
            ("A: b\r\n\r\n", "nul \0 here and on\r\n", .binary),
            ("A: b\r\n\r\n", String(repeating: "x", count: 998) + "\r\n", []),
            ("A: b\r\n\r\n", String(repeating: "x", count: 999) + "\r\n", .longLines),
            ("A: b\r\n\r\n", "a\r\n" + String(repeating: "x", count: 1200), [.longLines, .unterminated]),
            ("A: b\r\n\r\n", "tab\tin the middle of a text and a \u{7F} too\r\n", []),
        ] as [(String, String, ContentFacts)])
    func table(header: String, body: String, expected: ContentFacts) {
        for size in [1, 2, 3, 8, 9, 64, 5000] {
            #expect(facts(header: header, body: Array(body.utf8), size: size) == expected)
        }
    }

    @Test func everyPositionOfAByteIsSeen() {
        for position in 0..<40 {
            for (byte, fact) in [(UInt8(0x80), ContentFacts.eightBitBody), (0, .binary), (10, .binary)] {
                var body = Array(String(repeating: "m", count: 40).utf8)
                body[position] = byte
                #expect(facts(header: "", body: body + [13, 10], size: 1000).contains(fact))
            }
        }
    }
}
