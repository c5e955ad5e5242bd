// Notes the facts about content that decide how it can be sent, while it passes (DESIGN.md, section 4).
//
// It runs over every byte of every message, so plain text is taken many bytes at a time, and the usual end of a line in one step; only control
// bytes, 8-bit bytes and the first byte of a line are looked at one by one. The result does not depend on how the content is cut into chunks.

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
        chunk.withUnsafeBytes { inspect($0) }
    }

    private mutating func inspect(_ bytes: UnsafeRawBufferPointer) {
        let count = bytes.count
        var index = 0
        while index < count {
            // A line start needs the byte-wise path (for the dot), as does whatever follows a CR.
            if lineLength > 0, previous != MailBytes.cr {
                let stop = ByteScanner.firstUnusual(bytes, from: index, to: count)
                if stop > index {
                    lineLength += stop - index
                    previous = 0x20
                    index = stop
                    guard index < count else { break }
                }
                // The end of most lines.
                if bytes[index] == MailBytes.cr, index + 1 < count, bytes[index + 1] == MailBytes.lf {
                    if lineLength > ContentInspector.lineLimit { facts.insert(.longLines) }
                    lineLength = 0
                    endsInBareLineFeed = false
                    previous = MailBytes.lf
                    index += 2
                    continue
                }
            }
            take(bytes[index])
            index += 1
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
