// A message as it is stored in a mailbox or handed to a command: LF line endings, and in front what final delivery adds.
//
// RFC 5321 section 4.4: the system that makes final delivery puts the reverse-path into Return-Path. X-Original-To and Delivered-To are
// Postfix's; the latter is how a forwarding loop is seen. In an mbox file a line `From ` of the message is quoted as `>From ` (MailboxBody).

import InternetMessage
import MailModel

/// What goes in front of the message, and how the message is quoted.
struct MailboxForm: OptionSet, Sendable, Hashable {
    let rawValue: UInt8
    /// A `From sender date` line.
    static let fromLine = MailboxForm(rawValue: 1)
    /// `From ` at the start of a line becomes `>From `.
    static let quoting = MailboxForm(rawValue: 2)
    /// An empty line at the end.
    static let finalBlank = MailboxForm(rawValue: 4)
    static let deliveredTo = MailboxForm(rawValue: 8)

    static let mbox: MailboxForm = [.fromLine, .quoting, .finalBlank, .deliveredTo]
    static let maildir: MailboxForm = [.deliveredTo]
    static let command: MailboxForm = [.fromLine, .deliveredTo]
}

/// The fields in front of a delivered message.
struct DeliveryHeader: Sendable, Hashable {
    var sender: MailAddress
    /// The address before any expansion on this host; nil where X-Original-To is not wanted.
    var originalRecipient: MailAddress?
    /// The address that was given to the delivery agent.
    var recipient: MailAddress

    /// - Parameter date: as asctime(3) has it: `Mon Nov 23 19:38:06 2026`.
    func bytes(_ form: MailboxForm, date: String) -> [UInt8] {
        var out: [UInt8] = []
        if form.contains(.fromLine) {
            let from = sender.isNull ? Array("MAILER-DAEMON".utf8) : DeliveryHeader.oneLine(sender.externalForm)
            // A blank would end the address for every reader of mbox files; a quoted local-part may have one.
            out += Array("From ".utf8) + from.map { $0 == 0x20 ? UInt8(ascii: "_") : $0 } + Array("  \(date)\n".utf8)
        }
        out += Array("Return-Path: <".utf8) + DeliveryHeader.oneLine(sender.externalForm) + Array(">\n".utf8)
        if let originalRecipient {
            out += Array("X-Original-To: ".utf8) + DeliveryHeader.oneLine(originalRecipient.externalForm) + [UInt8(ascii: "\n")]
        }
        if form.contains(.deliveredTo) {
            out += Array("Delivered-To: ".utf8) + DeliveryHeader.oneLine(recipient.externalForm) + [UInt8(ascii: "\n")]
        }
        return out
    }

    /// Addresses are checked where they come in; a control byte that got through must still not make a line of its own.
    static func oneLine(_ bytes: [UInt8]) -> [UInt8] { bytes.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 } }

    /// asctime(3) of a local time.
    ///
    /// - Parameters:
    ///   - seconds: since 1970, UTC.
    ///   - offset: seconds east of UTC.
    static func asctime(seconds: Int64, offset: Int) -> String {
        // `Mon, 23 Nov 2026 19:38:06 +0000` has the same parts in another order.
        let parts = RFC5322Date(seconds: seconds, offset: offset).text().split(separator: " ")
        guard parts.count >= 5 else { return "Thu Jan  1 00:00:00 1970" }
        return "\(parts[0].dropLast()) \(parts[2]) \(parts[1].utf8.count < 2 ? " " : "")\(parts[1]) \(parts[4]) \(parts[3])"
    }
}
