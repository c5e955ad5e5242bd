// Notes the facts about content that decide how it can be sent, while it passes (DESIGN.md, section 4).
//
// It runs over every byte of every message, so plain text is taken eight bytes at a time; only words that hold a control byte or an 8-bit
// byte are looked at byte by byte. The result does not depend on how the content is cut into chunks.

public import MailModel

/// Computes ``ContentFacts`` incrementally: header first, then the body, as they are written.
public struct ContentInspector: Sendable {
    private var facts: ContentFacts = []
    private var lineLength = 0
    private var previous: UInt8 = MailBytes.lf
    private var hasEightBit = false
    private var isBody: Bool
    private var isEmpty = true
    private var endsInBareLineFeed = false
    /// Octets of a line, without CRLF, above which it is long (RFC 5321 section 4.5.3.1.6: 1000 with CRLF).
    private static let lineLimit = 998

    /// - Parameter inBody: whether the first byte is already body.
    public init(inBody: Bool = false) { isBody = inBody }

    /// All bytes from here on are body. Call it after the empty line.
    public mutating func beginBody() {
        if hasEightBit { facts.insert(isBody ? .eightBitBody : .eightBitHeader) }
        hasEightBit = false
        isBody = true
    }

    /// Looks at the next bytes.
    public mutating func inspect(_ chunk: ArraySlice<UInt8>) {
        guard !chunk.isEmpty else { return }
        isEmpty = false
        chunk.withUnsafeBytes { bytes in
            var index = 0
            let count = bytes.count
            while index < count {
                // A line start needs the byte-wise path (for the dot), as does whatever follows a CR.
                if lineLength > 0, previous != MailBytes.cr {
                    while index + 8 <= count {
                        let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                        guard ContentInspector.isPlain(word) else { break }
                        lineLength += 8
                        index += 8
                        previous = 0x20
                    }
                    if index >= count { break }
                }
                take(bytes[index])
                index += 1
            }
        }
    }

    /// The facts about everything inspected so far, taken as the whole content.
    public var result: ContentFacts {
        var result = facts
        if hasEightBit { result.insert(isBody ? .eightBitBody : .eightBitHeader) }
        if !isEmpty, previous != MailBytes.lf || endsInBareLineFeed { result.insert(.unterminated) }
        if previous == MailBytes.cr { result.insert(.binary) }
        if lineLength > ContentInspector.lineLimit { result.insert(.longLines) }
        return result
    }

    /// Whether each of the eight bytes is at least 14 and below 128: text without CR, LF, NUL, tab or 8-bit byte.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        // Bit 7 of each byte of (word - 14) is set where that byte is below 14; a borrow only comes from such a byte.
        ((word &- 0x0E0E_0E0E_0E0E_0E0E) | word) & 0x8080_8080_8080_8080 == 0
    }

    @inline(__always)
    private mutating func take(_ byte: UInt8) {
        if previous == MailBytes.cr, byte != MailBytes.lf {
            facts.insert(.binary)
            lineLength += 1
        }
        switch byte {
        case MailBytes.lf:
            endsInBareLineFeed = previous != MailBytes.cr
            if endsInBareLineFeed { facts.insert(.binary) }
            if lineLength > ContentInspector.lineLimit { facts.insert(.longLines) }
            lineLength = 0
        case MailBytes.cr:
            break
        default:
            if byte >= 0x80 { hasEightBit = true }
            if byte == 0 { facts.insert(.binary) }
            if lineLength == 0, byte == UInt8(ascii: ".") { facts.insert(.leadingDots) }
            lineLength += 1
        }
        previous = byte
    }
}
