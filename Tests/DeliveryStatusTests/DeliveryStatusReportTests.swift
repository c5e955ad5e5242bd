import DeliveryStatus
import MailModel
import Testing

@Suite struct DeliveryStatusReportTests {
    static let reporter = DeliveryStatusReport.Reporter(
        hostName: "mx.sender.test", mailName: "Martlet", origin: "sender.test", utcOffset: 3600)
    static let queueID = QueueID(microseconds: 1_795_465_277_000_000, unique: 5)
    static let content = "From: phil@sender.test\r\nSubject: hello\r\nMessage-Id: <1@sender.test>\r\n\r\nHi Matt\r\n"

    static func envelope(_ change: (inout Envelope) -> Void = { _ in }) -> Envelope {
        var envelope = Envelope(
            sender: MailAddress("phil@sender.test"), recipients: [], origin: .localSubmission, arrival: 1_795_465_277_000_000)
        change(&envelope)
        return envelope
    }

    static func unknown(_ address: String, _ change: (inout ReportedRecipient) -> Void = { _ in }) -> ReportedRecipient {
        let said = "550 5.1.1 <\(address)>: Recipient address rejected: User unknown"
        var reported = ReportedRecipient(
            recipient: EnvelopeRecipient(MailAddress(address)),
            outcome: RecipientOutcome(
                .bounced, EnhancedStatusCode(5, 1, 1), "host mx.receiver.test[127.0.0.1] said: \(said) (in reply to RCPT TO command)",
                remoteMTA: "mx.receiver.test", diagnostic: said),
            time: 1_795_465_278_000_000)
        change(&reported)
        return reported
    }

    static func report(
        _ kind: DeliveryStatusReport.Kind = .failure, audience: DeliveryStatusReport.Audience = .sender, envelope: Envelope = envelope(),
        recipients: [ReportedRecipient] = [unknown("matt@receiver.test")], retryUntil: Int64 = 0,
        returned: ReturnedContent = .message(Array(content.utf8))
    ) -> DeliveryStatusReport {
        DeliveryStatusReport(
            kind, audience: audience, reporter: reporter, queueID: queueID, envelope: envelope, recipients: recipients,
            retryUntil: retryUntil,
            returned: returned)
    }

    static func text(_ report: DeliveryStatusReport) -> String {
        String(decoding: report.message(to: report.envelope.sender), as: UTF8.self)
    }

    @Test func failureGolden() {
        let boundary = "\(Self.queueID).5277000000/mx.sender.test"
        let golden = """
            From: MAILER-DAEMON@sender.test (Mail Delivery System)
            Subject: Undelivered Mail Returned to Sender
            To: phil@sender.test
            Auto-Submitted: auto-replied
            References: <1@sender.test>
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status;
            \tboundary="\(boundary)"

            This is a MIME-encapsulated message.

            --\(boundary)
            Content-Description: Notification
            Content-Type: text/plain; charset=us-ascii

            This is the mail system at host mx.sender.test.

            I'm sorry to have to tell you that your message could not be delivered
            to the recipient below. Nothing more will be tried for this recipient.

                Subject: hello
                Sent: Mon, 23 Nov 2026 21:21:17 +0100

            <matt@receiver.test>:
                There is no mailbox of this name at receiver.test.
                What you can do: Check the address for typing errors, or ask the
                recipient for the right one.
                Technical details: host mx.receiver.test[127.0.0.1] said: 550 5.1.1
                <matt@receiver.test>: Recipient address rejected: User unknown (in
                reply to RCPT TO command)

            Your message is attached, so that you can send it again once the trouble
            is mended.

            If you need help, write to postmaster@sender.test and include this
            report.

                               The mail system

            --\(boundary)
            Content-Description: Delivery report
            Content-Type: message/delivery-status

            Reporting-MTA: dns; mx.sender.test
            X-Martlet-Queue-ID: \(Self.queueID)
            X-Martlet-Sender: rfc822; phil@sender.test
            Arrival-Date: Mon, 23 Nov 2026 21:21:17 +0100

            Final-Recipient: rfc822; matt@receiver.test
            Action: failed
            Status: 5.1.1
            Remote-MTA: dns; mx.receiver.test
            Diagnostic-Code: smtp; 550 5.1.1 <matt@receiver.test>: Recipient address
             rejected: User unknown

            --\(boundary)
            Content-Description: Undelivered Message
            Content-Type: message/rfc822

            Return-Path: <phil@sender.test>
            From: phil@sender.test
            Subject: hello
            Message-Id: <1@sender.test>

            Hi Matt

            --\(boundary)--

            """
        #expect(
            Self.text(Self.report()).split(separator: "\r\n", omittingEmptySubsequences: false)
                == golden.split(separator: "\n", omittingEmptySubsequences: false))
    }

    @Test func delay() {
        let reported = Self.unknown("matt@receiver.test") {
            $0.outcome = RecipientOutcome(
                .deferred, EnhancedStatusCode(4, 4, 1), "connect to mx.receiver.test[127.0.0.1]:25: Connection refused")
        }
        let text = Self.text(
            Self.report(
                .delay, recipients: [reported], retryUntil: 1_795_865_277_000_000, returned: .header(Array("Subject: hello\r\n".utf8))))
        for line in [
            "Subject: Delayed Mail (still being retried)\r\n", "THIS IS A WARNING ONLY.", "Action: delayed\r\n", "Status: 4.4.1\r\n",
            "Will-Retry-Until: Sat, 28 Nov 2026 12:27:57 +0100\r\n", "Last-Attempt-Date: Mon, 23 Nov 2026 21:21:18 +0100\r\n",
            "Diagnostic-Code: X-Martlet; connect to mx.receiver.test", "Content-Type: text/rfc822-headers\r\n",
            "The mail server for receiver.test could not be reached.",
        ] { #expect(text.contains(line), "\(line)") }
        #expect(!text.contains("Nothing more will be tried"))
    }

    @Test(
        arguments: [
            (RecipientOutcome.Action.delivered, "delivered", "The message was delivered."),
            (.relayed, "relayed", "passed on to the next mail server."), (.relayedWithoutDSN, "relayed", "does not report on"),
            (.expanded, "expanded", "addresses that this one stands for"),
        ] as [(RecipientOutcome.Action, String, String)])
    func success(action: RecipientOutcome.Action, word: String, phrase: String) {
        let reported = ReportedRecipient(
            recipient: EnvelopeRecipient(MailAddress("matt@receiver.test")),
            outcome: RecipientOutcome(action, EnhancedStatusCode(2, 1, 5), "delivered to maildir"), time: 0)
        let text = Self.text(Self.report(.success, recipients: [reported], returned: .header([])))
        #expect(text.contains("Action: \(word)\r\n") && text.contains("Subject: Successful Mail Delivery Report\r\n"))
        #expect(text.replacing("\r\n    ", with: " ").contains(phrase))
    }

    @Test func parametersOfTheEnvelopeAreHonoured() {
        let envelope = Self.envelope { $0.envelopeID = Array("QQ 314159".utf8) }
        let reported = Self.unknown("matt@receiver.test") {
            $0.recipient.originalRecipient = Array("rfc822;Matt+x@Old.Test".utf8)
            $0.recipient.originalAddress = MailAddress("matt@alias.test")
        }
        let text = Self.text(Self.report(envelope: envelope, recipients: [reported]))
        #expect(text.contains("Original-Envelope-Id: QQ 314159\r\n"))
        #expect(text.contains("Original-Recipient: rfc822;Matt+x@Old.Test\r\nFinal-Recipient: rfc822; matt@receiver.test\r\n"))
        #expect(text.contains("<matt@alias.test>:\r\n    (which stands for <matt@receiver.test>)\r\n"))
        let aliased = Self.unknown("matt@receiver.test") { $0.recipient.originalAddress = MailAddress("matt@alias.test") }
        #expect(Self.text(Self.report(recipients: [aliased])).contains("Original-Recipient: rfc822; matt@alias.test\r\n"))
    }

    @Test func peerTextCannotForgeAnything() {
        let evil = "x\r\n\r\n--boundary\r\nFinal-Recipient: rfc822; victim@x\r\nAction: failed\u{2028}y\u{FC}"
        let reported = Self.unknown("a\r\nFinal-Recipient: z@x") {
            $0.outcome.reason = evil
            $0.outcome.diagnostic = evil
            $0.outcome.remoteMTA = evil
            $0.recipient.originalRecipient = Array("rfc822;\(evil)".utf8)
        }
        let envelope = Self.envelope {
            $0.envelopeID = Array(evil.utf8)
            $0.sender = MailAddress("q\r\nBcc: r@x")
        }
        let text = Self.text(Self.report(envelope: envelope, recipients: [reported]))
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines.count { $0.hasPrefix("Final-Recipient:") } == 1)
        #expect(lines.count { $0.hasPrefix("Action:") } == 1)
        #expect(!lines.contains { $0.hasPrefix("Bcc:") || $0.hasPrefix("--boundary") })
        #expect(text.utf8.allSatisfy { $0 < 0x80 })
    }

    @Test func theBoundaryOccursInNoPart() throws {
        let first = "\(Self.queueID).5277000000/mx.sender.test"
        let body = "Subject: x\r\n\r\n--\(first)\r\n--\(first)--\r\n"
        let text = Self.text(Self.report(returned: .message(Array(body.utf8))))
        #expect(text.contains("boundary=\"\(Self.queueID).5277000001/mx.sender.test\""))
    }

    @Test func linesAreShort() {
        let reported = Self.unknown("matt@receiver.test") {
            $0.outcome.reason = String(repeating: "z\u{FC}", count: 3000)
            $0.outcome.diagnostic = String(repeating: "word ", count: 900)
        }
        let text = Self.text(Self.report(recipients: [reported]))
        #expect(text.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 998 })
    }

    @Test func internationalizedReports() {
        let envelope = Self.envelope { $0.isSMTPUTF8 = true }
        let reported = Self.unknown("j\u{F6}rg@gr\u{FC}n.test")
        let report = Self.report(envelope: envelope, recipients: [reported])
        #expect(report.isInternationalized && report.hasEightBit)
        let text = Self.text(report)
        for line in [
            "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n",
            "Final-Recipient: utf-8; j\u{F6}rg@gr\u{FC}n.test\r\n", "Content-Type: message/global\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n", "<j\u{F6}rg@gr\u{FC}n.test>:",
        ] { #expect(text.contains(line), "\(line)") }
        let header = Self.text(
            Self.report(envelope: envelope, recipients: [reported], returned: .header(Array("Subject: \u{FC}\r\n".utf8))))
        #expect(header.contains("Content-Type: message/global-headers\r\n"))
        // A SMTPUTF8 message that needs nothing of it gets the ordinary forms.
        #expect(!Self.report(envelope: envelope).isInternationalized)
        // Without SMTPUTF8 an address outside ASCII is written in ASCII (RFC 6533 section 3).
        let plain = Self.text(Self.report(recipients: [reported]))
        #expect(plain.contains("Final-Recipient: utf-8; j\\x{F6}rg@gr\\x{FC}n.test\r\n"))
    }

    @Test func eightBitOriginalsAreLabelled() {
        let report = Self.report(returned: .message(Array("Subject: x\r\n\r\ngr\u{FC}n".utf8)))
        #expect(report.hasEightBit && !report.isInternationalized)
        let text = Self.text(report)
        #expect(text.contains("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"))
        #expect(text.contains("gr\u{FC}n\r\n\r\n--"))
    }

    @Test func audiences() {
        let double = Self.text(Self.report(audience: .doubleBounce, envelope: Self.envelope { $0.sender = .null }))
        #expect(double.contains("Subject: Postmaster Copy: Undelivered Mail\r\n") && !double.contains("X-Martlet-Sender"))
        #expect(double.contains("Return-Path: <>\r\n"))
        #expect(!double.contains("What you can do") && !double.contains("Your message is attached"))
    }
}

@Suite struct ReturnedContentTests {
    @Test(
        arguments: [
            (
                DeliveryStatusReport.Kind.failure, DeliveryStatusReport.Audience.sender, DSNReturn.unspecified, UInt64(100),
                ContentFacts([]), true
            ),
            (.failure, .sender, .full, 100, [], true), (.failure, .sender, .headers, 100, [], false),
            (.failure, .sender, .full, 101, [], false),
            (.failure, .sender, .full, 100, .binary, false), (.delay, .sender, .full, 10, [], false),
            (.success, .sender, .full, 10, [], false),
            (.failure, .postmasterCopy, .full, 10, [], false), (.failure, .doubleBounce, .unspecified, 10, [], true),
        ] as [(DeliveryStatusReport.Kind, DeliveryStatusReport.Audience, DSNReturn, UInt64, ContentFacts, Bool)])
    func wholeOrHeader(
        kind: DeliveryStatusReport.Kind, audience: DeliveryStatusReport.Audience, requested: DSNReturn, length: UInt64, facts: ContentFacts,
        expected: Bool
    ) {
        let whole = ReturnedContent.returnsWhole(kind, audience: audience, requested: requested, length: length, limit: 100, facts: facts)
        #expect(whole == expected)
    }

    @Test func headersAreCutAtFields() {
        let start = Array("A: 1\r\nB: 2\r\n\tmore\r\nC: 3\r\n\r\nbody".utf8)
        #expect(ReturnedContent.header(of: start[...], limit: 1000) == .header(Array("A: 1\r\nB: 2\r\n\tmore\r\nC: 3\r\n".utf8)))
        #expect(ReturnedContent.header(of: start[...], limit: 7) == .header(Array("A: 1\r\n".utf8)))
    }
}
