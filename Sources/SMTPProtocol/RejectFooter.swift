// The end of refusals (`smtpd_reject_footer` of Postfix): where a sender finds help, on the reply's last line or on lines of its own.

import MailModel

extension SMTPReply {
    /// The reply with a footer. `\n` (two characters) begins a further line; `\c` at the start continues the last line of the reply.
    func appending(footer: String) -> SMTPReply {
        var parts = SMTPReply.lines(of: footer)
        guard !parts.isEmpty else { return self }
        var reply = self
        if parts[0].hasPrefix("\\c") {
            reply.lines[reply.lines.count - 1] += parts.removeFirst().dropFirst(2)
        }
        reply.lines += parts.filter { !$0.isEmpty }
        return reply
    }

    private static func lines(of footer: String) -> [String] {
        var lines: [String] = []
        var line = ""
        var isEscaped = false
        for character in footer {
            if isEscaped {
                isEscaped = false
                if character == "n" {
                    lines.append(line)
                    line = ""
                } else {
                    line += "\\" + String(character)
                }
            } else if character == "\\" {
                isEscaped = true
            } else {
                line.append(character)
            }
        }
        if isEscaped { line += "\\" }
        if !line.isEmpty { lines.append(line) }
        return lines
    }
}
