// `sendmail -bv`: what cleanup would say of each recipient, mailed to the caller. Nothing is sent to the recipients.
//
// pickup asks, and not sendmail itself, because ordinary users reach no service of a set-gid installation.
// Known limits: the answer is that of the routing tables, as at RCPT; no other host is asked.

import MailIPC
import MailModel

/// The report about addresses.
struct VerificationReport {
    let envelope: Envelope
    let content: [UInt8]

    /// - Parameters:
    ///   - question: the envelope of the submission; its sender is told.
    ///   - verdicts: one for each recipient, in order.
    init(question: Envelope, verdicts: [(address: MailAddress, verdict: RecipientVerdict)], hostName: String) {
        var report = question
        // The null sender: a report is never answered by another report (RFC 3464 section 2).
        report.sender = .null
        report.recipients = [EnvelopeRecipient(question.sender, notify: .never)]
        report.fullName = []
        report.envelopeID = []
        report.returnContent = .unspecified
        envelope = report
        var lines = [
            "From: MAILER-DAEMON (Mail Delivery System)",
            "To: \(question.sender.logForm)",
            "Subject: Mail Delivery Status Report",
            "Auto-Submitted: auto-generated",
            "",
            "This is the mail system at host \(hostName).",
            "",
            "Enclosed is the mail delivery report that you requested.",
            "",
        ]
        lines += verdicts.map { Self.line($0.address, $0.verdict) }
        content = Array((lines.joined(separator: "\r\n") + "\r\n").utf8)
    }

    private static func line(_ address: MailAddress, _ verdict: RecipientVerdict) -> String {
        let place =
            switch verdict.addressClass {
            case .local: "a local address"
            case .virtualAlias: "an alias of a virtual domain"
            case .virtualMailbox: "an address of a virtual mailbox domain"
            case .relay: "an address of a domain that is relayed"
            case .other: "an address elsewhere"
            }
        return switch verdict.existence {
        case .known: "<\(address.logForm)>: deliverable (\(place))"
        case .unknown(let status, let reason):
            "<\(address.logForm)>: undeliverable (\(status) \(ASCII.printable(Array(reason.utf8))))"
        case .temporaryFailure(let reason):
            "<\(address.logForm)>: cannot be verified now (\(ASCII.printable(Array(reason.utf8))))"
        }
    }
}
