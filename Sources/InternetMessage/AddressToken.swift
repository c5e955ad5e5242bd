// The lexical tokens of RFC 5322 section 3.2 out of which address lists are made.
//
// Security: one pass, no recursion (comments nest by a counter), total for any bytes. An unclosed quote, comment or literal ends with the
// input. 8-bit bytes count as atom text (RFC 6532 section 3.2).

import MailModel

/// A token with the range of source bytes it came from. Comments and white space yield no token.
struct AddressToken {
    enum Kind: Equatable {
        /// An atom, a quoted string or a quoted pair outside quotes.
        case word
        /// `[...]`, brackets included in ``AddressToken/content``.
        case domainLiteral
        /// One of `< > , ; : @ .`
        case special(UInt8)
    }

    var kind: Kind
    /// The text without quotes and with quoted pairs resolved.
    var content: [UInt8]
    var range: Range<Int>
    /// No white space or comment stands between this token and the one before.
    var isAdjacent: Bool
    var isQuoted = false

    func isSpecial(_ byte: Unicode.Scalar) -> Bool { kind == .special(UInt8(ascii: byte)) }
}

struct AddressTokenizer {
    private let bytes: [UInt8]
    private var index = 0
    private var sawSpace = true
    /// Something did not end: a quoted string, a comment or a literal.
    private(set) var isUnterminated = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() -> AddressToken? {
        skipSpaceAndComments()
        guard index < bytes.count else { return nil }
        let start = index
        let isAdjacent = !sawSpace
        sawSpace = false
        switch bytes[index] {
        case UInt8(ascii: "\""):
            return AddressToken(kind: .word, content: takeQuoted(), range: start..<index, isAdjacent: isAdjacent, isQuoted: true)
        case UInt8(ascii: "["):
            return AddressToken(kind: .domainLiteral, content: takeLiteral(), range: start..<index, isAdjacent: isAdjacent)
        case let byte where AddressTokenizer.isSpecial(byte):
            index += 1
            return AddressToken(kind: .special(byte), content: [byte], range: start..<index, isAdjacent: isAdjacent)
        default:
            return AddressToken(kind: .word, content: takeAtom(), range: start..<index, isAdjacent: isAdjacent)
        }
    }

    private static func isSpecial(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "@"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }

    private mutating func skipSpaceAndComments() {
        var depth = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "(") {
                depth += 1
            } else if depth > 0 {
                if byte == UInt8(ascii: ")") { depth -= 1 }
                if byte == UInt8(ascii: "\\") { index += 1 }
            } else if !ASCII.isSpace(byte) && byte != 0 {
                return
            }
            sawSpace = true
            index += 1
        }
        if depth > 0 { isUnterminated = true }
        index = min(index, bytes.count)
    }

    private mutating func takeQuoted() -> [UInt8] {
        var out: [UInt8] = []
        index += 1
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "\"") { return out }
            if byte == UInt8(ascii: "\\"), index < bytes.count {
                out.append(bytes[index])
                index += 1
            } else if byte != MailBytes.cr, byte != MailBytes.lf {
                out.append(byte)  // A fold inside quotes is no part of the text (RFC 5322 section 3.2.4).
            }
        }
        isUnterminated = true
        return out
    }

    private mutating func takeLiteral() -> [UInt8] {
        var out: [UInt8] = [bytes[index]]
        index += 1
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            if ASCII.isSpace(byte) { continue }
            out.append(byte)
            if byte == UInt8(ascii: "]") { return out }
        }
        isUnterminated = true
        out.append(UInt8(ascii: "]"))
        return out
    }

    private mutating func takeAtom() -> [UInt8] {
        var out: [UInt8] = []
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\\"), index + 1 < bytes.count {
                out.append(bytes[index + 1])  // obs-qp outside quotes (RFC 5322 section 4.1)
                index += 2
                continue
            }
            let ends = ASCII.isSpace(byte) || byte == 0 || AddressTokenizer.isSpecial(byte) || byte == UInt8(ascii: "(")
            if ends || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "[") { break }
            out.append(byte)
            index += 1
        }
        return out
    }
}
