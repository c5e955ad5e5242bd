// Base64 of RFC 4648 section 4 and the body encoding of RFC 2045 section 6.8.

/// Base64 text.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Encodes without line breaks.
    public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                for shift in [18, 12, 6, 0] { out.append(alphabet[Int(bits >> UInt32(shift) & 63)]) }
                bits = 0
                count = 0
            }
        }
        if count == 1 {
            out += [alphabet[Int(bits >> 2 & 63)], alphabet[Int(bits << 4 & 63)], UInt8(ascii: "="), UInt8(ascii: "=")]
        } else if count == 2 {
            out += [alphabet[Int(bits >> 10 & 63)], alphabet[Int(bits >> 4 & 63)], alphabet[Int(bits << 2 & 63)], UInt8(ascii: "=")]
        }
        return out
    }

    /// Decodes strictly: alphabet, padding and zero bits as RFC 4648 sections 3.2 to 3.5 require; nil otherwise.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for byte in text {
            let value: UInt32
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = UInt32(byte) - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = UInt32(byte) - 97 + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt32(byte) - 48 + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                padding += 1
                value = 0
            default: return nil
            }
            if padding > 0, byte != UInt8(ascii: "=") { return nil }
            bits = bits << 6 | value
            count += 1
            if count == 4 {
                guard padding <= 2 else { return nil }
                let spare: UInt32 = padding == 0 ? 0 : (padding == 1 ? 0xFF : 0xFFFF)
                guard bits & spare == 0 else { return nil }
                let bytes = [UInt8(bits >> 16 & 255), UInt8(bits >> 8 & 255), UInt8(bits & 255)]
                out += bytes.prefix(3 - padding)
                bits = 0
                count = 0
            }
        }
        return out
    }
}

/// Encodes a body as it passes: lines of 76 characters that end in CRLF.
public struct Base64BodyEncoder: Sendable {
    /// Bytes that do not fill a line yet; 57 bytes make one line of 76 characters.
    private var pending: [UInt8] = []

    public init() {}

    public mutating func encode(_ bytes: ArraySlice<UInt8>, into out: inout [UInt8]) {
        pending += bytes
        var start = 0
        while pending.count - start >= 57 {
            out += Base64.encode(pending[start..<(start + 57)])
            out += MailBytes.crlf
            start += 57
        }
        pending.removeFirst(start)
    }

    public mutating func finish(into out: inout [UInt8]) {
        guard !pending.isEmpty else { return }
        out += Base64.encode(pending)
        out += MailBytes.crlf
        pending = []
    }
}
