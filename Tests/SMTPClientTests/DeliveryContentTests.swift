// What of a message reaches a host: conversion, limits, TLS, LMTP, and files that cannot be read.

import MailConfiguration
import MailIPC
import MailModel
import SMTPProtocol
import ServiceKit
import SystemKit
import Testing

@testable import SMTPClient

@ServiceActor
@Suite struct DeliveryContentTests {
    static func world(_ script: HostScript..., isLMTP: Bool = false) -> ScriptedWorld {
        let world = ScriptedWorld(isLMTP: isLMTP)
        world.hosts["10.0.0.1"] = script
        return world
    }

    @Test func dotsAreStuffed() async {
        let world = Self.world(HostScript())
        _ = await world.deliver(nextHop: "[10.0.0.1]", content: ".\r\n..a\r\nb", facts: [.leadingDots, .unterminated])
        #expect(world.messages.map(\.content) == ["..\r\n...a\r\nb\r\n"])
    }

    @Test func aMessageOfManyPieces() async {
        let world = Self.world(HostScript(ehlo: "250 mx"))
        let content = String(repeating: "0123456789abcdef\r\n", count: 16_000)
        let reply = await world.deliver(nextHop: "[10.0.0.1]", content: content)
        #expect(world.messages.map(\.content.utf8.count) == [content.utf8.count])
        #expect(reply.outcomes.map(\.action) == [.relayedWithoutDSN])
    }

    @Test func tooBigForTheHost() async {
        let world = Self.world(HostScript())
        let reply = await world.deliver(nextHop: "[10.0.0.1]", content: String(repeating: "x", count: 10_001))
        #expect(
            reply.outcomes.map(describe) == [
                "bounced 5.3.4 10.0.0.1[10.0.0.1]:25 (message size 10001 exceeds size limit 10000 of server 10.0.0.1[10.0.0.1])"
            ])
        #expect(!world.dialogue.contains { $0.contains("MAIL") })
    }

    @Test func internationalMailNeedsSMTPUTF8() async {
        let world = Self.world(HostScript())
        let reply = await world.deliver(["é@example"], nextHop: "[10.0.0.1]", isSMTPUTF8: true)
        #expect(reply.outcomes.map(\.status) == [EnhancedStatusCode(5, 6, 7)])
    }

    @Test func binaryMailGoesInChunks() async {
        let world = Self.world(HostScript(ehlo: "250-mx\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 BINARYMIME"))
        _ = await world.deliver(nextHop: "[10.0.0.1]", content: "a\nb\r.\r\n", facts: [.binary], body: .binaryMIME)
        #expect(world.messages.map(\.content) == ["BDAT:a\nb\r.\r\n"])
        #expect(
            world.dialogue.suffix(3) == [
                "10.0.0.1: MAIL FROM:<s@sender.example> BODY=BINARYMIME", "10.0.0.1: RCPT TO:<r@example>", "10.0.0.1: BDAT 7 LAST",
            ])
    }

    @Test func eightBitsAreConvertedForAHostThatTakesSeven() async {
        let world = Self.world(HostScript(ehlo: "250-mx\r\n250 SIZE"))
        let content =
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.caf\u{e9} = yes\r\n"
        let reply = await world.deliver(nextHop: "[10.0.0.1]", content: content, facts: [.eightBitBody, .leadingDots], body: .eightBitMIME)
        #expect(reply.outcomes.map(\.action) == [.relayedWithoutDSN])
        #expect(
            world.messages.first?.content.hasSuffix("Content-Transfer-Encoding: quoted-printable\r\n\r\n=2Ecaf=C3=A9 =3D yes\r\n") == true)
        #expect(world.dialogue.contains("10.0.0.1: MAIL FROM:<s@sender.example> SIZE=\(content.utf8.count * 3 / 2)"))
    }

    @Test func whatCannotBeConvertedComesBack() async {
        let world = Self.world(HostScript(ehlo: "250 mx"))
        let content = "MIME-Version: 1.0\r\nContent-Type: message/partial; number=1; id=x\r\n\r\ncaf\u{e9}\r\n"
        let reply = await world.deliver(nextHop: "[10.0.0.1]", content: content, facts: [.eightBitBody], body: .eightBitMIME)
        #expect(reply.outcomes.map(\.status) == [EnhancedStatusCode(5, 6, 3)])
        #expect(reply.outcomes[0].reason.hasPrefix("message cannot be converted as host 10.0.0.1[10.0.0.1] requires: "))
        #expect(!world.dialogue.contains { $0.contains("MAIL") })
    }

    @Test func lostInTheMiddleOfNothing() async {
        let world = Self.world(HostScript(cutsAt: "."))
        let reply = await world.deliver(nextHop: "[10.0.0.1]")
        #expect(
            reply.outcomes.map(describe) == [
                "deferred 4.4.2 10.0.0.1[10.0.0.1]:25 (lost connection with 10.0.0.1[10.0.0.1] while sending end of data -- "
                    + "message may be sent more than once)"
            ])
        #expect(reply.destinationTrouble != nil)
    }

    @Test func contentThatCannotBeReadIsCutOff() async {
        let world = Self.world(HostScript())
        let envelope = Envelope(sender: .null, recipients: [EnvelopeRecipient(MailAddress("r@example"))], origin: .notification, arrival: 0)
        let request = DeliveryRequestForTest.make(envelope, nextHop: "[10.0.0.1]", length: 1000)
        // Descriptor -1 reads as EBADF.
        let reply = await world.agent.deliver(request, .file(descriptor: -1, offset: 0, length: 1000))
        #expect(reply.outcomes.map(\.action) == [.deferred])
        #expect(reply.outcomes.map(\.status) == [EnhancedStatusCode(4, 3, 0)])
        #expect(world.messages.isEmpty)
        #expect(world.closed.contains("10.0.0.1 aborted"))
    }

    // MARK: files

    /// More than is read at a time.
    static let large = String(repeating: "0123456789abcdef\r\n", count: 8000)

    static func deliver(
        _ world: ScriptedWorld, _ content: String, facts: ContentFacts = [], length: Int? = nil
    ) async throws -> DeliveryReply {
        let file = try SealedMemory.make("queue file", Array("header:".utf8) + Array(content.utf8) + Array("end".utf8))
        let envelope = Envelope(sender: .null, recipients: [EnvelopeRecipient(MailAddress("r@example"))], origin: .notification, arrival: 0)
        let length = UInt64(length ?? content.utf8.count)
        var request = DeliveryRequestForTest.make(envelope, nextHop: "[10.0.0.1]", length: length)
        request.contentFacts = facts
        let reply = await world.agent.deliver(request, .file(descriptor: file.rawValue, offset: 7, length: length))
        _ = consume file
        return reply
    }

    @Test(arguments: ["", "and no end", "and a CR\r"]) func largeContentIsNotReadWhereNothingIsToBeDone(_ end: String) async throws {
        let world = Self.world(HostScript(ehlo: "250 mx"))
        let content = Self.large + end
        let reply = try await Self.deliver(world, content, facts: end.isEmpty ? [] : [.unterminated])
        #expect(reply.outcomes.map(\.action) == [.relayedWithoutDSN])
        #expect(world.messages.map(\.content) == [content + (end.isEmpty ? "" : "\r\n")])
        #expect(world.fileParts == [7..<(7 + content.utf8.count)])
    }

    @Test func otherContentIsRead() async throws {
        let content = ".\r\n" + Self.large
        let dots = Self.world(HostScript(ehlo: "250 mx"))
        _ = try await Self.deliver(dots, content, facts: [.leadingDots])
        #expect(dots.messages.map(\.content) == ["." + content])
        let encrypted = Self.world(HostScript(ehlo: Self.tls))
        encrypted.parameters.tls = .may
        _ = try await Self.deliver(encrypted, Self.large)
        #expect(encrypted.messages.map(\.content) == [Self.large])
        let small = Self.world(HostScript())
        _ = try await Self.deliver(small, "Subject: x\r\n\r\n")
        #expect(small.messages.map(\.content) == ["Subject: x\r\n\r\n"])
        #expect([dots, encrypted, small].allSatisfy { $0.fileParts.isEmpty })
    }

    @Test func aFileThatIsTooShortIsCutOff() async throws {
        let world = Self.world(HostScript(ehlo: "250 mx"))
        let reply = try await Self.deliver(world, Self.large, length: Self.large.utf8.count + 4)
        #expect(reply.outcomes.map(\.status) == [EnhancedStatusCode(4, 3, 0)])
        #expect(world.messages.isEmpty && world.fileParts.isEmpty && world.closed.contains("10.0.0.1 aborted"))
    }

    @Test func aHostThatIsLostWhileItTakesAFile() async throws {
        let world = Self.world(HostScript(ehlo: "250 mx"))
        world.fileFailure = .closed("reset")
        let reply = try await Self.deliver(world, Self.large)
        #expect(
            reply.outcomes.map(describe) == [
                "deferred 4.4.2 10.0.0.1[10.0.0.1]:25 (lost connection with 10.0.0.1[10.0.0.1] while sending message body)"
            ])
        #expect(world.messages.isEmpty && world.closed.contains("10.0.0.1 aborted"))
    }

    @Test func aFileThatCannotBeReadAnyMoreIsCutOff() async throws {
        let world = Self.world(HostScript(ehlo: "250 mx"))
        world.fileFailure = .unreadable("Input/output error")
        let reply = try await Self.deliver(world, Self.large)
        #expect(reply.outcomes.map(\.status) == [EnhancedStatusCode(4, 3, 0)])
        #expect(reply.outcomes.map(\.reason) == ["local data error while talking to 10.0.0.1[10.0.0.1]"])
        #expect(world.messages.isEmpty && world.closed.contains("10.0.0.1 aborted"))
    }

    // MARK: TLS

    static let tls = "250-mx\r\n250 STARTTLS"

    @Test func opportunisticTLS() async {
        let world = Self.world(HostScript(ehlo: Self.tls))
        world.parameters.tls = .may
        let reply = await world.deliver(nextHop: "[10.0.0.1]")
        #expect(reply.outcomes.map(\.action) == [.relayedWithoutDSN])
        #expect(world.dialogue.contains("10.0.0.1 (TLS): MAIL FROM:<s@sender.example>"))
        #expect(
            world.log.lines.first
                == "Untrusted TLS connection established to 10.0.0.1[10.0.0.1]:25: "
                + "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
        )
    }

    @Test func aFailedHandshakeFallsBackOnAFreshConnectionOnlyIfItMay() async {
        var broken = HostScript(ehlo: Self.tls)
        broken.tlsWorks = false
        let may = Self.world(broken)
        may.parameters.tls = .may
        let sent = await may.deliver(nextHop: "[10.0.0.1]")
        #expect(sent.outcomes.map(\.action) == [.relayedWithoutDSN])
        #expect(may.connections.count == 2)
        #expect(may.dialogue.filter { $0.contains("STARTTLS") }.count == 1)

        let must = Self.world(broken)
        must.parameters.tls = .encrypt
        let deferred = await must.deliver(nextHop: "[10.0.0.1]")
        #expect(deferred.outcomes.map(describe) == ["deferred 4.7.5 10.0.0.1[10.0.0.1]:25 (Cannot start TLS: handshake failure)"])
        #expect(!must.dialogue.contains { $0.contains("MAIL") })
    }

    // MARK: LMTP

    @Test func lmtpOverASocket() async {
        let world = ScriptedWorld(isLMTP: true)
        world.host("private/lmtp", HostScript([".": ["250 2.0.0 a saved\r\n550 5.2.2 b full"]], ehlo: "250-box\r\n250 PIPELINING"))
        let reply = await world.deliver(["a@example", "b@example"], nextHop: "unix:private/lmtp")
        #expect(
            reply.outcomes.map(describe) == [
                "relayedWithoutDSN 2.0.0 sender.example[private/lmtp] (250 2.0.0 a saved)",
                "bounced 5.2.2 sender.example[private/lmtp] (host sender.example[private/lmtp] said: 550 5.2.2 b full "
                    + "(in reply to end of DATA command))",
            ])
        #expect(world.dialogue.first == "private/lmtp: LHLO sender.example")
    }

    @Test func lmtpFinal() async {
        let world = ScriptedWorld(isLMTP: true)
        world.parameters.assumesFinal = true
        world.host("10.0.0.1", HostScript(ehlo: "250 box"))
        let reply = await world.deliver(nextHop: "inet:[10.0.0.1]")
        #expect(reply.outcomes.map(\.action) == [.delivered])
        #expect(world.connections == ["10.0.0.1:24"])
    }

    // MARK: pieces

    @Test func parametersOfBothProtocols() throws {
        let configuration = try Configuration(
            text: """
                myhostname = mail.example
                smtp_tls_security_level = may
                lmtp_tls_security_level = none
                smtp_tcp_port = 2525
                smtp_mail_timeout = 7s
                lmtp_mail_timeout = 8s
                smtp_fallback_relay = [a.example], b.example
                """)
        let smtp = ClientParameters(configuration, isLMTP: false)
        let lmtp = ClientParameters(configuration, isLMTP: true)
        #expect(smtp.tls == .may && lmtp.tls == .none)
        #expect(smtp.defaultPort == 2525 && lmtp.defaultPort == 24)
        #expect(smtp.timeouts.mail == 7 && lmtp.timeouts.mail == 8)
        #expect(smtp.fallbackRelays == ["[a.example]", "b.example"] && lmtp.fallbackRelays.isEmpty)
        #expect(smtp.heloName == "mail.example")
        #expect(smtp.addressLimit == 5 && smtp.sessionLimit == 2 && lmtp.addressLimit == 5)
    }
}
