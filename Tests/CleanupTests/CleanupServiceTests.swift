// The door into the queue: what is accepted, whole and once; what is refused, with nothing left behind.

import MailIPC
import MailModel
import MailQueue
import NIOCore
import ServiceKit
import SystemKit
import Testing

@testable import Cleanup

@ServiceActor
@Suite(.timeLimit(.minutes(1)))
struct CleanupServiceTests {
    private nonisolated static let content = "From: s@far.test\r\nSubject: x\r\n\r\nhello\r\n.dot\r\n"

    @Test func aMessageIsQueuedWhole() async throws {
        let queue = try QueueFixture()
        let id = try await queue.queue(envelope("matt@example.org"), Self.content)
        #expect(queue.files() == [id.text])
        let stored = try queue.content(id)
        #expect(
            stored.hasPrefix(
                "Received: from client.far.test (unknown [192.0.2.7])\r\n\tby mail.example.org (Martlet) with ESMTP id \(id)\r\n\tfor <matt@example.org>; "
            ))
        #expect(stored.hasSuffix(Self.content), "a stranger's header stays as it is, the body in any case")
        let facts = try queue.facts(id)
        #expect(facts == .leadingDots)
        #expect(queue.log.contains("\(id): message-id=<>"))
        #expect(try queue.envelope(id).arrival == 1_700_000_000_000_000)
    }

    @Test func missingFieldsAreAddedForOurOwn() async throws {
        let queue = try QueueFixture()
        let id = try await queue.queue(
            envelope("matt", sender: "phil", origin: .localSubmission), "To: matt\r\nBcc: secret@far.test\r\n\r\nhello\r\n")
        let stored = try queue.content(id)
        let lines = stored.split(separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "Received: by mail.example.org (Martlet, from userid 1000)")
        #expect(lines[1].hasPrefix("\tid \(id); "))
        #expect(lines[2] == "To: matt@example.org")
        #expect(lines[3] == "Message-Id: <\(id)@mail.example.org>")
        #expect(lines[4].hasPrefix("Date: ") && lines[5] == "From: phil@example.org" && lines[6].isEmpty && lines[7] == "hello")
        #expect(queue.log.contains("\(id): message-id=<\(id)@mail.example.org>"))
        let envelope = try queue.envelope(id)
        #expect(envelope.sender == MailAddress("phil@example.org"))
        #expect(envelope.recipients.map(\.address) == [MailAddress("matt@example.org")])
    }

    @Test func recipientsAreExpandedAndEachIsOne() async throws {
        let queue = try QueueFixture(
            "virtual_alias_domains = alias.test\nvirtual_alias_maps = inline:{ {team@alias.test = matt, phil, far@far.test} }")
        let id = try await queue.queue(
            envelope("matt@EXAMPLE.org", "team@alias.test", "Matt@example.org", "matt@example.org"), Self.content)
        let recipients = try queue.envelope(id).recipients
        // Local-parts differ by case, domains do not.
        #expect(recipients.map(\.address.logForm) == ["matt@EXAMPLE.org", "phil@example.org", "far@far.test", "Matt@example.org"])
        #expect(recipients[1].originalAddress == MailAddress("team@alias.test"))
        #expect(String(decoding: recipients[1].originalRecipient, as: UTF8.self) == "rfc822;team@alias.test")
        #expect(!(try queue.content(id)).contains("for <"), "several recipients are not disclosed")
    }

    nonisolated static let refusals: [(String, String, String)] = [
        ("virtual_alias_maps = fail:x", content, "451 4.3.0 Error: queue file write error: Temporary lookup failure"),
        ("canonical_maps = fail:x", content, "451 4.3.0 Error: queue file write error: Temporary lookup failure"),
        ("recipient_bcc_maps = fail:x", content, "451 4.3.0 Error: queue file write error: Temporary lookup failure"),
        ("message_size_limit = 30", content, "552 5.3.4 Error: message file too big"),
        ("hopcount_limit = 3", String(repeating: "Received: by x; date\r\n", count: 3) + content, "554 5.4.0 Error: too many hops"),
        ("hopcount_limit = 3", String(repeating: "Received: by x; date\r\n", count: 2) + content, "accepted"),
        // Delivered-To fields are for local to look at.
        ("hopcount_limit = 3", String(repeating: "Delivered-To: x\r\n", count: 3) + content, "accepted"),
    ]

    @Test(arguments: refusals) func whatCannotBeTakenLeavesNothing(_ settings: String, _ content: String, _ expected: String) async throws {
        let queue = try QueueFixture(settings)
        #expect(try await queue.refusal(envelope("matt@example.org"), content) == expected)
        #expect(queue.files().count == (expected == "accepted" ? 1 : 0))
    }

    @Test func noRecipientsIsARefusal() async throws {
        let queue = try QueueFixture()
        #expect(try await queue.refusal(envelope(), Self.content) == "554 5.5.1 Error: no valid recipients")
        #expect(queue.files().isEmpty)
    }

    @Test func aClientThatVanishesLeavesNothing() async throws {
        let queue = try QueueFixture()
        for stage in 0..<3 {
            let stream = try await queue.open()
            try await stream.send(CleanupFrame.submit, envelope("matt@example.org").encoded)
            if stage > 0 { try await stream.send(CleanupFrame.content, Array("Subject: x\r\n".utf8)) }
            if stage > 1 { try await stream.send(CleanupFrame.content, [UInt8](repeating: 65, count: 300_000)) }
            stream.reset()
        }
        // A later message of the same connection is the proof that the earlier streams were dealt with.
        let id = try await queue.queue(envelope("matt@example.org"), Self.content)
        var files = queue.files()
        while files.count > 1 {
            await Task.yield()
            files = queue.files()
        }
        #expect(files == [id.text])
    }

    @Test func aQueueThatCannotBeWrittenIsATemporaryRefusal() async throws {
        let queue = try QueueFixture()
        try Files.removeDirectory(queue.directories.path(.incoming))
        #expect(try await queue.refusal(envelope("matt@example.org"), Self.content) == "451 4.3.0 Error: queue file write error")
        #expect(queue.log.contains("warning: queue file write error"))
    }

    nonisolated static let errors: [(Int32, String)] = [
        (28, "452 4.3.1 Insufficient system storage"), (122, "452 4.3.1 Insufficient system storage"),
        (5, "451 4.3.0 Error: queue file write error"), (24, "451 4.3.0 Error: queue file write error"),
    ]

    /// ENOSPC, EDQUOT, EIO, EMFILE.
    @Test(arguments: errors) func noErrorOfTheDiskIsPermanent(_ number: Int32, _ expected: String) {
        let reply = CleanupService.refusal(for: SystemError(errno: number, operation: "write", object: "x"))
        #expect(reply.description == expected)
    }

    @Test func heldMessagesGoToHold() async throws {
        let queue = try QueueFixture()
        var held = envelope("matt@example.org")
        held.isHeld = true
        let id = try await queue.queue(held, Self.content)
        #expect(queue.files() == [] && queue.files(.hold) == [id.text])
    }

    @Test func idsNeverRepeat() async throws {
        let queue = try QueueFixture()
        var ids: Set<QueueID> = []
        for _ in 0..<50 { ids.insert(try await queue.queue(envelope("matt@example.org"), Self.content)) }
        #expect(ids.count == 50)
    }

    @Test func freeSpaceIsTold() async throws {
        let queue = try QueueFixture()
        let stream = try await queue.open()
        try await stream.send(CleanupFrame.checkSpace)
        let frame = try #require(try await stream.receive(deadline: .now() + .seconds(30)))
        #expect(frame.type == CleanupFrame.space)
        var decoder = ByteDecoder(frame.payload)
        #expect(try decoder.take(Int64.self) > 0)
    }

    @Test(arguments: [0, 1, 100, 101]) func recipientsAreJudgedInTheirOrder(count: Int) async throws {
        let queue = try QueueFixture()
        let stream = try await queue.open()
        let asked = (0..<count).map { MailAddress($0 % 3 == 1 ? "nobody\($0)@example.org" : "someone\($0)@far.test") }
        try await stream.send(CleanupFrame.checkRecipients, RecipientQuestion(asked).encoded)
        guard count <= RecipientQuestion.limit else {
            await #expect(throws: IPCError.self) { try await stream.receive(deadline: .now() + .seconds(30)) }
            return
        }
        let frame = try #require(try await stream.receive(deadline: .now() + .seconds(30)))
        let classes = try RecipientAnswer(frame: frame, to: count).verdicts.map(\.addressClass)
        #expect(classes == (0..<count).map { $0 % 3 == 1 ? .local : .other })
        #expect(throws: ByteDecodingError.self) { try RecipientAnswer(frame: frame, to: count + 1) }
    }

    @Test func nonsenseEndsTheStreamAndNotTheService() async throws {
        let queue = try QueueFixture()
        for (type, payload) in [(UInt8(99), [UInt8]()), (CleanupFrame.submit, [1, 2, 3]), (CleanupFrame.checkRecipients, [255])] {
            let stream = try await queue.open()
            try await stream.send(type, payload)
            await #expect(throws: IPCError.self) { try await stream.receive(deadline: .now() + .seconds(30)) }
        }
        _ = try await queue.queue(envelope("matt@example.org"), Self.content)
    }
}
