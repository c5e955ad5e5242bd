import InternetMessage
import MailModel
import Testing

@Suite struct ReceivedFieldTests {
    private let queueID = QueueID(microseconds: 1_795_465_277_000_000, unique: 5)
    private let date = "Mon, 23 Nov 2026 20:21:17 +0000 (UTC)"

    private func text(_ field: HeaderField) -> String { String(decoding: field.raw, as: UTF8.self) }

    @Test func smtpWithOneRecipient() {
        let client = ClientFacts(protocolName: "ESMTP", helo: "mail.phil.example", name: "unknown", address: "192.0.2.1")
        let field = ReceivedField.smtp(
            client: client, hostName: "mx.example", mailName: "Martlet", queueID: queueID, recipient: MailAddress("a b@example"), date: date
        )
        #expect(
            text(field)
                == "Received: from mail.phil.example (unknown [192.0.2.1])\r\n\tby mx.example (Martlet) with ESMTP id \(queueID)\r\n"
                + "\tfor <\"a b\"@example>; \(date)\r\n")
    }

    @Test func smtpWithSeveralRecipientsAndTLS() {
        let client = ClientFacts(
            protocolName: "ESMTPSA", helo: "", name: "h.example", address: "2001:db8::1",
            tls: "using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519", login: "phil")
        let field = ReceivedField.smtp(
            client: client, hostName: "mx.example", mailName: "Martlet", queueID: queueID, recipient: nil, date: date, includesLogin: true)
        #expect(
            text(field) == "Received: from h.example (h.example [IPv6:2001:db8::1])\r\n"
                + "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519)\r\n"
                + "\t(No client certificate requested)\r\n\t(Authenticated sender: phil)\r\n"
                + "\tby mx.example (Martlet) with ESMTPSA id \(queueID);\r\n\t\(date)\r\n")
    }

    @Test func aPeerCannotForgeClauses() {
        let client = ClientFacts(
            protocolName: "ESMTP", helo: "x) by evil; \r\nBcc: z" + String(repeating: "y", count: 5000), name: "a(b", address: "192.0.2.1")
        let field = ReceivedField.smtp(
            client: client, hostName: "mx.example", mailName: "Martlet", queueID: queueID,
            recipient: MailAddress("a\r\nb@" + String(repeating: "c", count: 2000)), date: date)
        #expect(text(field).hasPrefix("Received: from x??by?evil????Bcc:?zyyy"))
        #expect(text(field).contains("(a?b [192.0.2.1])") && !text(field).contains("for <"))
        #expect(field.raw.split(separator: 10).allSatisfy { $0.count <= 998 })
    }

    @Test func submission() {
        let field = ReceivedField.submission(userID: 1000, hostName: "mx.example", mailName: "Martlet", queueID: queueID, date: date)
        #expect(text(field) == "Received: by mx.example (Martlet, from userid 1000)\r\n\tid \(queueID); \(date)\r\n")
        let own = ReceivedField.mailSystem(hostName: "mx.example", mailName: "Martlet", queueID: queueID, date: date)
        #expect(text(own) == "Received: by mx.example (Martlet)\r\n\tid \(queueID); \(date)\r\n")
    }
}
