// smtpd_delay_reject = no, unlisted senders, free space, and settings for single clients.

import MailModel
import SMTPProtocol
import ServiceKit
import Testing

@testable import SMTPServer

@Suite struct EarlyRefusalTests {
    static let me = "client.example[192.0.2.1]"
    static let denied = "503 5.7.0 Error: access denied for \(me)"

    @Test @ServiceActor func clientsAreRefusedAtTheConnection() async throws {
        var scene = Scene("EHLO c", "MAIL FROM:<a@b.example>", "QUIT")
        scene.settings = "smtpd_delay_reject = no\nsmtpd_client_restrictions = check_client_access inline:{192.0.2.1=REJECT}"
        try await scene.play()
        let refusal = "554 5.7.1 <\(Self.me)>: Client host rejected: Access denied"
        #expect(scene.replies == [refusal, Self.denied, Self.denied, "221 2.0.0 Bye"])
        #expect(scene.log[1] == "NOQUEUE: reject: CONNECT from \(Self.me): \(refusal); proto=SMTP")
    }

    @Test @ServiceActor func helloIsRefusedAtOnce() async throws {
        var scene = Scene("EHLO bad", "EHLO good.example", "QUIT")
        scene.settings = "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_non_fqdn_helo_hostname"
        try await scene.play()
        let refusal = "504 5.5.2 <bad>: Helo command rejected: need fully-qualified hostname"
        #expect(scene.replies[1] == refusal)
        #expect(scene.replies[2].hasPrefix("250-h.example"))
        #expect(scene.log[1] == "NOQUEUE: reject: EHLO from \(Self.me): \(refusal); proto=SMTP")
    }

    @Test(arguments: ["no", "yes"]) @ServiceActor func sendersAreRefusedAtTheirTime(_ delays: String) async throws {
        var scene = Scene("EHLO c", "MAIL FROM:<a@b.example>", "RCPT TO:<x@h.example>", "QUIT")
        scene.settings = "smtpd_delay_reject = \(delays)\nsmtpd_sender_restrictions = check_sender_access inline:{b.example=REJECT}"
        scene.queue.verdicts["x@h.example"] = RecipientVerdict(.local, .known)
        try await scene.play()
        let refusal = "554 5.7.1 <a@b.example>: Sender address rejected: Access denied"
        if delays == "no" {
            #expect(scene.replies.suffix(3) == [refusal, "503 5.5.1 Error: need MAIL command", "221 2.0.0 Bye"])
            #expect(scene.log[1] == "NOQUEUE: reject: MAIL from \(Self.me): \(refusal); from=<a@b.example> proto=ESMTP helo=<c>")
        } else {
            #expect(scene.replies.suffix(3) == ["250 2.1.0 Ok", refusal, "221 2.0.0 Bye"])
        }
    }

    @Test(arguments: ["smtpd_reject_unlisted_sender = yes", "smtpd_sender_restrictions = reject_unlisted_sender"])
    @ServiceActor func sendersOfOursMustExist(_ setting: String) async throws {
        var scene = Scene(
            "EHLO c", "MAIL FROM:<ghost@h.example>", "RCPT TO:<x@h.example>", "RSET", "MAIL FROM:<>", "RCPT TO:<x@h.example>", "QUIT")
        scene.settings = setting
        scene.queue.verdicts["x@h.example"] = RecipientVerdict(.local, .known)
        scene.queue.verdicts["ghost@h.example"] = RecipientVerdict(
            .local, .unknown(EnhancedStatusCode(5, 1, 1), "User unknown in local recipient table"))
        try await scene.play()
        #expect(
            scene.replies.suffix(6) == [
                "250 2.1.0 Ok", "550 5.1.0 <ghost@h.example>: Sender address rejected: User unknown in local recipient table",
                "250 2.0.0 Ok", "250 2.1.0 Ok", "250 2.1.5 Ok", "221 2.0.0 Bye",
            ])
    }

    static let space: [(String, Int64?, String)] = [
        // 1.5 times the largest message must fit, and queue_minfree.
        ("message_size_limit = 1000", 1500, "452 4.3.1 Insufficient system storage"), ("message_size_limit = 1000", 1503, "250 2.1.0 Ok"),
        ("message_size_limit = 1000\nqueue_minfree = 5000", 5000, "452 4.3.1 Insufficient system storage"),
        ("message_size_limit = 1000\nqueue_minfree = 5000", 5001, "250 2.1.0 Ok"),
        ("message_size_limit = 0", 0, "452 4.3.1 Insufficient system storage"),
        ("message_size_limit = 0", 4096, "250 2.1.0 Ok"), ("message_size_limit = 1000", nil, "250 2.1.0 Ok"),
    ]

    @Test(arguments: space) @ServiceActor func mailIsRefusedWithoutRoomForIt(_ settings: String, _ free: Int64?, _ expected: String)
        async throws
    {
        var scene = Scene("EHLO c", "MAIL FROM:<a@b.example>", "QUIT")
        scene.settings = settings
        scene.queue.free = free
        try await scene.play()
        #expect(scene.replies.suffix(2).first == expected)
        if expected.hasPrefix("452") {
            #expect(scene.log.contains("NOQUEUE: reject: MAIL from \(Self.me): \(expected); from=<a@b.example> proto=ESMTP helo=<c>"))
        }
    }

    @Test @ServiceActor func keywordsAreDiscardedByAddress() async throws {
        var scene = Scene("EHLO c", "QUIT")
        scene.settings =
            "smtpd_discard_ehlo_keywords = dsn\nsmtpd_discard_ehlo_keyword_address_maps = inline:{{192.0.2.1=chunking, pipelining}}"
        try await scene.play()
        let offered = scene.replies.map { String($0.dropFirst(4)) }
        // The table's word counts in place of the general one.
        #expect(offered.contains("DSN") && offered.contains("8BITMIME") && !offered.contains("CHUNKING") && !offered.contains("PIPELINING"))
    }

    @Test @ServiceActor func footersAreExpanded() async throws {
        var scene = Scene("EHLO c", "MAIL FROM:<a@b.example>", "RCPT TO:<x@elsewhere.example>", "QUIT")
        scene.settings =
            "smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_reject_footer = \\c; see https://h.example/?c=$client_address&r=$recipient"
        try await scene.play()
        #expect(
            scene.replies.suffix(2).first
                == "554 5.7.1 <x@elsewhere.example>: Relay access denied; see https://h.example/?c=192.0.2.1&r=x@elsewhere.example")
    }

    @Test @ServiceActor func aCommandFilterIsATable() async throws {
        var scene = Scene("HALLO c", "QUIT")
        scene.settings = "smtpd_command_filter = pcre:{{/^HALLO (.*)/ EHLO $$1}}"
        try await scene.play()
        #expect(scene.replies[1].hasPrefix("250-h.example"))
    }
}
