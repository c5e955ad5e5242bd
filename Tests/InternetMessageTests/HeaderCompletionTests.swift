import InternetMessage
import MailModel
import Testing

@Suite struct HeaderCompletionTests {
    private let queueID = QueueID(microseconds: 1_795_465_277_000_000, unique: 5)
    private let date = "Mon, 23 Nov 2026 20:21:17 +0000"

    private func complete(
        _ text: String, isLocal: Bool = true, sender: String = "phil", name: String = "", domain: String = "", undisclosed: String = ""
    ) -> [String] {
        let policy = HeaderCompletion.Policy(
            hostName: "mx.example", addresses: AddressCompletion(origin: "example", domain: domain),
            undisclosedRecipientsHeader: undisclosed)
        var completion = HeaderCompletion(
            policy, queueID: queueID, sender: MailAddress(sender), fullName: Array(name.utf8), date: date, isLocal: isLocal)
        var scanner = HeaderScanner()
        var fields: [HeaderField] = []
        _ = scanner.consume(Array(text.utf8)[...], fields: &fields)
        _ = scanner.finish(fields: &fields)
        var out = fields.compactMap { completion.pass($0) }
        out += completion.finish()
        return out.map { String(decoding: $0.raw.dropLast(2), as: UTF8.self) }
    }

    @Test func addsWhatIsMissing() {
        #expect(
            complete("To: matt\r\nSubject: x\r\n", name: "Phil Collins") == [
                "To: matt@example", "Subject: x", "Message-Id: <\(queueID)@mx.example>", "Date: \(date)",
                "From: Phil Collins <phil@example>",
            ])
    }

    @Test func leavesRemoteHeadersButDropsSome() {
        let text = "to: matt\r\nReturn-Path: <x>\r\nBCC: secret@x\r\nContent-Length: 7\r\nResent-Bcc: y\r\nSubject: x\r\n"
        #expect(complete(text, isLocal: false) == ["to: matt", "Subject: x"])
    }

    @Test func resentSetIsHandledInParallel() {
        let text = "From: a@b\r\nDate: d\r\nMessage-Id: <1@b>\r\nTo: c@d\r\nResent-To: e\r\n"
        #expect(
            complete(text).suffix(4) == [
                "Resent-To: e@example", "Resent-Message-Id: <\(queueID)@mx.example>", "Resent-Date: \(date)", "Resent-From: phil@example",
            ])
    }

    @Test(
        arguments: [
            ("From: \"A (b)\" <phil> (home)", "", "From: \"A (b)\" <phil@example> (home)"),
            ("To: a,\r\n\tb (x), c@d", "", "To: a@example,\r\n\tb@example (x), c@d"),
            ("Cc: list: a, b;", "", "Cc: list: a@example, b@example;"),
            ("To: Bob Smith", "", "To: \"Bob Smith\"@example"),
            ("To: a@host", "example.org", "To: a@host.example.org"),
            ("To: a@[1.2.3.4]", "example.org", "To: a@[1.2.3.4]"),
            ("To: <a>", "example.org", "To: <a@example.example.org>"),
            ("To: undisclosed-recipients:;", "example.org", "To: undisclosed-recipients:;"),
            ("Subject: a, b", "example.org", "Subject: a, b"),
        ] as [(String, String, String)])
    func addressesAreCompletedInPlace(field: String, domain: String, expected: String) {
        #expect(complete(field + "\r\n", domain: domain).first == expected)
    }

    @Test func namesThatAreNotASCIIAreEncoded() {
        #expect(complete("", name: "J\u{F6}rg").last == "From: =?utf-8?B?SsO2cmc=?= <phil@example>")
        #expect(complete("", name: "O'Neil, Q.").last == "From: \"O'Neil, Q.\" <phil@example>")
        #expect(complete("", name: "x\r\nBcc: evil").last?.contains("\r\nBcc") == false)
        #expect(complete("", sender: "").last == "From: MAILER-DAEMON@example")
    }

    @Test func undisclosedRecipients() {
        #expect(complete("Bcc: x\r\n", undisclosed: "To: undisclosed-recipients:;").last == "To: undisclosed-recipients:;")
        #expect(complete("Cc: x\r\n", undisclosed: "To: undisclosed-recipients:;").last == "From: phil@example")
    }

    @Test func messageIDAndHopsAreKept() throws {
        var completion = HeaderCompletion(
            HeaderCompletion.Policy(hostName: "h", addresses: AddressCompletion(origin: "o")), queueID: queueID, sender: .null,
            fullName: [],
            date: date, isLocal: false)
        for text in ["Message-ID: <7@x>\r\n", "Received: a\r\n", "received: b\r\n", "Delivered-To: c\r\n"] {
            _ = completion.pass(try #require(HeaderField(raw: Array(text.utf8))))
        }
        #expect(completion.messageID == Array("<7@x>".utf8))
        #expect(completion.hops.received == 2 && completion.hops.deliveredTo == 1)
        #expect(completion.hops.reaches(2) && !completion.hops.reaches(3))
        #expect(completion.finish().isEmpty)
    }
}
