// A reply of SMTP: three digits, an optional enhanced status code, and lines of text (RFC 5321 section 4.2, RFC 2034).

/// One reply, sent by our server or received from a peer.
public struct SMTPReply: Hashable, Sendable, CustomStringConvertible {
    /// 200...599.
    public var code: UInt16
    /// nil where the reply must not or did not carry one (RFC 2034 section 4: not in greetings, EHLO and HELO replies).
    public var enhanced: EnhancedStatusCode?
    /// Lines without code, enhanced code and CRLF; never empty.
    public var lines: [String]

    public init(_ code: UInt16, _ enhanced: EnhancedStatusCode? = nil, _ text: String) {
        self.code = code
        self.enhanced = enhanced
        self.lines = [text]
    }

    public init(_ code: UInt16, _ enhanced: EnhancedStatusCode? = nil, lines: [String]) {
        self.code = code
        self.enhanced = enhanced
        self.lines = lines.isEmpty ? [""] : lines
    }

    public var isPositive: Bool { code < 400 }
    public var isTransientFailure: Bool { code >= 400 && code < 500 }
    public var isPermanentFailure: Bool { code >= 500 }

    /// The bytes on the wire, with CRLF after each line. Control bytes in the text become `?`, so that text of a peer cannot forge a reply line.
    public var wire: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(lines.reduce(0) { $0 + $1.utf8.count + 24 })
        for (index, line) in lines.enumerated() {
            ASCII.append(UInt64(code), to: &out)
            out.append(index + 1 < lines.count ? UInt8(ascii: "-") : 0x20)
            if let enhanced {
                ASCII.append(UInt64(enhanced.statusClass), to: &out)
                out.append(UInt8(ascii: "."))
                ASCII.append(UInt64(enhanced.subject), to: &out)
                out.append(UInt8(ascii: "."))
                ASCII.append(UInt64(enhanced.detail), to: &out)
                out.append(0x20)
            }
            for byte in line.utf8 { out.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: "?") : byte) }
            out.append(13)
            out.append(10)
        }
        return out
    }

    /// One line, as Postfix quotes a reply in logs and notifications: `550 5.1.1 no such user`, lines of a longer reply joined with a space.
    public var description: String {
        let head = enhanced.map { "\(code) \($0)" } ?? "\(code)"
        // A multi-line reply repeats its code in Postfix's logs: `550-5.1.1 a 550 5.1.1 b`.
        return lines.enumerated().map { index, line in
            let prefix = index + 1 < lines.count ? head.replacingFirstSpace(code: code, enhanced: enhanced) : head
            return line.isEmpty ? prefix : "\(prefix) \(line)"
        }.joined(separator: " ")
    }
}

extension String {
    fileprivate func replacingFirstSpace(code: UInt16, enhanced: EnhancedStatusCode?) -> String {
        enhanced.map { "\(code)-\($0)" } ?? "\(code)-"
    }
}
