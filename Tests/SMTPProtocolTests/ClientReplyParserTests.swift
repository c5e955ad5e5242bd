// Replies of peers, friendly and not.

import MailModel
import SMTPProtocol
import Testing

@Suite struct ClientReplyParserTests {
    static func parse(_ text: String, step: Int) -> [String] {
        var parser = ClientReplyParser()
        var out: [String] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            parser.feed(Array(rest.prefix(step)))
            rest = rest.dropFirst(step)
            while true {
                switch parser.next() {
                case .reply(let reply):
                    out.append("\(reply.code) \(reply.status.map(String.init(describing:)) ?? "-") [\(reply.quoted)]")
                    continue
                case .malformed(let text):
                    out.append("malformed: \(text)")
                    return out
                case .needsMore: break
                }
                break
            }
        }
        return out
    }

    @Test(arguments: [
        ("250 ok\r\n", ["250 2.0.0 [250 ok]"]), ("250\r\n", ["250 2.0.0 [250]"]), ("250 2.1.0 ok\n", ["250 2.1.0 [250 2.1.0 ok]"]),
        ("250-a\r\n250-b\r\n250 c\r\n", ["250 2.0.0 [250-a 250-b 250 c]"]), ("354 3.0.0 go\r\n", ["354 - [354 3.0.0 go]"]),
        ("550 4.1.1 no\r\n", ["550 5.0.0 [550 4.1.1 no]"]), ("550 5.1.1\r\n", ["550 5.1.1 [550 5.1.1]"]),
        ("220 a\r\n250 b\r\n", ["220 2.0.0 [220 a]", "250 2.0.0 [250 b]"]), ("25\r\n", ["malformed: 25"]), ("\r\n", ["malformed: "]),
        ("2500 ok\r\n", ["malformed: 2500 ok"]), ("150 ok\r\n", ["malformed: 150 ok"]), ("250+ok\r\n", ["malformed: 250+ok"]),
        ("250-a\r\nrubbish\r\n", ["malformed: rubbish"]), ("250 \u{7}\u{1b}[2J\r\n", ["250 2.0.0 [250 ??[2J]"]),
        ("450 4.7.1 a\rb\r\n", ["450 4.7.1 [450 4.7.1 a?b]"]), ("250 unfinished", []),
    ])
    func table(_ text: String, _ expected: [String]) {
        for step in [1, 2, 3, 1000] { #expect(Self.parse(text, step: step) == expected) }
    }

    @Test func longLinesAreCut() {
        var parser = ClientReplyParser()
        for _ in 0..<1000 { parser.feed(Array(repeating: UInt8(ascii: "2"), count: 1000)) }
        #expect(parser.next() == .needsMore)
        parser.feed([10])
        guard case .malformed = parser.next() else { Issue.record("2222 is no reply"); return }
        var other = ClientReplyParser()
        other.feed(Array("550 5.1.1 ".utf8) + Array(repeating: UInt8(ascii: "x"), count: 1_000_000) + [13, 10])
        guard case .reply(let reply) = other.next() else { Issue.record("no reply"); return }
        #expect(reply.enhanced == EnhancedStatusCode(5, 1, 1))
        #expect(reply.lines[0].count <= 2048)
        #expect(other.isEmpty)
    }

    @Test func endlessRepliesEnd() {
        var parser = ClientReplyParser(limits: .init(line: 100, lines: 50, total: 1000))
        parser.feed(Array(String(repeating: "250-x\r\n", count: 51).utf8))
        guard case .malformed = parser.next() else { Issue.record("51 lines were taken"); return }
        // Once out of step it stays so.
        parser.feed(Array("250 ok\r\n".utf8))
        guard case .malformed = parser.next() else { Issue.record("recovered"); return }
    }

    @Test func textBeyondTheLimitIsDroppedNotTheReply() {
        var parser = ClientReplyParser(limits: .init(line: 100, lines: 1000, total: 300))
        parser.feed(Array((String(repeating: "550-0123456789012345678901234567890123456789\r\n", count: 100) + "550 5.7.1 end\r\n").utf8))
        guard case .reply(let reply) = parser.next() else { Issue.record("no reply"); return }
        #expect(reply.status == EnhancedStatusCode(5, 7, 1))
        #expect(reply.lines.reduce(0) { $0 + $1.count } <= 320)
    }

    @Test func anyBytesAreSurvived() {
        var state: UInt64 = 42
        func random() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
        let alphabet = Array("2450- .\r\nx".utf8)
        for _ in 0..<2000 {
            var parser = ClientReplyParser(limits: .init(line: 10, lines: 5, total: 30))
            for _ in 0..<20 {
                parser.feed((0..<Int(random() % 12)).map { _ in alphabet[Int(random()) % alphabet.count] })
                if case .malformed = parser.next() { break }
            }
        }
    }
}
