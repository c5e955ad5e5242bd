// The part of a report that people read: what happened, to whom, why, what to do, and only then the technical text.

import MailModel

/// Lines of the first part, without line ends.
struct NotificationText {
    private let report: DeliveryStatusReport
    private(set) var lines: [String] = []

    init(_ report: DeliveryStatusReport) {
        self.report = report
        compose()
    }

    private var isGlobal: Bool { report.isInternationalized }
    private var single: Bool { report.recipients.count == 1 }

    private mutating func paragraph(_ text: String, indent: String = "") {
        lines += ReportText.wrapped(text, indent: indent)
        lines.append("")
    }

    private mutating func compose() {
        paragraph("This is the mail system at host \(ReportText.safe(report.reporter.hostName, allowsUTF8: false)).")
        paragraph(opening)
        describeMessage()
        for recipient in report.recipients { describe(recipient) }
        paragraph(closing)
        if report.audience == .sender {
            paragraph(
                "If you need help, write to postmaster@\(ReportText.safe(report.reporter.origin, allowsUTF8: false)) and include this report."
            )
        }
        lines.append("                   The mail system")
    }

    private var opening: String {
        let whom = single ? "the recipient below" : "the \(report.recipients.count) recipients below"
        switch (report.kind, report.audience) {
        case (.failure, .sender):
            return "I'm sorry to have to tell you that your message could not be delivered to \(whom). Nothing more will be tried for "
                + "\(single ? "this recipient" : "them")."
        case (.failure, .postmasterCopy):
            return "A message could not be delivered to \(whom); its sender has been told. This copy is for the postmaster."
        case (.failure, .doubleBounce):
            return
                "A notification could not be delivered to \(whom). It has no sender to whom it could return, so it comes to the postmaster."
        case (.delay, .sender):
            return
                "THIS IS A WARNING ONLY. YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN. Your message could not yet be delivered to \(whom). "
                + retryText
        case (.delay, .postmasterCopy), (.delay, .doubleBounce):
            return "A message could not yet be delivered to \(whom). \(retryText)"
        case (.success, _):
            return "As you asked, here is what became of your message for \(whom)."
        }
    }

    private var retryText: String {
        report.retryUntil > 0
            ? "It will be tried again, if need be until \(report.reporter.dateText(report.retryUntil)); you will be told if that fails too."
            : "It will be tried again; you will be told if that fails too."
    }

    private var closing: String {
        switch report.kind {
        case .failure:
            report.returned.isWhole
                ? (report.audience == .sender
                    ? "Your message is attached, so that you can send it again once the trouble is mended." : "The message is attached.")
                : "The header of the message is attached; it shows which message this is about."
        case .delay: "There is nothing that you have to do. The header of the message is attached."
        case .success: "The header of the message is attached."
        }
    }

    /// Which message this is about, in terms that its author knows.
    private mutating func describeMessage() {
        var facts: [String] = []
        // An encoded subject would be noise here; the header below has it.
        if let subject = report.originalValue("subject"), !subject.contains("=?") { facts.append("Subject: \(subject)") }
        if report.envelope.arrival > 0 { facts.append("Sent: \(report.reporter.dateText(report.envelope.arrival))") }
        guard !facts.isEmpty else { return }
        for fact in facts { lines += ReportText.wrapped(fact, indent: "    ") }
        lines.append("")
    }

    private mutating func describe(_ reported: ReportedRecipient) {
        lines.append("<\(reported.shownAddress(allowsUTF8: isGlobal))>:")
        if let original = reported.recipient.originalAddress, original != reported.recipient.address {
            let final = ReportText.safe(reported.recipient.address.externalForm, allowsUTF8: isGlobal)
            lines += ReportText.wrapped("(which stands for <\(final)>)", indent: "    ")
        }
        if report.kind == .success {
            lines += ReportText.wrapped(successText(reported), indent: "    ")
        } else {
            let domain = ReportText.safe(reported.recipient.address.domain, allowsUTF8: isGlobal, limit: 255)
            let explanation = StatusExplanation(reported.outcome.status, domain: domain)
            lines += ReportText.wrapped(explanation.cause, indent: "    ")
            if report.kind == .failure {
                if reported.outcome.status.statusClass == 4 {
                    lines += ReportText.wrapped("It was tried again and again, and is now given up.", indent: "    ")
                }
                if report.audience == .sender {
                    lines += ReportText.wrapped("What you can do: \(explanation.advice)", indent: "    ")
                }
            }
        }
        let details = ReportText.safe(reported.outcome.reason, allowsUTF8: isGlobal)
        if !details.isEmpty { lines += ReportText.wrapped("Technical details: \(details)", indent: "    ") }
        lines.append("")
    }

    private func successText(_ reported: ReportedRecipient) -> String {
        switch reported.outcome.action {
        case .delivered, .discarded: "The message was delivered."
        case .relayed: "The message was passed on to the next mail server."
        case .relayedWithoutDSN:
            "The message was passed on to the next mail server, which does not report on delivery. You may hear no more of it."
        case .expanded: "The message was passed on to the addresses that this one stands for. You may hear no more of it."
        case .deferred: "The message was not delivered yet; it will be tried again."
        case .bounced: "The message could not be delivered."
        }
    }
}
