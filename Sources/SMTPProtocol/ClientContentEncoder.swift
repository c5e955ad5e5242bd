// Content on its way to a peer: dot-stuffing, line ends and the end of data (RFC 5321 section 4.5.2), or BDAT chunks (RFC 3030).
//
// Security: what goes out through DATA has no line end but CRLF, whatever came in: a bare LF becomes CRLF and a bare CR a space, so that
// nothing of one message can pass for the end of data at a peer that reads line ends loosely (CVE-2023-51764).
// Limits: where the facts say that nothing needs doing, bytes pass unread; only the last two are looked at.

public import MailModel

/// Encodes the content of one message in chunks of any size.
public struct ClientContentEncoder: Sendable {
    /// Bytes may go out as they are.
    public let isPassthrough: Bool
    private let lineLimit: Int
    private var isAtLineStart = true
    private var hasPendingCR = false
    private var column = 0
    /// Where lines are broken: no empty line was seen yet.
    private var isInHeader = true
    /// The line of the header so far, until it is known where it is folded.
    private var headerLine: [UInt8] = []
    private var lastTwo: (UInt8, UInt8) = (13, 10)

    /// - Parameters:
    ///   - facts: what `cleanup` saw of the content. It is trusted as to what the content does *not* have.
    ///   - lineLimit: longer lines of the header are folded at white space, which changes nothing of the field (RFC 5322 section 2.2.3);
    ///     where there is none, and in the body, lines are broken with CRLF and a space, as Postfix does. 0 for no limit
    ///     (`smtp_line_length_limit`).
    public init(facts: ContentFacts, lineLimit: Int = 998) {
        let breaksLines = lineLimit > 0 && facts.contains(.longLines)
        self.lineLimit = breaksLines ? lineLimit : 0
        isPassthrough = !breaksLines && facts.isDisjoint(with: [.leadingDots, .binary])
    }

    /// Records bytes that the caller sends as they are; only for an ``isPassthrough`` encoder.
    public mutating func pass(last bytes: [UInt8]) {
        if let last = bytes.last { lastTwo = (bytes.count > 1 ? bytes[bytes.count - 2] : lastTwo.1, last) }
    }

    /// The next bytes on the wire.
    public mutating func encode(_ chunk: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        chunk.withUnsafeBytes { encode($0, into: &out) }
        return out
    }

    /// Adds the next bytes on the wire to `out`.
    public mutating func encode(_ chunk: UnsafeRawBufferPointer, into out: inout [UInt8]) {
        if isPassthrough {
            out.append(contentsOf: chunk)
            return pass(last: Array(chunk.suffix(2)))
        }
        out.reserveCapacity(out.count + chunk.count + chunk.count / 16 + 16)
        var position = 0
        while position < chunk.count {
            if lineLimit > 0 || hasPendingCR {
                put(chunk[position], &out)
                position += 1
                continue
            }
            // The common case in one go: text up to the next line end, and that.
            let end = ByteScanner.firstLineBreak(chunk, from: position, to: chunk.count)
            if end > position {
                // RFC 5321 section 4.5.2: a line that begins with a dot gets another one.
                if isAtLineStart && chunk[position] == UInt8(ascii: ".") { out.append(UInt8(ascii: ".")) }
                out.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[position..<end]))
                isAtLineStart = false
                position = end
            }
            if position + 1 < chunk.count, chunk[position] == 13, chunk[position + 1] == 10 {
                endLine(&out)
                position += 2
            } else if position < chunk.count {
                put(chunk[position], &out)
                position += 1
            }
        }
    }

    private mutating func put(_ byte: UInt8, _ out: inout [UInt8]) {
        if hasPendingCR {
            hasPendingCR = false
            if byte == 0x0A { return endLine(&out) }
            putText(0x20, &out)
        }
        switch byte {
        case 0x0D: hasPendingCR = true
        case 0x0A: endLine(&out)
        default: putText(byte, &out)
        }
    }

    private mutating func endLine(_ out: inout [UInt8]) {
        if isInHeader && lineLimit > 0 {
            if isAtLineStart { isInHeader = false }
            putLine(headerLine[...], &out)
            headerLine.removeAll(keepingCapacity: true)
            isAtLineStart = true
            return
        }
        out.append(13)
        out.append(10)
        isAtLineStart = true
        column = 0
    }

    private func putLine(_ line: ArraySlice<UInt8>, _ out: inout [UInt8]) {
        if line.first == UInt8(ascii: ".") { out.append(UInt8(ascii: ".")) }
        out.append(contentsOf: line)
        out.append(13)
        out.append(10)
    }

    /// Puts out the first part of a header line that has become too long.
    private mutating func foldHeaderLine(_ out: inout [UInt8]) {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        if let space = headerLine.lastIndex(where: isSpace), !headerLine[..<space].allSatisfy(isSpace) {
            putLine(headerLine[..<space], &out)
            headerLine.removeFirst(space)
        } else {
            putLine(headerLine[...], &out)
            headerLine = [0x20]
        }
    }

    private mutating func putText(_ byte: UInt8, _ out: inout [UInt8]) {
        if lineLimit > 0 {
            // A character of UTF-8 stays whole.
            let length = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
            if isInHeader {
                if headerLine.count + length > lineLimit { foldHeaderLine(&out) }
                headerLine.append(byte)
                isAtLineStart = false
                return
            }
            if column + length > lineLimit {
                endLine(&out)
                out.append(0x20)
                isAtLineStart = false
                column = 1
            }
        }
        if isAtLineStart && byte == UInt8(ascii: ".") { out.append(byte) }
        out.append(byte)
        isAtLineStart = false
        column += 1
    }

    /// The end: a last line end where it is missing, then `.` CRLF.
    public mutating func finish() -> [UInt8] {
        var out: [UInt8] = []
        if isPassthrough {
            // A passed CR alone at the end still needs the whole CRLF: `CR LF . CR LF` must begin a line for every reader.
            if lastTwo != (13, 10) { out += [13, 10] }
        } else {
            if hasPendingCR {
                hasPendingCR = false
                putText(0x20, &out)
            }
            if !isAtLineStart { endLine(&out) }
        }
        return out + [UInt8(ascii: "."), 13, 10]
    }

    /// The command before a chunk of `size` octets (RFC 3030 section 2).
    public static func chunkHeader(size: Int, isLast: Bool) -> [UInt8] {
        ClientCommand.line("BDAT", isLast ? "\(size) LAST" : "\(size)")
    }
}
