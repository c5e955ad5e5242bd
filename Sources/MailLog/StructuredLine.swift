// The forms of a line that have room for facts: JSON for a file, and journald's own protocol. Pure, like LogLine.

/// Lines with facts.
enum StructuredLine {
    /// One JSON object (RFC 8259) and a line feed.
    ///
    /// `time` is RFC 3339 in UTC with microseconds; `message` is the text of the classic line.
    static func json(
        microseconds: Int64, host: String, tag: String, processID: Int32, severity: MailLog.Severity, text: String, fields: LogFields
    ) -> [UInt8] {
        var out = Array("{\"time\":\"\(rfc3339(microseconds))\",\"host\":".utf8)
        quote(host, into: &out)
        out += ",\"program\":".utf8
        quote(program(tag), into: &out)
        out += ",\"tag\":".utf8
        quote(tag, into: &out)
        out += ",\"pid\":\(processID),\"severity\":\"\(severity.word)\",\"message\":".utf8
        quote(text, into: &out)
        for field in complete(fields, text) {
            out += ",".utf8
            quote(field.name, into: &out)
            out += ":".utf8
            switch field.value {
            case .text(let value): quote(cut(value), into: &out)
            case .number(let value): out += "\(value)".utf8
            case .duration(let value): out += seconds(value).utf8
            }
        }
        out += "}\n".utf8
        return out
    }

    /// A datagram of `NAME=value` lines. Values have no line feed, since `safe` made them; names get the prefix `MARTLET_`.
    static func journal(
        severity: Int, facility: Int, tag: String, processID: Int32, text: String, fields: LogFields
    ) -> [UInt8] {
        var message =
            "MESSAGE=\(text)\nPRIORITY=\(severity)\nSYSLOG_FACILITY=\(facility)\nSYSLOG_IDENTIFIER=\(tag)\nSYSLOG_PID=\(processID)\n"
        for field in complete(fields, text) {
            let value =
                switch field.value {
                case .text(let value): LogLine.safe(value)
                case .number(let value): "\(value)"
                case .duration(let value): seconds(value)
                }
            message += "MARTLET_\(field.name.uppercased())=\(value)\n"
        }
        return Array(message.utf8)
    }

    /// With the queue id that a line about a message begins with, where its writer did not name it.
    private static func complete(_ fields: LogFields, _ text: String) -> [LogFields.Field] {
        guard !fields.hasQueueID, let id = queueID(in: text) else { return fields.list }
        return [LogFields.Field(name: "queue_id", value: .text(id))] + fields.list
    }

    /// The queue id (six and four digits of base 52, `z`, at least one more digit) before the first `: ` of a line, also after a label.
    static func queueID(in text: String) -> String? {
        var rest = text.utf8[...]
        for label in ["warning: ", "error: ", "fatal: "] where rest.starts(with: label.utf8) { rest = rest.dropFirst(label.utf8.count) }
        let word = Array(rest.prefix { $0 != UInt8(ascii: ":") }.prefix(41))
        guard (12...40).contains(word.count), word[10] == UInt8(ascii: "z"), rest.dropFirst(word.count).starts(with: ": ".utf8),
            word.allSatisfy(isIDDigit)
        else { return nil }
        return String(decoding: word, as: UTF8.self)
    }

    /// Digits, and letters without vowels.
    private static func isIDDigit(_ byte: UInt8) -> Bool {
        switch byte | 0x20 {
        case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "o"), UInt8(ascii: "u"): false
        case UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: byte >= 0x30 && byte <= 0x39
        }
    }

    /// `martlet/submission/smtpd` is of the program `smtpd`.
    private static func program(_ tag: String) -> String {
        guard let slash = tag.utf8.lastIndex(of: UInt8(ascii: "/")) else { return tag }
        return String(tag[tag.utf8.index(after: slash)...])
    }

    /// `2026-11-23T19:38:06.012345Z`.
    static func rfc3339(_ microseconds: Int64) -> String {
        let seconds = LogLine.floorDivide(microseconds, 1_000_000)
        let days = LogLine.floorDivide(seconds, 86400)
        let second = Int(seconds - days * 86400)
        let date = LogLine.date(days)
        let fraction = padded(Int(microseconds - seconds * 1_000_000), 6)
        return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))T"
            + "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2)).\(fraction)Z"
    }

    /// Microseconds as seconds, every digit kept: `0.012345`.
    private static func seconds(_ microseconds: Int64) -> String {
        let value = max(0, microseconds)
        return "\(value / 1_000_000).\(padded(Int(value % 1_000_000), 6))"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return text.utf8.count >= width ? text : String(repeating: "0", count: width - text.utf8.count) + text
    }

    /// At most `LogLine.textLimit` bytes, on a boundary of characters.
    private static func cut(_ text: String) -> String {
        if text.utf8.count <= LogLine.textLimit { return text }
        var count = 0
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            count += UTF8.width(scalar)
            if count > LogLine.textLimit { break }
            out.append(scalar)
        }
        return String(out)
    }

    /// RFC 8259 section 7.
    private static func quote(_ text: String, into out: inout [UInt8]) {
        let hex = Array("0123456789abcdef".utf8)
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                out.append(UInt8(ascii: "\\"))
                out.append(byte)
            case 0..<0x20, 0x7F:
                out += "\\u00".utf8
                out.append(hex[Int(byte >> 4)])
                out.append(hex[Int(byte & 15)])
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}
