// What the header of a MIME part says about its body: Content-Type and Content-Transfer-Encoding (RFC 2045 sections 5 and 6).
//
// Security: total for any value; a boundary is at most `boundaryLimit` octets, a parameter list is read once from left to right.
// Limits: RFC 2231 continuations of the boundary parameter are not put together (no mailer writes them).

import MailModel

/// The facts of one part's header.
struct MIMEHeaderFacts {
    enum Encoding: Equatable {
        case sevenBit, eightBit, binary
        /// quoted-printable, base64, or an encoding that is not known.
        case encoded
        var isIdentity: Bool { self != .encoded }
    }

    enum Structure: Equatable {
        case leaf
        case multipart(boundary: [UInt8], isDigest: Bool)
        /// message/rfc822 and message/global: a message of its own.
        case message
        /// message/partial, message/external-body: must stay in 7 bits as they are (RFC 2046 sections 5.2.2 and 5.2.3).
        case unconvertibleMessage
        /// A multipart without a boundary, or with one over the limit.
        case unreadableMultipart
    }

    /// RFC 2046 section 5.1.1 allows 70; Postfix's mime_boundary_length_limit is 2048.
    static let boundaryLimit = 2048

    var structure: Structure
    var encoding: Encoding = .sevenBit
    var hasContentType = false
    var hasVersion = false

    /// - Parameter defaultIsMessage: the part stands in a multipart/digest (RFC 2046 section 5.1.5).
    init(defaultIsMessage: Bool = false) { structure = defaultIsMessage ? .message : .leaf }

    mutating func note(_ field: HeaderField) {
        if field.isNamed("content-transfer-encoding") {
            note(encoding: field.value)
        } else if field.isNamed("content-type") {
            note(contentType: field.value)
        } else if field.isNamed("mime-version") {
            hasVersion = true
        }
    }

    private mutating func note(encoding value: [UInt8]) {
        var tokenizer = MIMETokenizer(value)
        let word = tokenizer.nextWord()
        if ASCII.equalsIgnoringCase(word, "7bit".utf8) {
            encoding = .sevenBit
        } else if ASCII.equalsIgnoringCase(word, "8bit".utf8) {
            encoding = .eightBit
        } else if ASCII.equalsIgnoringCase(word, "binary".utf8) {
            encoding = .binary
        } else {
            encoding = .encoded
        }
    }

    private mutating func note(contentType value: [UInt8]) {
        // Of several Content-Type fields the first counts, so that a later one cannot hide the structure that was already seen.
        guard !hasContentType else { return }
        hasContentType = true
        var tokenizer = MIMETokenizer(value)
        let type = tokenizer.nextWord().map(ASCII.lowercased)
        let subtype = tokenizer.take(UInt8(ascii: "/")) ? tokenizer.nextWord().map(ASCII.lowercased) : []
        switch String(decoding: type, as: UTF8.self) {
        case "multipart":
            guard let boundary = tokenizer.parameter("boundary"), !boundary.isEmpty, boundary.count <= MIMEHeaderFacts.boundaryLimit else {
                structure = .unreadableMultipart
                return
            }
            structure = .multipart(boundary: boundary, isDigest: subtype == Array("digest".utf8))
        case "message":
            let name = String(decoding: subtype, as: UTF8.self)
            let isMessage = name == "rfc822" || name == "global"
            let isOpaque = name == "partial" || name == "external-body"
            structure = isMessage ? .message : (isOpaque ? .unconvertibleMessage : .leaf)
        default: structure = .leaf
        }
    }
}

/// The tokens of a structured MIME field: words, quoted strings and single specials; white space and comments are skipped.
struct MIMETokenizer {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private mutating func skip() {
        var depth = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "(") {
                depth += 1
            } else if depth > 0 {
                if byte == UInt8(ascii: ")") { depth -= 1 }
                if byte == UInt8(ascii: "\\") { index += 1 }
            } else if !ASCII.isSpace(byte) {
                return
            }
            index += 1
        }
        index = min(index, bytes.count)
    }

    mutating func take(_ special: UInt8) -> Bool {
        skip()
        guard index < bytes.count, bytes[index] == special else { return false }
        index += 1
        return true
    }

    /// A token (RFC 2045 section 5.1) or the content of a quoted string; empty where neither stands.
    mutating func nextWord() -> [UInt8] {
        skip()
        var out: [UInt8] = []
        if index < bytes.count, bytes[index] == UInt8(ascii: "\"") {
            index += 1
            while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                if bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count { index += 1 }
                out.append(bytes[index])
                index += 1
            }
            index = min(index + 1, bytes.count)
            return out
        }
        while index < bytes.count, MIMETokenizer.isTokenByte(bytes[index]) {
            out.append(bytes[index])
            index += 1
        }
        return out
    }

    /// The value of a parameter after `;`.
    mutating func parameter(_ name: String) -> [UInt8]? {
        while index < bytes.count {
            guard take(UInt8(ascii: ";")) else {
                // Not where a parameter begins: go on to the next separator.
                if nextWord().isEmpty { index = min(index + 1, bytes.count) }
                continue
            }
            let key = nextWord()
            guard take(UInt8(ascii: "=")) else { continue }
            let value = nextWord()
            if ASCII.equalsIgnoringCase(key, name.utf8) { return value }
        }
        return nil
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        guard byte > 0x20, byte != 0x7F else { return false }
        switch byte {
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "@"), UInt8(ascii: ","),
            UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "/"), UInt8(ascii: "["),
            UInt8(ascii: "]"), UInt8(ascii: "?"), UInt8(ascii: "="):
            return false
        default: return true
        }
    }
}
