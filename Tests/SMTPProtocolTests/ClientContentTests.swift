// What goes on the wire: content encoding, commands, plans, host order.

import MailModel
import SMTPProtocol
import Testing

@Suite struct ClientContentTests {
    static func encode(_ text: String, _ facts: ContentFacts, limit: Int = 998, step: Int) -> String {
        var encoder = ClientContentEncoder(facts: facts, lineLimit: limit)
        var out: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            out += encoder.encode(Array(rest.prefix(step)))
            rest = rest.dropFirst(step)
        }
        return String(decoding: out + encoder.finish(), as: UTF8.self)
    }

    static let contents: [(String, ContentFacts, Int, String)] = [
        ("", [], 998, ".\r\n"), ("a\r\n", [], 998, "a\r\n.\r\n"), ("a", [.unterminated], 998, "a\r\n.\r\n"),
        (".\r\n", [.leadingDots], 998, "..\r\n.\r\n"), ("a\r\n.\r\n..b\r\n", [.leadingDots], 998, "a\r\n..\r\n...b\r\n.\r\n"),
        ("a\n.\nb", [.leadingDots, .binary], 998, "a\r\n..\r\nb\r\n.\r\n"), ("a\r.\r\n", [.leadingDots, .binary], 998, "a .\r\n.\r\n"),
        ("a\r\r\n", [.binary], 998, "a \r\n.\r\n"), ("a\r", [.binary, .unterminated], 998, "a \r\n.\r\n"),
        ("a\r", [.unterminated], 998, "a\r\r\n.\r\n"),
        ("12345678\r\nx\r\n", [.longLines], 5, "12345\r\n 678\r\nx\r\n.\r\n"),
        ("....\r\n", [.longLines, .leadingDots], 3, "....\r\n .\r\n.\r\n"),
        ("abcdéf\r\n", [.longLines], 5, "abcd\r\n éf\r\n.\r\n"),
        // A header is folded where it has white space already.
        ("Subject: aa bb cc\r\n\r\naa bb cc\r\n", [.longLines], 12, "Subject: aa\r\n bb cc\r\n\r\naa bb cc\r\n.\r\n"),
        ("X: a\r\n\r\naa bb cc dd ee\r\n", [.longLines], 12, "X: a\r\n\r\naa bb cc dd \r\n ee\r\n.\r\n"),
        ("X: 123456789 b\r\n\r\n.\r\n", [.longLines, .leadingDots], 8, "X:\r\n 1234567\r\n 89 b\r\n\r\n..\r\n.\r\n"),
        ("X: a\r\n", [.longLines], 5, "X: a\r\n.\r\n"), ("X: a", [.longLines, .unterminated], 5, "X: a\r\n.\r\n"),
    ]

    @Test(arguments: contents.indices) func encoding(_ index: Int) {
        let (text, facts, limit, expected) = Self.contents[index]
        for step in [1, 2, 1000] { #expect(Self.encode(text, facts, limit: limit, step: step) == expected) }
    }

    /// RFC 5321 section 4.5.2 in plain words: lines end with CRLF whatever ended them, other CRs are blanks, a dot in front is doubled.
    static func onTheWire(_ content: [UInt8]) -> [UInt8] {
        var lines: [[UInt8]] = [[]]
        var index = 0
        while index < content.count {
            if content[index] == 13, index + 1 < content.count, content[index + 1] == 10 { index += 1 }
            if content[index] == 10 { lines.append([]) } else { lines[lines.count - 1].append(content[index] == 13 ? 32 : content[index]) }
            index += 1
        }
        if lines.last == [] { lines.removeLast() }
        return lines.flatMap { ($0.first == UInt8(ascii: ".") ? [UInt8(ascii: ".")] : []) + $0 + [13, 10] } + [UInt8(ascii: "."), 13, 10]
    }

    @Test func anyContentInAnyPieces() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = Fixed(state: seed)
        let parts: [[UInt8]] = [
            [13], [10], [13, 10], [13, 10], [46], [13, 10, 46], [13, 10, 46, 13, 10], [10, 46, 10], [0], [0x8D, 0x8A],
        ]
        for round in 0..<3000 {
            var content: [UInt8] = []
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                if Bool.random(using: &random) {
                    content += parts.randomElement(using: &random) ?? []
                } else {
                    content += Array(
                        repeating: UInt8.random(in: 0...255, using: &random), count: Int.random(in: 0...70, using: &random))
                }
            }
            var encoder = ClientContentEncoder(facts: [.leadingDots, .binary])
            var out: [UInt8] = []
            var rest = content[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(Int.random(in: 0...max(3, rest.count), using: &random)))
                piece.withUnsafeBytes { encoder.encode($0, into: &out) }
                rest = rest.dropFirst(piece.count)
            }
            #expect(out + encoder.finish() == Self.onTheWire(content), "seed \(seed), round \(round), content \(content)")
        }
    }

    @Test func onlyWhatNeedsItIsLookedAt() {
        #expect(ClientContentEncoder(facts: []).isPassthrough)
        #expect(ClientContentEncoder(facts: [.eightBitBody, .eightBitHeader, .unterminated]).isPassthrough)
        #expect(!ClientContentEncoder(facts: [.leadingDots]).isPassthrough)
        #expect(ClientContentEncoder(facts: [.longLines], lineLimit: 0).isPassthrough)
    }

    @Test func chunkHeaders() {
        #expect(ClientContentEncoder.chunkHeader(size: 0, isLast: true) == Array("BDAT 0 LAST\r\n".utf8))
        #expect(ClientContentEncoder.chunkHeader(size: 65536, isLast: false) == Array("BDAT 65536\r\n".utf8))
    }

    // MARK: commands

    static let all = ClientCapabilities(
        extensions: [.size, .pipelining, .eightBitMIME, .dsn, .smtpUTF8, .chunking, .binaryMIME], sizeLimit: nil, isExtended: true)

    @Test func mailParameters() {
        var transaction = ClientTransaction(
            sender: .null, recipients: [], size: 7, body: .eightBitMIME, envelopeID: Array("a+b =c".utf8), returnContent: .headers,
            isSMTPUTF8: true)
        #expect(
            String(decoding: ClientCommand.mail(transaction, Self.all), as: UTF8.self)
                == "MAIL FROM:<> SIZE=7 BODY=8BITMIME ENVID=a+2Bb+20+3Dc RET=HDRS SMTPUTF8\r\n")
        transaction.isSMTPUTF8 = false
        #expect(String(decoding: ClientCommand.mail(transaction, ClientCapabilities()), as: UTF8.self) == "MAIL FROM:<>\r\n")
        transaction.sender = MailAddress("john doe@example")
        transaction.envelopeID = []
        transaction.returnContent = .unspecified
        transaction.body = .binaryMIME
        #expect(
            String(decoding: ClientCommand.mail(transaction, Self.all), as: UTF8.self)
                == "MAIL FROM:<\"john doe\"@example> SIZE=7 BODY=BINARYMIME\r\n")
    }

    @Test(arguments: [
        (EnvelopeRecipient(MailAddress("a@b"), notify: [.success, .delay]), "RCPT TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b\r\n"),
        (EnvelopeRecipient(MailAddress("a@b"), notify: .never), "RCPT TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a@b\r\n"),
        (
            EnvelopeRecipient(MailAddress("a@b"), originalAddress: MailAddress("x+y@c"), originalRecipient: Array("x400;/C=a/".utf8)),
            "RCPT TO:<a@b> ORCPT=x400;/C+3Da/\r\n"
        ), (EnvelopeRecipient(MailAddress("a@b"), originalAddress: MailAddress("x+y@c")), "RCPT TO:<a@b> ORCPT=rfc822;x+2By@c\r\n"),
        (EnvelopeRecipient(MailAddress("é@b")), "RCPT TO:<é@b> ORCPT=utf-8;\\x{E9}@b\r\n"),
    ])
    func recipients(_ recipient: EnvelopeRecipient, _ expected: String) {
        #expect(String(decoding: ClientCommand.recipient(recipient, Self.all), as: UTF8.self) == expected)
        #expect(
            String(decoding: ClientCommand.recipient(recipient, ClientCapabilities()), as: UTF8.self)
                == "RCPT TO:<\(recipient.address.logForm)>\r\n")
    }

    // MARK: plans

    static func plan(
        _ facts: ContentFacts, body: BodyType = .unspecified, utf8: Bool = false, sender: String = "s@a", recipient: String = "r@b",
        offers: ClientCapabilities.Extensions, limit: Int? = nil
    ) -> ClientContentPlan {
        let message = ClientMessage(size: 1000, facts: facts, body: body, sender: MailAddress(sender), isSMTPUTF8: utf8)
        let offered = ClientCapabilities(extensions: offers, sizeLimit: limit, isExtended: true)
        return ClientContentPlan(message, recipients: [MailAddress(recipient)], offered: offered, peer: "h[1]")
    }

    @Test func plans() {
        #expect(Self.plan([], offers: []) == .send(body: .unspecified, isSMTPUTF8: false, usesChunking: false))
        #expect(Self.plan([.eightBitBody], offers: [.eightBitMIME]) == .send(body: .eightBitMIME, isSMTPUTF8: false, usesChunking: false))
        #expect(Self.plan([.eightBitBody], offers: []) == .convert(body: .unspecified, isSMTPUTF8: false))
        #expect(
            Self.plan([.binary, .eightBitBody], body: .binaryMIME, offers: [.chunking, .binaryMIME, .eightBitMIME])
                == .send(body: .binaryMIME, isSMTPUTF8: false, usesChunking: true))
        #expect(
            Self.plan([.binary, .eightBitBody], body: .binaryMIME, offers: [.eightBitMIME])
                == .convert(body: .eightBitMIME, isSMTPUTF8: false))
        #expect(Self.plan([.binary], body: .binaryMIME, offers: []) == .convert(body: .unspecified, isSMTPUTF8: false))
        guard case .refuse(let big) = Self.plan([], offers: [.size], limit: 999) else { Issue.record("999 took 1000"); return }
        #expect("\(big.status) \(big.reason)" == "5.3.4 message size 1000 exceeds size limit 999 of server h[1]")
        #expect(Self.plan([], offers: [.size], limit: 1000) == .send(body: .unspecified, isSMTPUTF8: false, usesChunking: false))
        for refused in [
            Self.plan([.eightBitHeader], utf8: true, offers: [.eightBitMIME]),
            Self.plan([], utf8: true, sender: "é@a", offers: [.eightBitMIME]),
            Self.plan([], utf8: true, recipient: "r@é", offers: [.eightBitMIME]),
        ] {
            guard case .refuse(let failure) = refused else { Issue.record("sent without SMTPUTF8"); return }
            #expect("\(failure.status) \(failure.reason)" == "5.6.7 SMTPUTF8 is required, but was not offered by host h[1]")
        }
        #expect(Self.plan([], utf8: true, offers: []) == .send(body: .unspecified, isSMTPUTF8: false, usesChunking: false))
        #expect(
            Self.plan([.eightBitHeader], utf8: true, offers: [.eightBitMIME, .smtpUTF8])
                == .send(body: .eightBitMIME, isSMTPUTF8: true, usesChunking: false))
    }

    // MARK: hosts

    struct Fixed: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // The low bits of such a generator repeat themselves soon.
            return state ^ (state >> 32)
        }
    }

    static func host(_ address: String, _ preference: UInt16) -> ClientHostAddress {
        ClientHostAddress(host: "h\(preference)", address: address, preference: preference)
    }

    @Test func hostsByPreference() {
        let candidates = [Self.host("3.3.3.3", 30), Self.host("1.1.1.1", 10), Self.host("2001:db8::1", 10), Self.host("2.2.2.2", 20)]
        for seed in 0..<20 as Range<UInt64> {
            var random = Fixed(state: seed)
            guard case .hosts(let hosts) = ClientHostList.order(candidates, ownAddresses: [], limit: 5, using: &random) else {
                Issue.record("loop")
                return
            }
            #expect(hosts.map(\.address) == ["2001:db8::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"])
            #expect(hosts.map(\.isBest) == [true, true, false, false])
        }
    }

    @Test func ownPreferenceCutsTheList() {
        var random = Fixed(state: 1)
        let candidates = [Self.host("1.1.1.1", 10), Self.host("2.2.2.2", 20), Self.host("9.9.9.9", 20), Self.host("3.3.3.3", 30)]
        guard case .hosts(let hosts) = ClientHostList.order(candidates, ownAddresses: ["9.9.9.9"], limit: 5, using: &random) else {
            Issue.record("loop")
            return
        }
        #expect(hosts.map(\.address) == ["1.1.1.1"])
        #expect(ClientHostList.order(candidates, ownAddresses: ["1.1.1.1"], limit: 5, using: &random) == .loopsBack)
        #expect(ClientHostList.order([], ownAddresses: ["1.1.1.1"], limit: 5, using: &random) == .hosts([]))
    }

    @Test func theLimitKeepsBothFamilies() {
        var random = Fixed(state: 1)
        let candidates = (1...9).map { Self.host("2001:db8::\($0)", 10) } + [Self.host("1.1.1.1", 20)]
        guard case .hosts(let hosts) = ClientHostList.order(candidates, ownAddresses: [], limit: 5, using: &random) else {
            Issue.record("loop")
            return
        }
        #expect(hosts.count == 5)
        #expect(hosts.last?.address == "1.1.1.1")
    }
}
