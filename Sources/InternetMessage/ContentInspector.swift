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
                // Whatever follows a CR is looked at by itself.
                if previous != MailBytes.cr {
                    if lineLength == 0, bytes[index] == UInt8(ascii: ".") { facts.insert(.leadingDots) }
                    let start = index
                    var marks: UInt64 = 0
                    // Proof of bounds: index + 8 <= count before each load.
                    while marks == 0, index + 8 <= count {
                        marks = ByteScanner.unusual(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)))
                        index += marks == 0 ? 8 : marks.trailingZeroBitCount >> 3
                    }
                    if index > start {
                        lineLength += index - start
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
