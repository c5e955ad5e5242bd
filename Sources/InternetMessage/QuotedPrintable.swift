// Quoted-printable of RFC 2045 section 6.7, for bodies that have to cross a host without 8BITMIME.
//
// The encoder keeps CRLF as a hard line break and writes any other control byte, bare CR and bare LF included, as `=XX`, so that the body
// that is decoded equals the body that came. It also protects lines that mail software is known to change: `From ` and a lone dot.

import MailModel

/// Encodes a body as it passes.
public struct QuotedPrintable: Sendable {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// Two upper-case hexadecimal digits.
    static func hexadecimal(_ byte: UInt8) -> [UInt8] { [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }

    /// Octets on the current output line.
    private var column = 0
    /// White space or CR whose form depends on what follows.
    private var held: UInt8?
    private var isAtLineStart: Bool { column == 0 }

    public init() {}

    public mutating func encode(_ bytes: ArraySlice<UInt8>, into out: inout [UInt8]) {
        for byte in bytes { take(byte, into: &out) }
    }

    /// Ends the body: white space at its end is encoded, and no line break is added.
    public mutating func finish(into out: inout [UInt8]) {
        if let held { put(encoded: held, into: &out) }
        held = nil
        column = 0
    }

    /// The whole of `bytes`, encoded.
    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var encoder = QuotedPrintable()
        var out: [UInt8] = []
        encoder.encode(Array(bytes)[...], into: &out)
        encoder.finish(into: &out)
        return out
    }

    private mutating func take(_ byte: UInt8, into out: inout [UInt8]) {
        if held == MailBytes.cr {
            held = nil
            if byte == MailBytes.lf {
                out += MailBytes.crlf
                column = 0
                return
            }
            put(encoded: MailBytes.cr, into: &out)
        }
        if let blank = held {
            held = nil
            // RFC 2045 section 6.7, rule 3: white space must not end an encoded line.
            if byte == MailBytes.cr { put(encoded: blank, into: &out) } else { put(literal: blank, into: &out) }
        }
        switch byte {
        case MailBytes.cr, 0x20, 0x09: held = byte
        case UInt8(ascii: "="): put(encoded: byte, into: &out)
        case UInt8(ascii: ".") where isAtLineStart, UInt8(ascii: "F") where isAtLineStart: put(encoded: byte, into: &out)
        case 0x21...0x7E: put(literal: byte, into: &out)
        default: put(encoded: byte, into: &out)
        }
    }

    private mutating func put(literal byte: UInt8, into out: inout [UInt8]) {
        breakLine(for: 1, into: &out)
        out.append(byte)
        column += 1
    }

    private mutating func put(encoded byte: UInt8, into out: inout [UInt8]) {
        breakLine(for: 3, into: &out)
        out.append(UInt8(ascii: "="))
        out += QuotedPrintable.hexadecimal(byte)
        column += 3
    }

    /// A soft line break where `count` more octets would leave no room for the `=` that one needs (76 octets a line).
    private mutating func breakLine(for count: Int, into out: inout [UInt8]) {
        guard column + count > 75 else { return }
        out.append(UInt8(ascii: "="))
        out += MailBytes.crlf
        column = 0
    }
}
