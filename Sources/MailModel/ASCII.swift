// ASCII on bytes: classification, case, and the one encoder that makes peer text safe for log lines.
//
// Security: `printable` is the gate that DESIGN.md, section 1.5 asks for; every peer byte passes it before a log line or a reply text.

/// Byte classification and conversion for protocol text.
public enum ASCII {
    @inlinable public static func lowercased(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
    @inlinable public static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    @inlinable public static func isAlpha(_ byte: UInt8) -> Bool { (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7A }
    @inlinable public static func isAlphanumeric(_ byte: UInt8) -> Bool { isDigit(byte) || isAlpha(byte) }
    @inlinable public static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
    @inlinable public static func isPrintable(_ byte: UInt8) -> Bool { byte >= 0x20 && byte < 0x7F }

    /// The value of a hexadecimal digit, or nil.
    @inlinable public static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// atext of RFC 5322 section 3.2.3.
    @inlinable public static func isAtext(_ byte: UInt8) -> Bool {
        if isAlphanumeric(byte) { return true }
        switch byte {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: "?"),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"),
            UInt8(ascii: "~"):
            return true
        default: return false
        }
    }

    /// Whether two byte strings are equal when ASCII letters are compared without case.
    @inlinable public static func equalsIgnoringCase(_ a: some Sequence<UInt8>, _ b: some Sequence<UInt8>) -> Bool {
        a.elementsEqual(b) { lowercased($0) == lowercased($1) }
    }

    /// Text of a peer made safe for one log line or reply line: control bytes and malformed UTF-8 become `?`, as Postfix's `printable()` does.
    @inlinable public static func printable(_ bytes: some Collection<UInt8>, limit: Int = 2048) -> String {
        var isPlain = true
        for byte in bytes where !isPrintable(byte) { isPlain = false; break }
        if isPlain && bytes.count <= limit { return String(decoding: bytes, as: UTF8.self) }
        var out = String()
        for scalar in String(decoding: bytes.prefix(limit), as: UTF8.self).unicodeScalars {
            let value = scalar.value
            let isUnsafe = value < 0x20 || (value >= 0x7F && value < 0xA0) || value == 0xFFFD || value == 0x2028 || value == 0x2029
            out.unicodeScalars.append(isUnsafe ? "?" : scalar)
        }
        return out
    }

    /// Appends a number in decimal digits, without the String that an interpolation makes.
    public static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        if number >= 10 { append(number / 10, to: &bytes) }
        bytes.append(0x30 + UInt8(number % 10))
    }

    /// A decimal number without sign, or nil where it is empty, has another character, or exceeds `maximum`.
    @inlinable public static func decimal(_ bytes: some Collection<UInt8>, maximum: Int = Int.max) -> Int? {
        guard !bytes.isEmpty else { return nil }
        var value = 0
        for byte in bytes {
            guard isDigit(byte) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte - 0x30))
            if overflow || carry || sum > maximum { return nil }
            value = sum
        }
        return value
    }
}
