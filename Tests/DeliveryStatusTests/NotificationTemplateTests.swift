// bounce_template_file: reading it, and reports in its words.

import DeliveryStatus
import MailModel
import Testing

@Suite struct NotificationTemplateTests {
    static let file = """
        # Texts of this site.
        failure_template = <<EOF
        Charset: utf-8
        From: MAILER-DAEMON (Postzustellung)
        Subject: Nicht zugestellt
        Postmaster-Subject: Kopie: nicht zugestellt

        Hier ist das Mailsystem von $myhostname.

        Ihre Nachricht k\u{F6}nnte verloren sein.
        EOF

        delay_template = <<END
        Charset: us-ascii
        Subject: Delayed

        Still trying for $maximal_queue_lifetime_days days.
        END
        """

    private func read(_ text: String) throws -> NotificationTemplates {
        try NotificationTemplates(text: text) {
            $0.replacing("$myhostname", with: "mx.test").replacing("$maximal_queue_lifetime_days", with: "5")
        }
    }

    @Test func aFileIsRead() throws {
        let templates = try read(Self.file)
        let failure = try #require(templates.failure)
        #expect(failure.charset == "utf-8" && failure.from == "MAILER-DAEMON (Postzustellung)" && failure.subject == "Nicht zugestellt")
        #expect(failure.postmasterSubject == "Kopie: nicht zugestellt")
        #expect(failure.lines == ["Hier ist das Mailsystem von mx.test.", "", "Ihre Nachricht k\u{F6}nnte verloren sein."])
        #expect(templates.delay?.lines == ["Still trying for 5 days."])
        #expect(templates.success == nil)
        #expect(try read("") == NotificationTemplates())
    }

    static let broken: [(String, Int)] = [
        ("failure_template = <<EOF\nSubject: x\n\ntext\n", 1), ("\nfailure_template: EOF\n", 2),
        ("odd_template = <<EOF\nSubject: x\n\nEOF\n", 1),
        ("failure_template = <<EOF\nSubject: x\nnonsense\n\nEOF\n", 3), ("failure_template = <<EOF\nX-Mine: x\n\nEOF\n", 2),
        ("failure_template = <<EOF\nFrom: a\n\ntext\nEOF\n", 1), ("failure_template = <<EOF\nSubject: \u{F6}\n\ntext\nEOF\n", 1),
        ("failure_template = <<EOF\nSubject: x\n\n\u{F6}\nEOF\n", 1),
    ]

    @Test(arguments: broken) func aBrokenFileIsNone(_ text: String, _ line: Int) {
        var found = 0
        do { _ = try read(text) } catch let problem as NotificationTemplates.Problem { found = problem.line } catch { found = -1 }
        #expect(found == line)
    }

    @Test func reportsInItsWords() throws {
        var report = DeliveryStatusReportTests.report()
        report.template = try read(Self.file).failure
        let text = String(decoding: report.message(to: MailAddress("phil@sender.test")), as: UTF8.self)
        let header = text.split(separator: "\r\n\r\n", maxSplits: 1)[0]
        #expect(header.contains("From: MAILER-DAEMON (Postzustellung)\r\nSubject: Nicht zugestellt\r\n"))
        #expect(header.contains("Content-Transfer-Encoding: 8bit") && report.hasEightBit)
        #expect(
            text.contains(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHier ist das Mailsystem von mx.test.\r\n\r\n"
            ))
        #expect(text.contains("\r\n<matt@receiver.test>: host mx.receiver.test[127.0.0.1] said: 550 5.1.1\r\n"))
        #expect(text.contains("\r\nFinal-Recipient: rfc822; matt@receiver.test\r\n"), "the part for programs is the same")
        report.audience = .postmasterCopy
        let copy = String(decoding: report.message(to: MailAddress("postmaster@sender.test")), as: UTF8.self)
        #expect(copy.contains("Subject: Kopie: nicht zugestellt\r\n"))
    }
}
