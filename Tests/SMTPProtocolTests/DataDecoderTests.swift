import SMTPProtocol
import Testing

private struct Decoded: Equatable {
    var content: String
    var rest: String
    var isEnd: Bool
}

/// Decodes `text` in chunks of `size` bytes.
private func decode(_ text: String, size: Int, _ policy: BareNewlinePolicy = .normalize, _ framing: DataDecoder.Framing = .dotStuffed)
    -> Decoded
{
    var decoder = DataDecoder(framing, policy: policy)
    let bytes = Array(text.utf8)
    var out: [UInt8] = []
    var index = 0
    while index < bytes.count {
        let end = min(index + size, bytes.count)
        let (consumed, isEnd) = decoder.decode(bytes[index..<end], into: &out)
        index += consumed
        if isEnd {
            #expect(decoder.count == out.count)
            return Decoded(
                content: String(decoding: out, as: UTF8.self), rest: String(decoding: bytes[index...], as: UTF8.self), isEnd: true)
        }
        #expect(index == end)
    }
    if framing != .dotStuffed { decoder.finish(into: &out) }
    #expect(decoder.count == out.count)
    return Decoded(content: String(decoding: out, as: UTF8.self), rest: "", isEnd: false)
}

@Suite struct DataDecoderTests {
    static let cases: [(String, BareNewlinePolicy, String, String?)] = [
        // Input, policy, content, what is left after the end (nil: no end found).
        (".\r\nQUIT\r\n", .normalize, "", "QUIT\r\n"),
        ("a\r\n.\r\n", .normalize, "a\r\n", ""),
        ("a\r\nb\r\n.\r\nMAIL", .normalize, "a\r\nb\r\n", "MAIL"),
        ("..\r\n...x\r\n.y\r\n.\r\n", .normalize, ".\r\n..x\r\ny\r\n", ""),
        // The smuggling forms: none ends the data.
        ("a\n.\nb\r\n.\r\n", .normalize, "a\r\n\r\nb\r\n", ""),
        ("a\n.\r\nb\r\n.\r\n", .normalize, "a\r\n\r\nb\r\n", ""),
        ("a\r\n.\nb\r\n.\r\n", .normalize, "a\r\n\r\nb\r\n", ""),
        ("a\r\n.\rb\r\n.\r\n", .normalize, "a\r\n b\r\n", ""),
        ("a\r.\r\nb\r\n.\r\n", .normalize, "a .\r\nb\r\n", ""),
        ("a\r\n.\r.\r\n\r\n.\r\n", .normalize, "a\r\n .\r\n\r\n", ""),
        ("a\r\n.\r\r\nb\r\n.\r\n", .normalize, "a\r\n\r\nb\r\n", ""),
        ("a\r\r\nb\r\n.\r\n", .normalize, "a\r\nb\r\n", ""),
        ("\n.\r\n.\r\n", .normalize, "\r\n\r\n", ""),
        ("a\n.\nb", .note, "a\r\n\r\nb", nil),
        ("a\n.\nb", .no, "a\r\n", "b"),
        ("a\n.\r\nb", .no, "a\r\n", "b"),
        ("a\r\n.\nb", .no, "a\r\n", "b"),
        ("a\u{0}b\r\n.\r\n", .normalize, "a\u{0}b\r\n", ""),
        ("a.b\r\n.c.\r\n.\r\n", .normalize, "a.b\r\nc.\r\n", ""),
        ("no end", .normalize, "no end", nil),
        ("\r\n\r\n.\r\n", .normalize, "\r\n\r\n", ""),
        (
            "a long enough line for the wide scanner, and then some\r\n.\r\n", .normalize,
            "a long enough line for the wide scanner, and then some\r\n", ""
        ),
    ]

    @Test(arguments: cases) func decodesInAnyChunks(_ input: String, _ policy: BareNewlinePolicy, _ content: String, _ rest: String?) {
        for size in 1...(input.utf8.count + 1) {
            #expect(
                decode(input, size: size, policy) == Decoded(content: content, rest: rest ?? "", isEnd: rest != nil), "chunks of \(size)")
        }
    }

    @Test func chunkedFraming() {
        for size in 1...12 {
            #expect(decode(".\r\n.\r\n..a\nb\rc\r", size: size, .normalize, .counted).content == ".\r\n.\r\n..a\r\nb c ")
            #expect(decode(".\r\n.\r\n..a\nb\rc\r", size: size, .normalize, .binary).content == ".\r\n.\r\n..a\nb\rc\r")
        }
    }

    /// Every string over the alphabet that matters: only CRLF.CRLF ends, and the output never holds a bare CR or LF.
    @Test func exhaustiveShortInputs() {
        let alphabet: [UInt8] = [0x0D, 0x0A, 0x2E, 0x61]
        for length in 1...7 {
            for number in 0..<(1 << (2 * length)) {
                let bytes = (0..<length).map { alphabet[(number >> (2 * $0)) & 3] }
                var decoder = DataDecoder(.dotStuffed)
                var out: [UInt8] = []
                let (consumed, isEnd) = decoder.decode(bytes[...], into: &out)
                let wire: [UInt8] = [0x0D, 0x0A] + bytes
                let pattern: [UInt8] = [0x0D, 0x0A, 0x2E, 0x0D, 0x0A]
                var expected: Int?
                for start in 0..<max(0, wire.count - 4) where Array(wire[start..<(start + 5)]) == pattern { expected = start + 3; break }
                if isEnd != (expected != nil) || (isEnd && consumed != expected) { Issue.record("wrong end in \(bytes)") }
                for (index, byte) in out.enumerated() {
                    let isPaired = byte == 0x0D ? index + 1 < out.count && out[index + 1] == 0x0A : index > 0 && out[index - 1] == 0x0D
                    if (byte == 0x0D || byte == 0x0A) && !isPaired && !(byte == 0x0D && index + 1 == out.count) {
                        Issue.record("bare line end after \(bytes)")
                    }
                }
            }
        }
    }

    @Test func sizeLimitStopsTheOutputNotTheScan() {
        var decoder = DataDecoder(.dotStuffed, sizeLimit: 10)
        var out: [UInt8] = []
        let bytes = Array((String(repeating: "0123456789\r\n", count: 1000) + ".\r\nX").utf8)
        let (consumed, isEnd) = decoder.decode(bytes[...], into: &out)
        #expect(isEnd && consumed == bytes.count - 1 && decoder.isTooLarge && decoder.count == 12000 && out.count <= 10)
    }
}
