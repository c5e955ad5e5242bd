// Composes delivery status notifications: multipart/report of RFC 6522 with the fields of RFC 3464, and of RFC 6533 where a message needs
// SMTPUTF8. Pure: dates, ids and the original content are passed in.
//
// Security: text of peers passes ReportText.safe; the boundary is one that does not occur in what it bounds. The returned message stands in
// a part of its own and is not interpreted. Date and Message-Id are left to cleanup, which completes notifications as it does local mail.
// Limits: the built-in texts are English; others come from NotificationTemplate.

import InternetMessage
public import MailModel

/// A notification about one message.
public struct DeliveryStatusReport: Sendable {
    public enum Kind: Sendable, Hashable {
        case failure, delay, success
    }

    /// For whom the report is.
    public enum Audience: Sendable, Hashable {
        case sender
        /// A copy for the postmaster (notify_classes bounce, delay): header only.
        case postmasterCopy
        /// The postmaster, in place of a sender who cannot be told (2bounce).
        case doubleBounce
    }

    /// The mail system that reports.
    public struct Reporter: Sendable, Hashable {
        /// `myhostname`.
        public var hostName: String
        /// `mail_name`.
        public var mailName: String
        /// `myorigin`: the domain of MAILER-DAEMON and postmaster.
        public var origin: String
        /// Seconds east of UTC, for dates.
        public var utcOffset: Int

        public init(hostName: String, mailName: String, origin: String, utcOffset: Int) {
            self.hostName = hostName
            self.mailName = mailName
            self.origin = origin
            self.utcOffset = utcOffset
        }

        /// `mail_name` as part of a field name: `X-Martlet-Queue-ID`.
        var fieldLabel: String {
            let label = String(decoding: mailName.utf8.map { ASCII.isAlphanumeric($0) ? $0 : UInt8(ascii: "-") }.prefix(40), as: UTF8.self)
            return label.isEmpty ? "Mail" : label
        }

        func dateText(_ microseconds: Int64) -> String { RFC5322Date(seconds: microseconds / 1_000_000, offset: utcOffset).text() }
    }

    public var kind: Kind
    public var audience: Audience
    public var reporter: Reporter
    public var queueID: QueueID
    /// Of the message that the report is about.
    public var envelope: Envelope
    public var recipients: [ReportedRecipient]
    /// For a delay: until when attempts go on, microseconds since 1970; 0 for unknown.
    public var retryUntil: Int64
    public var returned: ReturnedContent
    /// The words for people; nil for the built-in ones.
    public var template: NotificationTemplate?
    private let originalFields: [HeaderField]

    public init(
        _ kind: Kind, audience: Audience = .sender, reporter: Reporter, queueID: QueueID, envelope: Envelope,
        recipients: [ReportedRecipient],
        retryUntil: Int64 = 0, returned: ReturnedContent
    ) {
        self.kind = kind
        self.audience = audience
        self.reporter = reporter
        self.queueID = queueID
        self.envelope = envelope
        self.recipients = recipients
        self.retryUntil = retryUntil
        self.returned = returned
        var scanner = HeaderScanner(mailboxLine: .notRecognized)
        var fields: [HeaderField] = []
        _ = scanner.consume(returned.bytes[...], fields: &fields)
        if scanner.ending == nil { _ = scanner.finish(fields: &fields) }
        originalFields = fields
    }

    /// Whether the report has to be sent with SMTPUTF8, and so takes the forms of RFC 6533: the message came with SMTPUTF8, and an address
    /// or the returned header really needs it.
    public var isInternationalized: Bool {
        guard envelope.isSMTPUTF8 else { return false }
        if envelope.sender.isInternationalized || originalFields.contains(where: { $0.raw.contains { $0 >= 0x80 } }) { return true }
        return recipients.contains { $0.recipient.address.isInternationalized || $0.recipient.originalAddress?.isInternationalized == true }
    }

    /// Whether the report has 8-bit bytes, so that its envelope must say BODY=8BITMIME.
    public var hasEightBit: Bool {
        isInternationalized || returned.bytes.contains { $0 >= 0x80 }
            || (template?.lines.contains { $0.utf8.contains { $0 >= 0x80 } } ?? false)
    }

    /// The value of the first original field of this name, safe for text; nil without.
    func originalValue(_ name: String) -> String? {
        guard let value = originalFields.first(where: { $0.isNamed(name) })?.value, !value.isEmpty else { return nil }
        return ReportText.safe(value, allowsUTF8: isInternationalized, limit: 300)
    }

    /// The whole report as it goes to cleanup.
    ///
    /// - Parameter recipient: for the To field.
    public func message(to recipient: MailAddress) -> [UInt8] {
        let text = (template.map(templateLines) ?? NotificationText(self).lines).joined(separator: "\r\n") + "\r\n"
        let status = statusPart
        let original = originalPart
        let boundary = boundary(avoiding: [Array(text.utf8), status, original])
        let delimiter = Array("--\(boundary)".utf8)
        var out = header(to: recipient, boundary: boundary)
        out += Array("\r\nThis is a MIME-encapsulated message.\r\n\r\n".utf8)
        let bitField = isInternationalized ? "Content-Transfer-Encoding: 8bit\r\n" : ""
        let textBitField = text.utf8.contains { $0 >= 0x80 } ? "Content-Transfer-Encoding: 8bit\r\n" : ""
        let charset = isInternationalized ? "utf-8" : template?.charset ?? "us-ascii"
        out += delimiter + Array("\r\nContent-Description: Notification\r\n".utf8)
        out += Array("Content-Type: text/plain; charset=\(charset)\r\n\(textBitField)\r\n\(text)\r\n".utf8)
        out += delimiter + Array("\r\nContent-Description: Delivery report\r\n".utf8)
        out += Array("Content-Type: message/\(isInternationalized ? "global-delivery-status" : "delivery-status")\r\n\(bitField)\r\n".utf8)
        out += status + ReportText.crlf
        out += delimiter + Array("\r\nContent-Description: \(originalDescription)\r\nContent-Type: \(originalType)\r\n".utf8)
        if original.contains(where: { $0 >= 0x80 }) { out += Array("Content-Transfer-Encoding: 8bit\r\n".utf8) }
        out += ReportText.crlf + original
        if !out.suffix(2).elementsEqual(ReportText.crlf) { out += ReportText.crlf }
        return out + ReportText.crlf + delimiter + Array("--\r\n".utf8)
    }

    private func header(to recipient: MailAddress, boundary: String) -> [UInt8] {
        var fields: [HeaderField] = []
        fields.append(HeaderField(name: "From", value: from))
        fields.append(HeaderField(name: "Subject", value: subject))
        fields.append(HeaderField(name: "To", value: ReportText.safe(recipient.externalForm, allowsUTF8: isInternationalized, limit: 900)))
        // RFC 3834 section 5: no program may answer a notification.
        fields.append(HeaderField(name: "Auto-Submitted", value: "auto-replied"))
        if let reference = originalFields.first(where: { $0.isNamed("message-id") })?.value, DeliveryStatusReport.isMessageID(reference) {
            fields.append(HeaderField(name: "References", value: reference))
        }
        fields.append(HeaderField(name: "MIME-Version", value: "1.0"))
        fields.append(
            HeaderField(name: "Content-Type", value: "multipart/report; report-type=delivery-status;\r\n\tboundary=\"\(boundary)\""))
        if hasEightBit { fields.append(HeaderField(name: "Content-Transfer-Encoding", value: "8bit")) }
        return fields.flatMap(\.raw)
    }

    private var from: String {
        let text = template?.from ?? ""
        // `MAILER-DAEMON (Mail Delivery System)`: cleanup completes the address.
        return text.isEmpty ? "MAILER-DAEMON@\(reporter.origin) (Mail Delivery System)" : text
    }

    /// A template's text, and below it each recipient with its reason, as Postfix writes them.
    private func templateLines(_ template: NotificationTemplate) -> [String] {
        var lines = template.lines
        lines.append("")
        for reported in recipients {
            let address = "<\(reported.shownAddress(allowsUTF8: isInternationalized))>:"
            let reason = ReportText.safe(reported.outcome.reason, allowsUTF8: isInternationalized)
            lines += ReportText.wrapped("\(address) \(reason)")
            lines.append("")
        }
        return lines
    }

    private var subject: String {
        if let template {
            let isCopy = audience != .sender && !template.postmasterSubject.isEmpty
            return isCopy ? template.postmasterSubject : template.subject
        }
        return builtInSubject
    }

    private var builtInSubject: String {
        switch (kind, audience) {
        case (.failure, .postmasterCopy), (.failure, .doubleBounce): "Postmaster Copy: Undelivered Mail"
        case (.delay, .postmasterCopy), (.delay, .doubleBounce): "Postmaster Warning: Delayed Mail"
        case (.failure, .sender): "Undelivered Mail Returned to Sender"
        case (.delay, .sender): "Delayed Mail (still being retried)"
        case (.success, _): "Successful Mail Delivery Report"
        }
    }

    /// `<` printable ASCII without space `>`, short enough for a line.
    private static func isMessageID(_ value: [UInt8]) -> Bool {
        value.count <= 900 && value.count > 2 && value.first == UInt8(ascii: "<") && value.last == UInt8(ascii: ">")
            && value.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }

    /// The message/delivery-status part: fields of the message, then a group for each recipient.
    private var statusPart: [UInt8] {
        let label = "X-" + reporter.fieldLabel
        var out = ReportText.field("Reporting-MTA", "dns; \(ReportText.safe(reporter.hostName, allowsUTF8: false))")
        if !envelope.envelopeID.isEmpty {
            out += ReportText.field("Original-Envelope-Id", address: ReportText.safe(envelope.envelopeID, allowsUTF8: false, limit: 900))
        }
        out += ReportText.field("\(label)-Queue-ID", queueID.text)
        if !envelope.sender.isNull {
            out += ReportText.field(
                "\(label)-Sender", address: ReportedRecipient.typedAddress(envelope.sender, isGlobal: isInternationalized))
        }
        if envelope.arrival > 0 { out += ReportText.field("Arrival-Date", reporter.dateText(envelope.arrival)) }
        for recipient in recipients { out += ReportText.crlf + recipient.fields(in: self) }
        return out
    }

    /// The returned message below the reverse-path it came with, as Postfix shows it.
    private var originalPart: [UInt8] {
        let sender = ReportText.safe(envelope.sender.externalForm, allowsUTF8: isInternationalized, limit: 900)
        return HeaderField(name: "Return-Path", value: "<\(sender)>").raw + returned.bytes
    }

    private var originalDescription: String {
        switch (kind, returned.isWhole) {
        case (.failure, true): "Undelivered Message"
        case (.failure, false): "Undelivered Message Headers"
        case (.delay, _): "Delayed Message Headers"
        case (.success, _): "Message Headers"
        }
    }

    private var originalType: String {
        switch (returned.isWhole, isInternationalized) {
        case (true, false): "message/rfc822"
        case (true, true): "message/global"
        case (false, false): "text/rfc822-headers"
        case (false, true): "message/global-headers"
        }
    }

    /// A boundary that occurs in none of the parts. It holds the queue id and, as a rule, ends at the first try.
    private func boundary(avoiding parts: [[UInt8]]) -> String {
        // RFC 2046 section 5.1.1: at most 70 octets out of a small alphabet.
        let host = String(
            decoding: reporter.hostName.utf8.filter { ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
                .prefix(20),
            as: UTF8.self)
        var number = envelope.arrival
        while true {
            let candidate = "\(queueID.text.prefix(24)).\(UInt64(bitPattern: number) % 10_000_000_000)/\(host)"
            let bytes = Array(candidate.utf8)
            if !parts.contains(where: { ReportText.contains(bytes, in: $0[...]) }) { return candidate }
            number &+= 1
        }
    }
}
