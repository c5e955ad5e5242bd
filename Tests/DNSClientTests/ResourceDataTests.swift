import DNSClient
import MailModel
import Testing

@Suite struct ResourceDataTests {
    @Test func wellFormed() {
        #expect(ResourceData.a([192, 0, 2, 1])?.description == "192.0.2.1")
        #expect(ResourceData.aaaa([0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [1])?.description == "2001:db8::1")
        #expect(ResourceData.mx([0, 10] + wire("mx.example")).map { "\($0.preference) \($0.exchange)" } == "10 mx.example")
        #expect(ResourceData.mx([0, 0, 0])?.exchange.isRoot == true)
        #expect(ResourceData.name(wire("a.example"))?.text == "a.example")
        #expect(ResourceData.txt([2, 0x61, 0x62, 0, 1, 0xFF]) == [[0x61, 0x62], [], [0xFF]])
        #expect(ResourceData.tlsa([3, 1, 1, 9, 8])?.association == [9, 8])
    }

    /// Every prefix, and every single-byte change, of well-formed data: a value or nil, never a trap, and never more than the bytes hold.
    @Test(
        arguments: [
            [192, 0, 2, 1], [0, 10] + wire("mx.example"), wire("a.b.example"), [2, 0x61, 0x62, 0, 1, 0xFF], [3, 1, 1, 9, 8], [],
            [UInt8](repeating: 0xFF, count: 300), [UInt8](repeating: 0, count: 300), [UInt8](repeating: 63, count: 300),
        ] as [[UInt8]])
    func damaged(_ bytes: [UInt8]) {
        var variants = (0...bytes.count).map { Array(bytes[..<$0]) }
        for index in bytes.indices {
            for value in [0, 1, 0x3F, 0x40, 0x7F, 0xC0, 0xFF] as [UInt8] {
                var changed = bytes
                changed[index] = value
                variants.append(changed)
            }
        }
        for variant in variants {
            if ResourceData.a(variant) != nil { #expect(variant.count == 4) }
            if ResourceData.aaaa(variant) != nil { #expect(variant.count == 16) }
            if let record = ResourceData.mx(variant) { #expect(record.exchange.text.utf8.count <= 4 * variant.count) }
            if let name = ResourceData.name(variant) { #expect(variant.last == 0 && name.text.utf8.count <= 4 * variant.count) }
            if let strings = ResourceData.txt(variant) { #expect(strings.reduce(0) { $0 + $1.count + 1 } == variant.count) }
            if let record = ResourceData.tlsa(variant) { #expect(record.association.count + 3 == variant.count) }
        }
    }

    @Test func answersSurviveTheWay() throws {
        let answer = DNSAnswer(
            responseCode: 0, security: .secure, data: [[1, 2, 3], []], ttl: 3600, canonicalName: "mail.example", bogusReason: "")
        #expect(try DNSAnswer(decoding: answer.encoded[...]) == answer)
    }

    @Test func damagedAnswersAreErrors() {
        let bytes = DNSAnswer(responseCode: 3, security: .bogus, data: [[1, 2, 3], [4]], canonicalName: "a", bogusReason: "b").encoded
        for count in 0..<bytes.count {
            #expect(throws: ByteDecodingError.self) { try DNSAnswer(decoding: bytes[..<count]) }
        }
        for index in bytes.indices {
            var changed = bytes
            changed[index] = 0xFF
            // A value or an error: whichever, it is no trap.
            if let answer = try? DNSAnswer(decoding: changed[...]) { #expect(answer.encoded == changed) }
        }
    }
}
