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

    /// Against a reader that takes one byte at a time, over lines of all lengths around the steps in which text is taken.
    @Test func theFastWayKnowsWhatTheSlowOneKnows() {
        var state: UInt64 = 20_261_126
        func random(_ limit: UInt64) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % limit)
        }
        let odd: [[UInt8]] = [[13], [10], [46], [9], [0], [0xE4], [13, 13, 10], [127], [14], [13, 10, 46]]
        for _ in 0..<4000 {
            var body: [UInt8] = []
            for _ in 0..<random(6) {
                body += [UInt8](repeating: 109, count: random(90))
                if random(4) == 0 { body += odd[random(UInt64(odd.count))] + [UInt8](repeating: 110, count: random(40)) }
                if random(9) > 0 { body += [13, 10] }
            }
            var slow = ContentInspector(inBody: true)
            for byte in body { slow.inspect([byte]) }
            for size in [1000, 1 + random(100)] {
                #expect(facts(header: "", body: body, size: size) == slow.result, "\(body) in pieces of \(size)")
            }
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
