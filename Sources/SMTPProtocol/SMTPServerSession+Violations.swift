// What the protocol forbids and clients do: commands before the reply that they had to wait for, and lines that end with LF alone. It is noted
// once a session, or ends the session where the policy says so.

import MailModel

extension SMTPServerSession {
    /// Notes pipelining where the client had to wait; false where the session ends for it.
    mutating func checkPipelining(_ verb: SMTPVerb) -> Bool {
        guard verb.endsPipeline, position < input.count else { return true }
        if !notedPipelining {
            notedPipelining = true
            let text = SMTPServerSession.escaped(input[position...].prefix(100))
            pending.append(.note(.improperPipelining(place: verb.rawValue, text: text)))
        }
        // What follows STARTTLS is dropped, whatever it is; there it needs no other answer.
        guard policy.forbidsUnauthorizedPipelining, verb != .startTLS else { return true }
        put(SMTPReply(554, EnhancedStatusCode(5, 5, 0), "\(policy.hostName) Error: SMTP protocol synchronization"))
        close(.improperPipelining)
        return false
    }

    /// A bare LF was seen; false where the session ends for it.
    mutating func checkBareNewline() -> Bool {
        switch policy.bareNewline {
        case .no, .normalize: return true
        case .note:
            if !notedBareNewline { pending.append(.note(.bareNewline(place: place))) }
            notedBareNewline = true
            return true
        case .reject:
            pending.append(.note(.bareNewline(place: place)))
            let code = policy.bareNewlineRejectCode
            put(SMTPReply(code, EnhancedStatusCode(code < 500 ? 4 : 5, 5, 2), "\(policy.hostName) Error: bare <LF> received"))
            close(.bareNewline)
            return false
        }
    }

    /// Bytes for a log line with CR and LF shown, as Postfix escapes them.
    private static func escaped(_ bytes: some Sequence<UInt8>) -> String {
        var out: [UInt8] = []
        for byte in bytes {
            switch byte {
            case 0x0D: out.append(contentsOf: "\\r".utf8)
            case 0x0A: out.append(contentsOf: "\\n".utf8)
            default: out.append(byte)
            }
        }
        return ASCII.printable(out)
    }
}
