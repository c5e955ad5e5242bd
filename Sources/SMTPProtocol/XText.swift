// xtext (RFC 3461 section 4) and utf-8-addr-xtext (RFC 6533 section 3), the encodings of ENVID and ORCPT.
//
// Security: decoded text may hold any byte that the encoder wrote, control bytes included; `decode` refuses those so that a decoded value
// can go into a DSN field without forging another.

import MailModel

/// The encoding of values of DSN parameters.
public enum XText {
    /// Decodes xtext.
    ///
    /// - Returns: nil where a byte is outside `!`...`~`, a bare `+` or `=` stands, or a hexchar stands for a control byte.
    public static func decode(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            var byte = bytes[index]
            guard byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "=") else { return nil }
            if byte == UInt8(ascii: "+") {
                // hexchar takes upper case only (RFC 3461 section 4).
                guard bytes.endIndex - index >= 3, !bytes[(index + 1)...(index + 2)].contains(where: { $0 >= UInt8(ascii: "a") }),
                    let high = ASCII.hexValue(bytes[index + 1]), let low = ASCII.hexValue(bytes[index + 2])
                else { return nil }
                byte = high << 4 | low
                guard byte >= 0x20, byte != 0x7F else { return nil }
                index += 2
            }
            out.append(byte)
            index += 1
        }
        return out
    }

    /// Encodes any bytes as xtext.
    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in bytes {
            if byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "+") && byte != UInt8(ascii: "=") {
                out.append(byte)
            } else {
                out.append(contentsOf: [UInt8(ascii: "+"), digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            }
        }
        return out
    }

    /// Decodes the address of an ORCPT of type `utf-8`: utf-8-addr-xtext or utf-8-addr-unitext (RFC 6533 section 3), where `\x{HEX}`
    /// stands for a code point.
    public static func decodeUTF8Address(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        guard UTF8Validation.isValid(bytes) else { return nil }
        var out: [UInt8] = []
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            guard byte > 0x20, byte != 0x7F, byte != UInt8(ascii: "=") else { return nil }
            guard byte == UInt8(ascii: "\\") else {
                out.append(byte)
                index += 1
                continue
            }
            guard bytes.endIndex - index >= 5, bytes[index + 1] == UInt8(ascii: "x"), bytes[index + 2] == UInt8(ascii: "{"),
                let close = bytes[index...].prefix(10).firstIndex(of: UInt8(ascii: "}"))
            else { return nil }
            var value: UInt32 = 0
            for digit in bytes[(index + 3)..<close] {
                guard let nibble = ASCII.hexValue(digit) else { return nil }
                value = value << 4 | UInt32(nibble)
            }
            guard close > index + 3, value >= 0x20, value != 0x7F, let scalar = Unicode.Scalar(value) else { return nil }
            out.append(contentsOf: String(Character(scalar)).utf8)
            index = close + 1
        }
        return out
    }
}
