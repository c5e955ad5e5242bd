// What the sender of a local submission is told when the mail system will never take it: too large, looping, addressed beyond all limits.
//
// Such a message never had a queue file, so `bounce` cannot report it. Security: the refusal's text and the addresses are made printable.

import MailModel

/// A notice from the mail system to the submitter.
struct RefusalNotice {
    let envelope: Envelope
    let content: [UInt8]

    /// - Parameter time: microseconds since 1970.
    init(envelope refused: Envelope, refusal: SMTPReply, hostName: String, time: Int64) {
        envelope = Envelope(
            sender: .null, recipients: [EnvelopeRecipient(refused.sender, notify: .never)], origin: .notification, arrival: time)
        // A list server's 50,000 recipients need not all be in a text for people.
        let shown = refused.recipients.prefix(50).map { "    <\($0.address.logForm)>" }
        let more = refused.recipients.count - shown.count
        var lines = [
            "From: MAILER-DAEMON (Mail Delivery System)",
            "To: \(refused.sender.logForm)",
            "Subject: Undelivered Mail Returned to Sender",
            "Auto-Submitted: auto-replied",
            "",
            "This is the mail system at host \(hostName).",
            "",
            "I'm sorry to have to inform you that a message that you submitted on this",
            "host could not be accepted. It was sent to nobody. The reason is:",
            "",
            "    \(ASCII.printable(Array(refusal.description.utf8)))",
            "",
            "The message was for:",
            "",
        ]
        lines += shown
        if more > 0 { lines.append("    and \(more) more") }
        content = Array((lines.joined(separator: "\r\n") + "\r\n").utf8)
    }
}
