import MailConfiguration
import MailIPC
import MailLog
import MailModel
import MailQueue
import ServiceKit
import SystemKit
import Testing

@testable import Bounce

/// Takes notifications as cleanup would, or refuses them.
@ServiceActor
private final class RecordingPoster: NotificationPosting {
    var posted: [(envelope: Envelope, text: String)] = []
    var refusals: [PostingFailure] = []

    func post(_ envelope: Envelope, content: [UInt8]) async -> Result<QueueID, PostingFailure> {
        if !refusals.isEmpty { return .failure(refusals.removeFirst()) }
        posted.append((envelope, String(decoding: content, as: UTF8.self)))
        return .success(QueueID(microseconds: 1_795_465_300_000_000, unique: UInt64(posted.count)))
    }
}

@Suite @ServiceActor struct BounceServiceTests {
    private let fixture: QueueFixture
    private let poster = RecordingPoster()
    private let service: BounceService
    private let store: BounceLogStore

    init() throws {
        fixture = try QueueFixture()
        let configuration = try Configuration(
            text: "notify_classes = 2bounce\nbounce_size_limit = 200\nmyhostname = mx.sender.test\nmyorigin = sender.test\n")
        let log = MailLog(program: "bounce", syslogName: "test", destination: .file("\(fixture.directories.path(.corrupt))/log"))
        let settings = BounceSettings(configuration, queueDirectory: fixture.directories.root)
        store = BounceLogStore(directories: fixture.directories)
        service = BounceService(settings: settings, log: log, poster: poster)
    }

    private func ask(_ type: UInt8, _ payload: [UInt8]) async throws -> UInt8 {
        try await service.answer(IPCFrame(stream: 1, type: type, payload: payload)).type
    }

    private func notice(_ kind: BounceNotice.Kind, _ id: QueueID, _ envelope: Envelope) -> [UInt8] {
        var head = envelope
        head.recipients = []
        return BounceNotice(kind: kind, queueID: id, directory: "incoming", envelope: head).encoded
    }

    private var logText: String {
        get throws { String(decoding: try Files.contents(of: "\(fixture.directories.path(.corrupt))/log"), as: UTF8.self) }
    }

    /// A message may be in a commit log alone while its first failure is recorded.
    @Test func logsOfMessagesThatAreGoneAreSweptAndNoOthers() async throws {
        let alive = try fixture.queue(QueueFixture.envelope(), content: Array("A: b\r\n\r\n".utf8))
        let logged = try fixture.complete(QueueFixture.envelope(), content: Array("A: b\r\n\r\n".utf8))
        var commitLog = try CommitLogFile.acquire(in: fixture.directories, size: 65_536, now: 1_795_465_277_000_000)
        try commitLog.append([logged])
        let ids = [QueueFixture.messageID, alive, logged.id]
        for kind in BounceLog.allCases { #expect(store.append(ids.map { QueueFixture.record(kind, id: $0) }) == [nil, nil, nil]) }
        await service.sweep()
        #expect(Set(try store.ids(.bounce)) == Set(ids))
        for kind in [BounceLog.defer, .trace] { #expect(Set(try store.ids(kind)) == [alive, logged.id]) }
        commitLog.disown([(logged.id, isAccepted: false)])
        await service.sweep()
        for kind in [BounceLog.defer, .trace] { #expect(try store.ids(kind) == [alive]) }
        // What cannot be read may have anything.
        #expect(store.append([QueueFixture.record(.defer, id: logged.id)]) == [nil])
        let file = try FileDescriptor.open(commitLog.path, [.readWrite])
        // A later version's, in both copies of the header.
        var header = try file.pread(upTo: 34, at: 0)
        header[8] = 0xFF
        let sum = CRC32C.checksum(header)
        for offset: Int64 in [0, 2048] {
            try file.pwriteAll(header + (0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) }, at: offset)
        }
        await service.sweep()
        #expect(Set(try store.ids(.defer)) == [alive, logged.id])
        #expect(try logText.contains("cannot look for defer logs without a message"))
        commitLog.close()
    }

    @Test func aFailureBecomesOneReportAndTheLogGoes() async throws {
        let envelope = QueueFixture.envelope()
        let id = try fixture.queue(envelope, content: Array("Subject: hello\r\n\r\nHi\r\n".utf8))
        #expect(try await ask(BounceFrame.append, QueueFixture.record(id: id).encoded) == BounceFrame.done)
        #expect(try await ask(BounceFrame.notify, notice(.failure, id, envelope)) == BounceFrame.done)
        let posted = try #require(poster.posted.first)
        #expect(posted.envelope.sender.isNull && posted.envelope.origin == .notification)
        #expect(posted.envelope.recipients == [EnvelopeRecipient(MailAddress("phil@sender.test"))])
        #expect(posted.text.contains("Final-Recipient: rfc822; matt@receiver.test\r\n") && posted.text.contains("\r\n\r\nHi\r\n"))
        #expect(try logText.contains("\(id): sender non-delivery notification: "))
        // Asked again (qmgr died before it removed the message), there is nothing left to tell.
        #expect(try await ask(BounceFrame.notify, notice(.failure, id, envelope)) == BounceFrame.done)
        #expect(poster.posted.count == 1)
    }

    @Test func whatCannotBePostedIsKept() async throws {
        let envelope = QueueFixture.envelope()
        let id = try fixture.queue(envelope, content: Array("Subject: hello\r\n\r\nHi\r\n".utf8))
        _ = try await ask(BounceFrame.append, QueueFixture.record(id: id).encoded)
        poster.refusals = [PostingFailure(text: "451 4.3.0 no", isPermanent: false)]
        #expect(try await ask(BounceFrame.notify, notice(.failure, id, envelope)) == BounceFrame.failed)
        #expect(try store.read(.bounce, id).records.count == 1)
        // Refused for good with its content, it goes without.
        poster.refusals = [PostingFailure(text: "552 5.3.4 too big", isPermanent: true)]
        #expect(try await ask(BounceFrame.notify, notice(.failure, id, envelope)) == BounceFrame.done)
        #expect(poster.posted.count == 1 && !poster.posted[0].text.contains("\r\nHi\r\n"))
        #expect(try store.read(.bounce, id).records.isEmpty)
    }

    @Test func sizeAndRETDecideAboutTheContent() async throws {
        let header = "Subject: hello\r\n"
        for (body, ret, isWhole) in [
            ("Hi\r\n", DSNReturn.full, true), ("Hi\r\n", .headers, false), (String(repeating: "Hi\r\n", count: 90), .full, false),
        ] {
            let envelope = QueueFixture.envelope { $0.returnContent = ret }
            let id = try fixture.queue(envelope, content: Array("\(header)\r\n\(body)".utf8))
            _ = try await ask(BounceFrame.append, QueueFixture.record(id: id).encoded)
            #expect(try await ask(BounceFrame.notify, notice(.failure, id, envelope)) == BounceFrame.done)
            let text = try #require(poster.posted.last).text
            #expect(text.contains("Content-Type: \(isWhole ? "message/rfc822" : "text/rfc822-headers")\r\n"))
            #expect(text.contains("\r\nHi\r\n") == isWhole && text.contains(header))
        }
    }

    @Test func aMessageThatCannotBeReadIsReportedAllTheSame() async throws {
        _ = try await ask(BounceFrame.append, QueueFixture.record().encoded)
        #expect(try await ask(BounceFrame.notify, notice(.failure, QueueFixture.messageID, QueueFixture.envelope())) == BounceFrame.done)
        #expect(poster.posted.count == 1)
        #expect(try logText.contains("notification goes without the message"))
    }

    @Test func doubleBounces() async throws {
        let envelope = QueueFixture.envelope(sender: "")
        let id = try fixture.queue(envelope, content: Array("Subject: Undelivered\r\n\r\n".utf8))
        _ = try await ask(BounceFrame.append, QueueFixture.record(id: id).encoded)
        #expect(try await ask(BounceFrame.notify, notice(.failure, id, envelope)) == BounceFrame.done)
        let posted = try #require(poster.posted.first).envelope
        #expect(
            posted.sender == MailAddress("double-bounce@sender.test")
                && posted.recipients[0].address == MailAddress("postmaster@sender.test"))
        // And when that fails too, it ends.
        _ = try await ask(BounceFrame.append, QueueFixture.record().encoded)
        #expect(try await ask(BounceFrame.notify, notice(.failure, QueueFixture.messageID, posted)) == BounceFrame.done)
        #expect(poster.posted.count == 1)
        #expect(try store.read(.bounce, QueueFixture.messageID).records.isEmpty)
        #expect(try logText.contains("undeliverable postmaster notification discarded"))
    }

    @Test func delaysLeaveTheirLogAndAreRead() async throws {
        let envelope = QueueFixture.envelope(recipients: ["matt@receiver.test", "done@receiver.test"])
        let id = try fixture.queue(envelope, content: Array("Subject: hello\r\n\r\n".utf8))
        let reader = try QueueFileReader(path: fixture.directories.path(.incoming, id))
        try QueueFileMark.setState(.done, at: reader.stateOffsets[1], path: fixture.directories.path(.incoming, id))
        for name in ["matt", "done"] {
            let record = QueueFixture.record(.defer, id: id, to: "\(name)@receiver.test", action: .deferred, status: "4.4.1")
            _ = try await ask(BounceFrame.append, record.encoded)
        }
        #expect(try await ask(BounceFrame.notify, notice(.delay, id, envelope)) == BounceFrame.done)
        let text = try #require(poster.posted.first).text
        #expect(text.contains("Action: delayed") && text.contains("matt@receiver.test") && !text.contains("done@receiver.test"))
        let answer = try await service.answer(IPCFrame(stream: 1, type: BounceFrame.read, payload: id.encoded))
        #expect(answer.type == BounceFrame.records)
        var decoder = ByteDecoder(answer.payload)
        let records = try decoder.takeList { d throws(ByteDecodingError) in try BounceRecord(from: &d) }
        #expect(records.count == 2)
        #expect(try await ask(BounceFrame.forget, id.encoded) == BounceFrame.done)
        #expect(try store.read(.defer, id).records.isEmpty)
    }

    @Test func twoNoticesAtATimeMakeOneReport() async throws {
        let envelope = QueueFixture.envelope()
        let id = try fixture.queue(envelope, content: Array("Subject: hello\r\n\r\n".utf8))
        _ = try await ask(BounceFrame.append, QueueFixture.record(id: id).encoded)
        let payload = notice(.failure, id, envelope)
        async let first = ask(BounceFrame.notify, payload)
        async let second = ask(BounceFrame.notify, payload)
        #expect(try await [first, second] == [BounceFrame.done, BounceFrame.done])
        #expect(poster.posted.count == 1)
    }

    @Test func malformedRequestsAreErrors() async {
        await #expect(throws: (any Error).self) { try await ask(BounceFrame.append, [1, 2, 3]) }
        await #expect(throws: (any Error).self) { try await ask(BounceFrame.notify, []) }
        await #expect(throws: (any Error).self) { try await ask(99, []) }
    }
}
