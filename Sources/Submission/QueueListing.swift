// The queue as `mailq` and `postqueue -j` show it, byte for byte as Postfix does: scripts parse it.

public import MailIPC
import MailModel

/// Formats queue entries.
public enum QueueListing {
    /// Postfix's form for long queue ids, which all of ours are.
    public static let heading = "----Queue ID----- --Size--- ---Arrival Time---- --Sender/Recipient------"
    public static let empty = "Mail queue is empty"

    /// One message with an empty line behind it.
    ///
    /// - Parameter date: local time of a moment in microseconds, as `Mon Nov 23 19:38:06`.
    public static func text(_ entry: QueueEntry, date: (Int64) -> String) -> String {
        let mark =
            switch entry.place {
            case .active: "*"
            case .hold: "!"
            case .incoming, .deferred, .maildrop: ""
            }
        let size = String(entry.size)
        var out = padded(entry.queueID.text + mark, to: 17) + " " + String(repeating: " ", count: max(0, 8 - size.utf8.count)) + size + " "
        out += padded(date(entry.arrival), to: 19) + " " + sender(entry) + "\n"
        var lastReason = ""
        for recipient in entry.recipients {
            let reason = ASCII.printable(Array(recipient.delayReason.utf8))
            if !reason.isEmpty && reason != lastReason {
                out += String(repeating: " ", count: max(0, 76 - reason.utf8.count)) + "(\(reason))\n"
            }
            lastReason = reason
            out += String(repeating: " ", count: 47) + recipient.address.logForm + "\n"
        }
        return out + "\n"
    }

    /// The last line.
    public static func trailer(bytes: UInt64, count: Int) -> String {
        "-- \(bytes / 1024) Kbytes in \(count) Request\(count == 1 ? "" : "s")."
    }

    /// One line of JSON (postqueue(1), "JSON OBJECT FORMAT").
    public static func json(_ entry: QueueEntry) -> String {
        var out = "{\"queue_name\": \"\(entry.place.name)\", \"queue_id\": \"\(entry.queueID)\", "
        out += "\"arrival_time\": \(entry.arrival / 1_000_000), \"message_size\": \(entry.size), \"forced_expire\": false, "
        out += "\"sender\": \(quoted(sender(entry))), \"recipients\": ["
        out += entry.recipients.map { recipient in
            var fields = "{"
            if let original = recipient.originalAddress { fields += "\"orig_address\": \(quoted(original.logForm)), " }
            fields += "\"address\": \(quoted(recipient.address.logForm))"
            if !recipient.delayReason.isEmpty { fields += ", \"delay_reason\": \(quoted(recipient.delayReason))" }
            return fields + "}"
        }.joined(separator: ", ")
        return out + "]}"
    }

    private static func sender(_ entry: QueueEntry) -> String { entry.sender.isNull ? "MAILER-DAEMON" : entry.sender.logForm }

    private static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.utf8.count))
    }

    /// A JSON string (RFC 8259 section 7).
    static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            // C1 controls need no escape in JSON; a terminal obeys them.
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
