import MailIPC
import MailModel
import MailQueue
import SystemKit
import Testing

/// A queue of its own under /tmp, removed at the end.
final class QueueFixture: Sendable {
    let directories: QueueDirectories
    static let messageID = QueueID(microseconds: 1_795_465_277_000_000, unique: 5)

    init() throws {
        let root = "/tmp/martlet-bounce-test-\(UInt64.random(in: 0..<UInt64.max))"
        directories = QueueDirectories(root: root)
        try Files.makeDirectory(root)
        for directory in QueueDirectory.allCases { try Files.makeDirectory(directories.path(directory)) }
        try Files.makeDirectory(directories.commit)
    }

    deinit {
        // What cannot be removed stays in /tmp.
        for path in QueueDirectory.allCases.map({ directories.path($0) }) + [directories.commit] {
            for entry in (try? Files.directoryEntries(path)) ?? [] { try? Files.unlink("\(path)/\(entry)") }
            try? Files.removeDirectory(path)
        }
        try? Files.removeDirectory(directories.root)
    }

    /// Puts a message into `incoming`; returns its id.
    func queue(_ envelope: Envelope, content: [UInt8], facts: ContentFacts = []) throws -> QueueID {
        let directory = directories.path(.incoming)
        var file = try complete(envelope, content: content, facts: facts)
        try file.makeFile()
        #expect(QueueCommit.commit([file], directory: directory, synchronizes: false) == [nil])
        file.close()
        return file.id
    }

    /// A message that is in memory yet.
    func complete(_ envelope: Envelope, content: [UInt8], facts: ContentFacts = []) throws -> CompletedQueueFile {
        let writer = QueueFileWriter(
            in: directories.path(.incoming), envelope: envelope, now: 1_795_465_277_000_000, unique: .random(in: 1...0xFF_FFFF))
        try writer.append(content[...])
        return try writer.finish(contentFacts: facts)
    }

    static func envelope(
        sender: String = "phil@sender.test", recipients: [String] = ["matt@receiver.test"], _ change: (inout Envelope) -> Void = { _ in }
    ) -> Envelope {
        var envelope = Envelope(
            sender: sender.isEmpty ? .null : MailAddress(sender), recipients: recipients.map { EnvelopeRecipient(MailAddress($0)) },
            origin: .localSubmission, arrival: 1_795_465_277_000_000)
        change(&envelope)
        return envelope
    }

    static func record(
        _ log: BounceLog = .bounce, id: QueueID = messageID, to recipient: String = "matt@receiver.test", notify: DSNNotify = [],
        action: RecipientOutcome.Action = .bounced, status: String = "5.1.1", reason: String = "no such user"
    ) -> BounceRecord {
        BounceRecord(
            log: log, queueID: id, recipient: EnvelopeRecipient(MailAddress(recipient), notify: notify),
            outcome: RecipientOutcome(action, EnhancedStatusCode(status) ?? EnhancedStatusCode(5, 0, 0), reason),
            time: 1_795_465_278_000_000)
    }
}
