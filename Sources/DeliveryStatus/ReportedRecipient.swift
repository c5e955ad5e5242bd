// One recipient in a report, and its group of fields (RFC 3464 section 2.3, RFC 6533 section 3).

public import MailModel

/// What became of one recipient.
public struct ReportedRecipient: Hashable, Sendable {
    public var recipient: EnvelopeRecipient
    public var outcome: RecipientOutcome
    /// When, in microseconds since 1970.
    public var time: Int64

    public init(recipient: EnvelopeRecipient, outcome: RecipientOutcome, time: Int64) {
        self.recipient = recipient
        self.outcome = outcome
        self.time = time
    }

    /// The address for text: `<local@domain>` without the brackets.
    func shownAddress(allowsUTF8: Bool) -> String {
        ReportText.safe((recipient.originalAddress ?? recipient.address).externalForm, allowsUTF8: allowsUTF8)
    }

    /// The word of the Action field (RFC 3464 section 2.3.3).
    func action(in kind: DeliveryStatusReport.Kind) -> String {
        switch kind {
        case .failure: return "failed"
        case .delay: return "delayed"
        case .success:
            switch outcome.action {
            case .relayed, .relayedWithoutDSN: return "relayed"
            case .expanded: return "expanded"
            // A trace log holds successes only; whatever else gets there is named for what it is.
            case .deferred: return "delayed"
            case .bounced: return "failed"
            case .delivered, .discarded: return "delivered"
            }
        }
    }

    /// The group of fields for this recipient.
    func fields(in report: DeliveryStatusReport) -> [UInt8] {
        let isGlobal = report.isInternationalized
        var out: [UInt8] = []
        if let original = originalRecipient(isGlobal: isGlobal) { out += ReportText.field("Original-Recipient", address: original) }
        out += ReportText.field("Final-Recipient", address: ReportedRecipient.typedAddress(recipient.address, isGlobal: isGlobal))
        out += ReportText.field("Action", action(in: report.kind))
        // A failure after the last of many attempts keeps the transient status of that attempt (RFC 3464 section 2.3.4 allows it).
        out += ReportText.field("Status", "\(outcome.status)")
        if !outcome.remoteMTA.isEmpty {
            out += ReportText.field("Remote-MTA", "dns; " + ReportText.safe(outcome.remoteMTA, allowsUTF8: false))
        }
        // RFC 6533 section 4.1: text-fixed, so ASCII in either form of the report.
        if !outcome.diagnostic.isEmpty {
            out += ReportText.field("Diagnostic-Code", "smtp; " + ReportText.safe(outcome.diagnostic, allowsUTF8: false))
        } else if report.kind != .success {
            let type = "X-" + report.reporter.fieldLabel
            out += ReportText.field("Diagnostic-Code", "\(type); " + ReportText.safe(outcome.reason, allowsUTF8: false))
        }
        if report.kind == .delay {
            out += ReportText.field("Last-Attempt-Date", report.reporter.dateText(time))
            if report.retryUntil > 0 { out += ReportText.field("Will-Retry-Until", report.reporter.dateText(report.retryUntil)) }
        }
        return out
    }

    /// ORCPT as it was given (RFC 3464 section 2.3.1), or the address before aliasing, as Postfix does.
    private func originalRecipient(isGlobal: Bool) -> String? {
        let given = recipient.originalRecipient
        if let semicolon = given.firstIndex(of: UInt8(ascii: ";")), semicolon > 0, semicolon + 1 < given.count {
            let type = ReportText.safe(given[..<semicolon], allowsUTF8: false)
            guard type.utf8.allSatisfy({ ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }) else { return nil }
            let address = given[(semicolon + 1)...]
            if ASCII.equalsIgnoringCase(type.utf8, "utf-8".utf8) {
                return "utf-8; " + ReportedRecipient.extended(Array(address), isGlobal: isGlobal)
            }
            return "\(type);" + ReportText.safe(address, allowsUTF8: false, limit: 900)
        }
        guard let original = recipient.originalAddress, original != recipient.address else { return nil }
        return ReportedRecipient.typedAddress(original, isGlobal: isGlobal)
    }

    /// `rfc822; address`, or `utf-8; address` where the address needs it (RFC 6533 section 3).
    static func typedAddress(_ address: MailAddress, isGlobal: Bool) -> String {
        let bytes = address.externalForm
        guard address.isInternationalized, String(validating: bytes, as: UTF8.self) != nil else {
            return "rfc822; " + ReportText.safe(bytes, allowsUTF8: false, limit: 900)
        }
        return "utf-8; " + extended(bytes, isGlobal: isGlobal)
    }

    /// A UTF-8 address as it is, or as utf-8-addr-xtext (`\x{FC}`) where the part is 7-bit.
    private static func extended(_ bytes: [UInt8], isGlobal: Bool) -> String {
        let text = ReportText.safe(bytes, allowsUTF8: true, limit: 400)
        guard !isGlobal else { return text }
        var out = ""
        for scalar in text.unicodeScalars {
            // RFC 6533 section 3: QCHAR leaves out space, `+`, `=` and `\`.
            let isPlain = scalar.isASCII && scalar.value > 0x20 && scalar != "\\" && scalar != "+" && scalar != "="
            if isPlain {
                out.unicodeScalars.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16, uppercase: true)
                out += "\\x{" + (digits.utf8.count < 2 ? "0" + digits : digits) + "}"
            }
        }
        return out
    }
}
