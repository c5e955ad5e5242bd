// The trace field that this host puts on top of a message (RFC 5321 section 4.4), in Postfix's words and line breaks.
//
// Security: name, HELO argument and login come from the peer. The characters that could close a comment or begin a clause are replaced, as
// Postfix does before it keeps a HELO argument, and every line stays under 998 octets.

public import MailModel

/// Makes Received fields.
public enum ReceivedField {
    /// The field for a message that came by SMTP.
    ///
    /// - Parameters:
    ///   - client: who sent it. An empty ``ClientFacts/helo`` is replaced by the client's name, as Postfix does.
    ///   - recipient: the only recipient; nil for several (RFC 5321 section 7.2: `for` must not disclose the others).
    ///   - date: the text of an RFC 5322 date.
    ///   - includesLogin: whether the SASL login is shown (`smtpd_sasl_authenticated_header`).
    public static func smtp(
        client: ClientFacts, hostName: String, mailName: String, queueID: QueueID, recipient: MailAddress?, date: String,
        includesLogin: Bool = false
    ) -> HeaderField {
        let name = client.name.isEmpty ? "unknown" : neutralized(client.name)
        let helo = client.helo.isEmpty ? name : neutralized(client.helo)
        // RFC 5321 section 4.1.3: an IPv6 address literal carries its tag.
        let address = client.address.utf8.contains(UInt8(ascii: ":")) ? "IPv6:\(client.address)" : client.address
        var lines = ["from \(helo) (\(name) [\(neutralized(address))])"]
        if !client.tls.isEmpty {
            lines.append(contentsOf: tlsLines(client.tls))
            lines.append("(No client certificate requested)")
        }
        if includesLogin, !client.login.isEmpty { lines.append("(Authenticated sender: \(neutralized(client.login)))") }
        let with = "by \(hostName) (\(mailName)) with \(neutralized(client.protocolName)) id \(queueID)"
        if let recipient = recipient.flatMap(shown) {
            lines.append(with)
            lines.append("for <\(recipient)>; \(date)")
        } else {
            lines.append(with + ";")
            lines.append(date)
        }
        return field(lines)
    }

    /// The field for a message that a user of this host submitted.
    public static func submission(userID: Int64, hostName: String, mailName: String, queueID: QueueID, date: String) -> HeaderField {
        let by = userID >= 0 ? "by \(hostName) (\(mailName), from userid \(userID))" : "by \(hostName) (\(mailName))"
        return field([by, "id \(queueID); \(date)"])
    }

    /// The field for a message that the mail system itself made: a notification, or a forwarded message.
    public static func mailSystem(hostName: String, mailName: String, queueID: QueueID, date: String) -> HeaderField {
        submission(userID: -1, hostName: hostName, mailName: mailName, queueID: queueID, date: date)
    }

    private static func field(_ lines: [String]) -> HeaderField {
        HeaderField(name: "Received", value: lines.joined(separator: "\r\n\t"))
    }

    /// `using X with cipher Y (a/b bits)`, its ` key-exchange ...` part on a line of its own.
    private static func tlsLines(_ facts: String) -> [String] {
        let bytes = Array(facts.utf8.prefix(900)).map { $0 < 0x20 || $0 >= 0x7F ? UInt8(ascii: "?") : $0 }
        let marker = Array(" key-exchange ".utf8)
        var index = 0
        while index + marker.count <= bytes.count {
            if bytes[index..<(index + marker.count)].elementsEqual(marker) {
                return ["(" + String(decoding: bytes[..<index], as: UTF8.self), String(decoding: bytes[index...], as: UTF8.self) + ")"]
            }
            index += 1
        }
        return ["(" + String(decoding: bytes, as: UTF8.self) + ")"]
    }

    /// Text of the peer without the characters that have a meaning in a Received field, at most 255 octets.
    private static func neutralized(_ text: String) -> String {
        var out = String()
        for scalar in ASCII.printable(text.utf8.prefix(255)).unicodeScalars {
            switch scalar {
            case " ", "<", ">", "(", ")", "\\", "\"", ";", "@": out.unicodeScalars.append("?")
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// The recipient for the `for` clause; nil where it has bytes that must not stand in a header or would make the line too long.
    private static func shown(_ recipient: MailAddress) -> String? {
        let bytes = recipient.externalForm
        guard !bytes.isEmpty, bytes.count <= 900, !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
