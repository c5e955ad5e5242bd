import MailConfiguration
import MailModel
import NIOCore
import SMTPProtocol
import ServiceKit
import TLS
import Testing

@testable import SMTPServer

@Suite struct ServerSessionTests {
    static let me = "client.example[192.0.2.1]"

    @Test @ServiceActor func acceptsMailForKnownRecipients() async throws {
        var scene = Scene(
            "EHLO c.example", "MAIL FROM:<a@b.example> RET=HDRS ENVID=x1\r\nRCPT TO:<matt@h.example> NOTIFY=NEVER\r\nDATA",
            "Subject: x\r\n\r\n..y\r\n.\r\nQUIT")
        scene.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
        try await scene.play()
        #expect(scene.replies.last == "221 2.0.0 Bye")
        #expect(scene.replies.contains("250 2.0.0 Ok: queued as 4XzABCDEF0z1"))
        #expect(scene.replies.first == "220 h.example ESMTP Martlet")
        let message = try #require(scene.queue.messages.first)
        #expect(message.content == Array("Subject: x\r\n\r\n.y\r\n".utf8))
        #expect(message.envelope.sender == MailAddress("a@b.example"))
        #expect(message.envelope.envelopeID == Array("x1".utf8) && message.envelope.returnContent == .headers)
        #expect(message.envelope.recipients == [EnvelopeRecipient(MailAddress("matt@h.example"), notify: .never)])
        #expect(message.envelope.origin == .remoteSMTP && message.envelope.arrival == 1_700_000_000_000_000)
        #expect(
            message.envelope.client
                == ClientFacts(protocolName: "ESMTP", helo: "c.example", name: "client.example", address: "192.0.2.1", port: 4711))
        // cleanup writes it, behind the queue id that it makes.
        #expect(scene.queue.announced == ["client=\(Self.me)"])
        #expect(
            scene.log == [
                "connect from \(Self.me)",
                "disconnect from \(Self.me) ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
            ])
    }

    @Test @ServiceActor func refusesRelayingAndUnknownUsers() async throws {
        var scene = Scene(
            "EHLO c",
            "MAIL FROM:<x@y.example>\r\nRCPT TO:<a@elsewhere.example>\r\nRCPT TO:<nobody@h.example>\r\nRCPT TO:<late@h.example>\r\nDATA",
            "QUIT")
        scene.queue.verdicts["nobody@h.example"] = RecipientVerdict(
            .local, .unknown(EnhancedStatusCode(5, 1, 1), "User unknown in local recipient table"))
        scene.queue.verdicts["late@h.example"] = RecipientVerdict(.local, .temporaryFailure("Temporary lookup failure"))
        scene.settings = "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination"
        try await scene.play()
        let last = scene.replies.suffix(5)
        #expect(
            last == [
                "554 5.7.1 <a@elsewhere.example>: Relay access denied",
                "550 5.1.1 <nobody@h.example>: Recipient address rejected: User unknown in local recipient table",
                "451 4.3.0 <late@h.example>: Temporary lookup failure", "554 5.5.1 Error: no valid recipients", "221 2.0.0 Bye",
            ])
        #expect(
            scene.log[1...3] == [
                "NOQUEUE: reject: RCPT from \(Self.me): 554 5.7.1 <a@elsewhere.example>: Relay access denied; from=<x@y.example> to=<a@elsewhere.example> proto=ESMTP helo=<c>",
                "NOQUEUE: reject: RCPT from \(Self.me): 550 5.1.1 <nobody@h.example>: Recipient address rejected: User unknown in local recipient table; from=<x@y.example> to=<nobody@h.example> proto=ESMTP helo=<c>",
                "NOQUEUE: reject: RCPT from \(Self.me): 451 4.3.0 <late@h.example>: Temporary lookup failure; from=<x@y.example> to=<late@h.example> proto=ESMTP helo=<c>",
            ])
        #expect(scene.log.last == "disconnect from \(Self.me) ehlo=1 mail=1 rcpt=0/3 data=0/1 quit=1 commands=3/7")
    }

    @Test @ServiceActor func theDefaultDefersRelaying() async throws {
        var scene = Scene("MAIL FROM:<x@y.example>\r\nRCPT TO:<a@elsewhere.example>")
        try await scene.play()
        #expect(scene.replies.last == "454 4.7.1 <a@elsewhere.example>: Relay access denied")
    }

    @Test @ServiceActor func clientsOfMyNetworksMayRelay() async throws {
        var scene = Scene("MAIL FROM:<x@y.example>\r\nRCPT TO:<a@elsewhere.example>")
        scene.address = "198.51.100.7"
        try await scene.play()
        #expect(scene.replies.last == "250 2.1.5 Ok")
    }

    @Test @ServiceActor func softBounce() async throws {
        var scene = Scene("MAIL FROM:<x@y.example>\r\nRCPT TO:<a@elsewhere.example>")
        scene.settings = "soft_bounce = yes\nsmtpd_relay_restrictions = reject_unauth_destination"
        try await scene.play()
        #expect(scene.replies.last == "454 4.7.1 <a@elsewhere.example>: Relay access denied")
    }

    @Test @ServiceActor func withoutCleanupNothingIsPromised() async throws {
        var scene = Scene("MAIL FROM:<x@y.example>\r\nRCPT TO:<matt@h.example>")
        scene.queue.isAway = true
        try await scene.play()
        #expect(scene.replies.last == "451 4.3.0 <matt@h.example>: Temporary lookup failure")
        var second = Scene("MAIL FROM:<x@y.example>\r\nRCPT TO:<matt@h.example>\r\nDATA", "x\r\n.")
        second.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
        second.queue.answer = .unavailable("connection broken")
        try await second.play()
        #expect(second.replies.last == "451 4.3.0 Error: queue file write error")
    }

    static let refusals: [(SMTPReply, String)] = [
        (SMTPReply(452, EnhancedStatusCode(4, 3, 1), "Insufficient system storage"), "452 4.3.1 Insufficient system storage"),
        (SMTPReply(554, EnhancedStatusCode(5, 4, 6), "Too many hops"), "554 5.4.6 Too many hops"),
        // A refusal with a positive code must not become an acceptance.
        (SMTPReply(250, EnhancedStatusCode(2, 0, 0), "Ok"), "451 4.3.0 Error: queue file write error"),
    ]
    @Test(arguments: refusals) @ServiceActor func whatCleanupRefusesIsRefused(_ reply: SMTPReply, _ expected: String) async throws {
        var scene = Scene("MAIL FROM:<x@y.example>\r\nRCPT TO:<matt@h.example>\r\nDATA", "x\r\n.")
        scene.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
        scene.queue.answer = .refused(reply)
        try await scene.play()
        #expect(scene.replies.last == expected)
        #expect(!scene.client.heard.contains("queued as"))
    }

    static let vanishings: [([String], String)] = [
        ([], "CONNECT"), (["EHLO c\r\n"], "EHLO"), (["EHLO c\r\n", "MAIL FROM:<a@b>\r\n"], "MAIL"),
        (["MAIL FROM:<a@b>\r\nRCPT TO:<matt@h.example>\r\n"], "RCPT"),
        (["MAIL FROM:<a@b>\r\nRCPT TO:<matt@h.example>\r\nDATA\r\n", "12345\r\n"], "DATA (7 bytes)"),
        (["MAIL FROM:<a@b>\r\nRCPT TO:<matt@h.example>\r\nBDAT 10\r\n123"], "BDAT (3 bytes)"),
        (["MAIL FROM:<a@b>\r\nRCPT TO:<matt@h.example>\r\nDATA\r\n", "x\r\n.\r\n"], "END-OF-MESSAGE"), (["FOO\r\n"], "UNKNOWN"),
    ]
    @Test(arguments: vanishings) @ServiceActor func clientVanishes(_ sent: [String], _ place: String) async throws {
        for (step, word) in [(FakeClient.Step.vanish, "lost connection"), (.silence, "timeout")] {
            var scene = Scene(sent.map { .send($0) } + [step])
            scene.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
            try await scene.play()
            #expect(scene.log.contains("\(word) after \(place) from \(Self.me)"), "\(scene.log)")
            #expect(scene.log.last?.hasPrefix("disconnect from ") == true)
            #expect(scene.client.isClosed)
            #expect(scene.queue.messages.count == (place == "END-OF-MESSAGE" ? 1 : 0))
            if word == "timeout" { #expect(scene.replies.last == "421 4.4.2 h.example Error: timeout exceeded") }
        }
    }

    @Test @ServiceActor func largeMessagesAreStreamedAndCancelled() async throws {
        let line = String(repeating: "x", count: 98) + "\r\n"
        let body = String(repeating: line, count: 3000)
        let head = FakeClient.Step.send("MAIL FROM:<a@b>\r\nRCPT TO:<matt@h.example>\r\nDATA\r\n")
        var scene = Scene([head, .send(body), .send(body + ".\r\nQUIT\r\n")])
        scene.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
        try await scene.play()
        #expect(scene.queue.messages.first?.content == Array((body + body).utf8))
        #expect((scene.queue.messages.first?.pieces ?? 0) > 5)
        var lost = Scene([head, .send(body), .vanish])
        lost.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
        try await lost.play()
        #expect(lost.queue.messages.isEmpty && lost.queue.cancelled == 1)
        var tooLarge = Scene([head, .send(body), .send(".\r\nNOOP\r\n")])
        tooLarge.settings = "message_size_limit = 100000"
        tooLarge.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
        try await tooLarge.play()
        #expect(tooLarge.replies.suffix(2) == ["552 5.3.4 Error: message file too big", "250 2.0.0 Ok"])
        #expect(tooLarge.queue.messages.isEmpty && tooLarge.queue.cancelled == 1)
    }

    @Test @ServiceActor func sizeDeclaredTooLargeIsLogged() async throws {
        var scene = Scene("EHLO c", "MAIL FROM:<a@b> SIZE=99999999", "QUIT")
        try await scene.play()
        #expect(
            scene.log.contains("NOQUEUE: reject: MAIL from \(Self.me): 552 5.3.4 Message size exceeds fixed limit; proto=ESMTP helo=<c>"))
    }

    @Test @ServiceActor func errorsAreSlowedAndEnded() async throws {
        var scene = Scene(Array(repeating: .send("FOO\r\n"), count: 30))
        try await scene.play()
        #expect(scene.clock.paused == 10)
        #expect(scene.log.contains("too many errors after UNKNOWN from \(Self.me)"))
        #expect(scene.replies.last == "421 4.7.0 h.example Error: too many errors")
    }

    @Test @ServiceActor func nonSMTPClients() async throws {
        var scene = Scene("GET / HTTP/1.1\r\nHost: x")
        try await scene.play()
        #expect(scene.log.contains("warning: non-SMTP command from \(Self.me): GET / HTTP/1.1"))
        #expect(scene.replies.last == "221 2.7.0 Error: I can break rules, too. Goodbye.")
    }

    @Test @ServiceActor func starttls() async throws {
        let facts = TLSSessionFacts(protocolVersion: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", cipherBits: 256, peerStatus: .anonymous)
        var scene = Scene(
            "EHLO c", "STARTTLS\r\nMAIL FROM:<injected@x>", "EHLO c", "MAIL FROM:<a@b>\r\nRCPT TO:<matt@h.example>\r\nDATA", "x\r\n.",
            "QUIT")
        scene.client.handshake = .success(facts)
        scene.settings = "smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\nsmtpd_tls_loglevel = 1"
        scene.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
        try await scene.play(hasCertificate: true)
        #expect(
            scene.log.contains(
                "Anonymous TLS connection established from \(Self.me): TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"))
        #expect(scene.queue.messages.first?.envelope.client.protocolName == "ESMTPS")
        #expect(scene.queue.messages.first?.envelope.client.tls == "using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)")
        #expect(scene.queue.messages.first?.envelope.sender == MailAddress("a@b"))
        #expect(scene.log.last == "disconnect from \(Self.me) ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7")
        var failed = Scene("EHLO c", "STARTTLS")
        failed.settings = "smtpd_tls_security_level = may"
        try await failed.play(hasCertificate: true)
        #expect(
            failed.log.contains("SSL_accept error from \(Self.me): none")
                && failed.log.contains("lost connection after STARTTLS from \(Self.me)"))
    }

    @Test @ServiceActor func refusedAtTheDoor() async throws {
        var scene = Scene("EHLO c")
        try await scene.play(refusal: SMTPReply(421, EnhancedStatusCode(4, 7, 0), "h.example Error: too many connections from 192.0.2.1"))
        #expect(scene.replies == ["421 4.7.0 h.example Error: too many connections from 192.0.2.1"])
        #expect(scene.log == ["connect from \(Self.me)", "disconnect from \(Self.me) commands=0/0"])
    }

    @Test @ServiceActor func originFollowsTheClient() async throws {
        for (address, origin) in [("127.0.0.1", MessageOrigin.localSMTP), ("203.0.113.1", .localSMTP), ("192.0.2.9", .remoteSMTP)] {
            var scene = Scene("MAIL FROM:<a@b>\r\nRCPT TO:<matt@h.example>\r\nDATA", "x\r\n.")
            scene.address = address
            scene.queue.verdicts["matt@h.example"] = RecipientVerdict(.local, .known)
            try await scene.play()
            #expect(scene.queue.messages.first?.envelope.origin == origin)
        }
    }

    @Test func unsafeRestrictionsAreNoConfiguration() throws {
        let configuration = try Configuration(text: "smtpd_relay_restrictions = permit_mynetworks, permit")
        #expect(throws: ServerConfigurationError.self) { try ServerSettings(configuration, hasCertificate: false) }
        let tls = try Configuration(text: "smtpd_tls_security_level = may")
        #expect(throws: ServerConfigurationError.self) { try ServerSettings(tls, hasCertificate: false) }
    }
}
