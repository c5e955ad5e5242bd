// pickup against a cleanup of the test's own: what it sends, and what becomes of the file by the reply.

import InternetMessage
import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import ServiceKit
import SystemKit
import Testing

@testable import Pickup

/// A queue directory, a cleanup that answers as told, and what it received.
@ServiceActor
private final class FakeCleanup {
    struct Message {
        var envelope: Envelope
        var content: [UInt8] = []
        var isCommitted = false
    }

    let root: String
    let submission: MaildropSubmission
    private let client: IPCClient
    private let listener: SystemKit.FileDescriptor
    private(set) var messages: [Message] = []
    private(set) var announced: [String] = []
    private var replies: [SubmitReply]
    private var server: IPCConnection?

    init(replies: [SubmitReply], rate: SubmissionRate = SubmissionRate(limit: 0, window: 1)) throws {
        root = "/tmp/martlet-pickup-test-\(UInt64.random(in: 0..<UInt64.max))"
        self.replies = replies
        try Files.makeDirectory(root)
        for name in ["maildrop", "corrupt", "public"] { try Files.makeDirectory("\(root)/\(name)") }
        let path = "\(root)/public/cleanup"
        listener = try Sockets.listenUnix(path: path)
        try listener.setNonBlocking(true)
        client = IPCClient(path: path, protocol: .cleanup)
        submission = MaildropSubmission(
            directories: QueueDirectories(root: root), cleanup: client,
            log: MailLog(program: "pickup", syslogName: "test", destination: .file("\(root)/log")), maximumContent: 100_000,
            hostName: "h.test", completion: AddressCompletion(origin: "h.test", domain: ""), rate: rate)
    }

    deinit { FakeCleanup.remove(root) }

    private nonisolated static func remove(_ path: String) {
        if (try? Files.linkStatus(of: path))?.isDirectory != true {
            try? Files.unlink(path)
            return
        }
        for entry in (try? Files.directoryEntries(path)) ?? [] { remove("\(path)/\(entry)") }
        try? Files.removeDirectory(path)
    }

    /// Sees one file through, and is the other end meanwhile.
    func run(_ id: String) async throws {
        let id = try #require(QueueID(id))
        let acceptor = Task { @ServiceActor in try await accept() }
        await submission.run(id)
        acceptor.cancel()
        _ = await acceptor.result
    }

    private func accept() async throws {
        while !Task.isCancelled && server == nil {
            await Task.yield()
            guard let accepted = (try? Sockets.accept(listener.rawValue)) ?? nil else { continue }
            let raw = accepted.release()
            guard let beside = IPCPreambleReader.read(from: raw, patience: 5000) else { throw IPCError.violation("no preamble") }
            // Not self: this and its connection would keep each other, and the directory would stay.
            server = try await IPCConnection.serve(descriptor: raw, beside: beside, protocol: .cleanup, capacity: 4) {
                [weak self] stream in
                Task { @ServiceActor in
                    await self?.serve(stream)
                    stream.finish()
                }
            }
        }
    }

    private func serve(_ stream: IPCStream) async {
        var message: Message?
        while let frame = try? await stream.receive(deadline: .now() + .seconds(20)) {
            switch frame.type {
            case CleanupFrame.submit: message = (try? Envelope(decoding: frame.payload[...])).map { Message(envelope: $0) }
            case CleanupFrame.announce: announced += [(try? LogAnnouncement(decoding: frame.payload[...]))?.text ?? "?"]
            case CleanupFrame.checkRecipients:
                guard let address = try? RecipientQuestion(decoding: frame.payload[...]).recipients.first else { return }
                let isKnown = address.localPart == Array("anna".utf8)
                let verdict = RecipientVerdict(.local, isKnown ? .known : .unknown(EnhancedStatusCode(5, 1, 1), "no \u{1B}such user"))
                try? await stream.send(CleanupFrame.verdicts, RecipientAnswer([verdict]).encoded)
                return
            case CleanupFrame.content: message?.content += frame.payload
            default:
                guard var whole = message else { return }
                whole.isCommitted = true
                messages.append(whole)
                guard !replies.isEmpty else { return }
                switch replies.removeFirst() {
                case .queued(let id): try? await stream.send(CleanupFrame.queued, id.encoded)
                case .refused(let reply): try? await stream.send(CleanupFrame.refused, reply.encoded)
                }
                return
            }
        }
    }

    func write(_ bytes: [UInt8], as id: String = "AAAAAAAAAA") throws {
        let file = try SystemKit.FileDescriptor.open("\(root)/maildrop/\(id)", [.writeOnly, .create, .exclusive])
        try file.writeAll(bytes)
    }

    var waiting: [String] { (try? Files.directoryEntries("\(root)/maildrop").sorted()) ?? [] }
    var corrupt: [String] { (try? Files.directoryEntries("\(root)/corrupt").sorted()) ?? [] }
    var log: String { (try? Files.contents(of: "\(root)/log")).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}

@ServiceActor
@Suite(.timeLimit(.minutes(1)))
struct MaildropSubmissionTests {
    private static let content = Array("Subject: x\r\n\r\nhello\r\n".utf8)

    private func file(sender: String = "bob", arrival: Int64 = 17) -> [UInt8] {
        let envelope = Envelope(
            sender: MailAddress(sender), recipients: [EnvelopeRecipient(MailAddress("a@y"))], origin: .localSubmission, arrival: arrival,
            userID: 4242)
        var encoder = MaildropFileEncoder()
        return encoder.begin(envelope) + encoder.content(Self.content) + encoder.end()
    }

    private func queued() throws -> SubmitReply { .queued(try #require(QueueID("4jYJDg2t5cz1r2"))) }

    @Test func acceptedFileLeaves() async throws {
        let cleanup = try FakeCleanup(replies: [try queued()])
        try cleanup.write(file(arrival: .max))
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting.isEmpty)
        #expect(cleanup.messages.map(\.content) == [Self.content])
        // The owner of the file and the clock, not what the file claims.
        #expect(cleanup.messages.first?.envelope.userID == Int64(Privileges.realUser))
        #expect(cleanup.messages.first.map { $0.envelope.arrival <= SystemClock.now() } == true)
        #expect(cleanup.announced == ["uid=\(Privileges.realUser) from=<bob>"])
    }

    @Test func overTheLimitIsHeldAndCountedOnce() async throws {
        let refusal = SubmitReply.refused(SMTPReply(451, EnhancedStatusCode(4, 3, 0), "later"))
        let cleanup = try FakeCleanup(
            replies: [try queued(), refusal, try queued()], rate: SubmissionRate(limit: 1, window: 3_600_000_000))
        for name in ["AAAAAAAAAA", "BBBBBBBBBB"] { try cleanup.write(file(), as: name) }
        try await cleanup.run("AAAAAAAAAA")
        try await cleanup.run("BBBBBBBBBB")
        // Refused for now: it is tried again, and is still the same one too many.
        try await cleanup.run("BBBBBBBBBB")
        #expect(cleanup.messages.map(\.envelope.isHeld) == [false, true, true])
        #expect(cleanup.waiting.isEmpty)
        #expect(
            cleanup.log.contains("4jYJDg2t5cz1r2: hold: uid=\(Privileges.realUser) has submitted more than 1 messages in 3600s"),
            "\(cleanup.log)")
    }

    @Test func aQuestionIsAnsweredToItsSenderOnly() async throws {
        let cleanup = try FakeCleanup(replies: [try queued()])
        let envelope = Envelope(
            sender: MailAddress("bob"), recipients: [EnvelopeRecipient(MailAddress("anna")), EnvelopeRecipient(MailAddress("x@h.test"))],
            origin: .localSubmission, arrival: 17)
        var encoder = MaildropFileEncoder()
        try cleanup.write(encoder.begin(envelope) + encoder.question() + encoder.end())
        try await cleanup.run("AAAAAAAAAA")
        let report = try #require(cleanup.messages.first)
        #expect(cleanup.messages.count == 1 && cleanup.waiting.isEmpty)
        #expect(report.envelope.sender.isNull)
        #expect(report.envelope.recipients.map(\.address) == [MailAddress("bob")])
        let text = String(decoding: report.content, as: UTF8.self)
        #expect(text.contains("<anna@h.test>: deliverable (a local address)"), "\(text)")
        #expect(text.contains("<x@h.test>: undeliverable (5.1.1 no ?such user)"), "\(text)")
    }

    @Test func aQuestionWithContentIsNone() async throws {
        let cleanup = try FakeCleanup(replies: [])
        let envelope = Envelope(
            sender: MailAddress("bob"), recipients: [EnvelopeRecipient(MailAddress("a@y"))], origin: .localSubmission, arrival: 17)
        var encoder = MaildropFileEncoder()
        try cleanup.write(encoder.begin(envelope) + encoder.question() + encoder.content(Self.content) + encoder.end())
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.corrupt == ["AAAAAAAAAA"])
        #expect(!cleanup.messages.contains { $0.isCommitted })
    }

    @Test func theDirectoryGoesWithTheTest() async throws {
        var root = ""
        do {
            let cleanup = try FakeCleanup(replies: [try queued()])
            root = cleanup.root
            try cleanup.write(file())
            try await cleanup.run("AAAAAAAAAA")
        }
        // The last reference is that of a task on this very actor.
        while (try? Files.linkStatus(of: root)) != nil { await Task.yield() }
    }

    @Test func variableReturnPathsAreOneMessageEachAndNoneTwice() async throws {
        let later = SubmitReply.refused(SMTPReply(452, EnhancedStatusCode(4, 3, 1), "no space"))
        let cleanup = try FakeCleanup(replies: [try queued(), later, try queued()])
        let recipients = ["a@y", "b@z"].map { EnvelopeRecipient(MailAddress($0)) }
        let envelope = Envelope(sender: MailAddress("list@x"), recipients: recipients, origin: .localSubmission, arrival: 17)
        var encoder = MaildropFileEncoder()
        let head = encoder.begin(envelope) + encoder.verp(try #require(VERPDelimiters("+=".utf8)))
        try cleanup.write(head + encoder.content(Self.content) + encoder.end())
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting == ["AAAAAAAAAA"])
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting.isEmpty)
        #expect(cleanup.messages.map(\.envelope.sender.logForm) == ["list+a=y@x", "list+b=z@x", "list+b=z@x"])
        #expect(
            cleanup.messages.map { $0.envelope.recipients.map(\.address) }
                == [["a@y"], ["b@z"], ["b@z"]].map { $0.map { MailAddress($0) } })
        #expect(cleanup.messages.allSatisfy { $0.content == Self.content })
    }

    @Test func temporaryRefusalKeepsTheFile() async throws {
        let cleanup = try FakeCleanup(replies: [.refused(SMTPReply(452, EnhancedStatusCode(4, 3, 1), "no space"))])
        try cleanup.write(file())
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting == ["AAAAAAAAAA"])
    }

    @Test func noReplyKeepsTheFile() async throws {
        let cleanup = try FakeCleanup(replies: [])
        try cleanup.write(file())
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting == ["AAAAAAAAAA"])
        #expect(cleanup.corrupt.isEmpty)
    }

    @Test func permanentRefusalGoesToTheSender() async throws {
        let cleanup = try FakeCleanup(replies: [.refused(SMTPReply(552, EnhancedStatusCode(5, 3, 4), "too big")), try queued()])
        try cleanup.write(file())
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting.isEmpty)
        let notice = try #require(cleanup.messages.last)
        #expect(notice.envelope.sender.isNull)
        #expect(notice.envelope.origin == .notification)
        #expect(notice.envelope.recipients.map(\.address) == [MailAddress("bob")])
        #expect(String(decoding: notice.content, as: UTF8.self).contains("552 5.3.4 too big"))
    }

    @Test func permanentRefusalWithoutSenderIsSetAside() async throws {
        let cleanup = try FakeCleanup(replies: [.refused(SMTPReply(552, nil, "too big"))])
        try cleanup.write(file(sender: ""))
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting.isEmpty)
        #expect(cleanup.corrupt == ["AAAAAAAAAA"])
        #expect(cleanup.messages.count == 1)
    }

    @Test func noticeThatIsDeferredKeepsTheFile() async throws {
        let cleanup = try FakeCleanup(replies: [.refused(SMTPReply(552, nil, "too big")), .refused(SMTPReply(451, nil, "later"))])
        try cleanup.write(file())
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting == ["AAAAAAAAAA"])
    }

    @Test(arguments: [0, 1, 30, 60]) func unfinishedFileIsSetAside(_ length: Int) async throws {
        let cleanup = try FakeCleanup(replies: [])
        try cleanup.write(Array(file().prefix(length)))
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.corrupt == ["AAAAAAAAAA"])
        #expect(cleanup.messages.isEmpty)
    }

    @Test func damagedFilesNeverCount() async throws {
        let cleanup = try FakeCleanup(replies: [])
        var damaged = file()
        damaged[damaged.count - 20] ^= 1
        try cleanup.write(damaged)
        try cleanup.write(file() + [0], as: "AAAAAAAAAB")
        try await cleanup.run("AAAAAAAAAA")
        try await cleanup.run("AAAAAAAAAB")
        #expect(cleanup.corrupt == ["AAAAAAAAAA", "AAAAAAAAAB"])
    }

    @Test func linksAreNotFollowed() async throws {
        let cleanup = try FakeCleanup(replies: [])
        try Files.symbolicLink("/etc/passwd", at: "\(cleanup.root)/maildrop/AAAAAAAAAA")
        try cleanup.write(file(), as: "AAAAAAAAAB")
        try Files.link("\(cleanup.root)/maildrop/AAAAAAAAAB", "\(cleanup.root)/second")
        try await cleanup.run("AAAAAAAAAA")
        try await cleanup.run("AAAAAAAAAB")
        #expect(cleanup.corrupt == ["AAAAAAAAAA", "AAAAAAAAAB"])
        #expect(cleanup.messages.isEmpty)
    }

    @Test func unreachableCleanupKeepsTheFile() async throws {
        let cleanup = try FakeCleanup(replies: [])
        try Files.unlink("\(cleanup.root)/public/cleanup")
        try cleanup.write(file())
        try await cleanup.run("AAAAAAAAAA")
        #expect(cleanup.waiting == ["AAAAAAAAAA"])
        #expect(cleanup.submission.isCleanupDown)
    }
}
