// Encoded words of RFC 2047, for names and text in headers that we make ourselves.
//
// Security: whatever bytes come in, the result is ASCII without line breaks other than folds, so that a user's full name cannot inject a
// header field. Bytes that are not UTF-8 are labelled unknown-8bit (RFC 1428) and never repaired.

import MailModel

/// Encodes text for headers.
public enum EncodedWord {
    /// A display name for `Name <address>`: atoms as they are, other ASCII text as quoted-string, anything else as encoded words.
    public static func phrase(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let bytes = MailBytes.trimmed(Array(bytes)[...])
        guard bytes.allSatisfy(ASCII.isPrintable) else { return encode(bytes) }
        // Text that looks like an encoded word must be encoded itself, lest a reader decode it (RFC 2047 section 5).
        if looksEncoded(bytes) { return encode(bytes) }
        if bytes.allSatisfy({ ASCII.isAtext($0) || $0 == 0x20 }) { return Array(bytes) }
        return MailAddress.quote(localPart: Array(bytes))
    }

    /// Text for an unstructured field such as Subject: as it is where it is printable ASCII, else encoded words.
    public static func unstructured(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let bytes = Array(bytes)
        return bytes.allSatisfy(ASCII.isPrintable) && !looksEncoded(bytes[...]) ? bytes : encode(bytes[...])
    }

    private static func looksEncoded(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.indices.dropLast().contains { bytes[$0] == UInt8(ascii: "=") && bytes[$0 + 1] == UInt8(ascii: "?") }
    }

    /// Encoded words of at most 75 characters, folded between each other; a UTF-8 character is never cut (RFC 2047 section 5).
    private static func encode(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let isUTF8 = String(validating: bytes, as: UTF8.self) != nil
        let prefix = Array((isUTF8 ? "=?utf-8?" : "=?unknown-8bit?").utf8)
        let qLength = bytes.reduce(0) { $0 + (isQLiteral($1) || $1 == 0x20 ? 1 : 3) }
        let usesQ = qLength <= (bytes.count + 2) / 3 * 4
        let room = 75 - prefix.count - 4
        var out: [UInt8] = []
        var word: [UInt8] = []
        func endWord() {
            if !out.isEmpty { out += MailBytes.crlf + [0x20] }
            out += prefix + [usesQ ? UInt8(ascii: "Q") : UInt8(ascii: "B"), UInt8(ascii: "?")]
            out += (usesQ ? word : Base64.encode(word)) + Array("?=".utf8)
            word = []
        }
        var index = bytes.startIndex
        while index < bytes.endIndex {
            var end = index + 1
            if isUTF8 {
                while end < bytes.endIndex, bytes[end] & 0xC0 == 0x80 { end += 1 }
            }
            let character = bytes[index..<end]
            let piece = usesQ ? character.flatMap(qEncoded) : Array(character)
            let length = usesQ ? word.count + piece.count : (word.count + piece.count + 2) / 3 * 4
            if length > room, !word.isEmpty { endWord() }
            word += piece
            index = end
        }
        if !word.isEmpty { endWord() }
        return out
    }

    /// RFC 2047 section 5, rule 3: what may stand for itself in a phrase.
    private static func isQLiteral(_ byte: UInt8) -> Bool {
        ASCII.isAlphanumeric(byte) || byte == UInt8(ascii: "!") || byte == UInt8(ascii: "*") || byte == UInt8(ascii: "+")
            || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "/")
    }

    private static func qEncoded(_ byte: UInt8) -> [UInt8] {
        if byte == 0x20 { return [UInt8(ascii: "_")] }
        if isQLiteral(byte) { return [byte] }
        return [UInt8(ascii: "=")] + QuotedPrintable.hexadecimal(byte)
    }
}
