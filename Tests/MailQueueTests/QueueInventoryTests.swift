// The queue as its files tell it, a few messages at a time.

import MailIPC
import MailModel
import MailQueue
import SystemKit
import Testing

/// A queue of its own, removed at the end.
private final class ScratchQueue {
    private let scratch: ScratchDirectory
    let directories: QueueDirectories

    init() throws {
        scratch = try ScratchDirectory()
        directories = QueueDirectories(root: scratch.path)
        for directory in QueueDirectory.allCases { try Files.makeDirectory(directories.path(directory)) }
    }

    deinit {
        for directory in QueueDirectory.allCases.map({ directories.path($0) }) {
            for name in (try? Files.directoryEntries(directory)) ?? [] {
                try? Files.unlink("\(directory)/\(name)")
                try? Files.removeDirectory("\(directory)/\(name)")
            }
            try? Files.removeDirectory(directory)
        }
    }
}

@Suite struct QueueInventoryTests {
    private func write(_ directories: QueueDirectories, _ directory: QueueDirectory, time: Int64, recipients: [String]) throws -> QueueID {
        let envelope = Envelope(
            sender: MailAddress("s@x.test"), recipients: recipients.map { EnvelopeRecipient(MailAddress($0)) }, origin: .remoteSMTP,
            arrival: time)
        let writer = QueueFileWriter(in: directories.path(directory), envelope: envelope, now: time, unique: 1)
        try writer.append(Array("x\r\n".utf8))
        var file = try writer.finish(contentFacts: [])
        try file.makeFile()
        file.close()
        return file.id
    }

    private func all(_ directories: QueueDirectories, excluding: Set<QueueID> = []) throws -> [QueueEntry] {
        var inventory = QueueInventory(directories, excluding: excluding)
        var entries: [QueueEntry] = []
        while let some = try inventory.next() { entries += some }
        return entries
    }

    @Test func submissionsAreThereAndRubbishIsNot() throws {
        let queue = try ScratchQueue()
        let envelope = Envelope(
            sender: MailAddress("s@x.test"), recipients: [EnvelopeRecipient(MailAddress("a@x.test"))], origin: .localSubmission, arrival: 1)
        var encoder = MaildropFileEncoder()
        let whole = encoder.begin(envelope) + encoder.content(Array(repeating: 0x78, count: 200_000)) + encoder.end()
        let ids = (1...4).map { QueueID(microseconds: Int64($0) * 1_000_000, unique: 1) }
        for (id, bytes) in zip(ids, [whole, Array("Martlet maildrop".utf8), Array(whole.prefix(30)), Array("rubbish".utf8)]) {
            let file = try FileDescriptor.open(queue.directories.path(.maildrop, id), [.writeOnly, .create, .exclusive])
            try file.writeAll(bytes)
            try file.setTimes(modified: 5_000_000)
        }
        try Files.symbolicLink(queue.directories.path(.maildrop, ids[0]), at: queue.directories.path(.maildrop) + "/4jYJQl1CXpz2rl")
        let entries = try all(queue.directories)
        #expect(entries.map(\.queueID) == [ids[0]])
        #expect(entries.map(\.place) == [.maildrop] && entries.map(\.size) == [UInt64(whole.count)])
        #expect(entries.map(\.arrival) == [5_000_000] && entries.first?.recipients.map(\.address) == [MailAddress("a@x.test")])
    }

    @Test func messagesComeByPlaceAndAge() throws {
        let queue = try ScratchQueue()
        let directories = queue.directories
        // More than one step.
        let times = (0..<300).map { Int64(1_700_000_000_000_000 + $0 * 7919 % 300 * 1_000_000) }
        let deferred = try times.map { try write(directories, .deferred, time: $0, recipients: ["a@y.test"]) }
        let held = try write(directories, .hold, time: 1, recipients: ["b@y.test"])
        let incoming = try write(directories, .incoming, time: 1_800_000_000_000_000, recipients: ["c@y.test"])
        let entries = try all(directories)
        #expect(entries.map(\.queueID) == [incoming] + deferred.sorted() + [held])
        #expect(Set(entries.map(\.place)) == [.incoming, .deferred, .hold])
        #expect(entries[0].size == 3 && entries[0].nextAttempt == 0)
        #expect(try all(directories, excluding: [incoming, held]).count == 300)
    }

    @Test func whatWaitsIsShownWithItsReasonAndTime() throws {
        let queue = try ScratchQueue()
        let directories = queue.directories
        let id = try write(directories, .deferred, time: 1_700_000_000_000_000, recipients: ["a@y.test", "b@y.test", "c@y.test"])
        let path = directories.path(.deferred, id)
        try QueueFileMark.setState(.done, at: try QueueFileReader(path: path).stateOffsets[0], path: path)
        try Files.setTimes(path, modified: 1_700_000_123_000_000)
        let log = try FileDescriptor.open(directories.path(.defer, id), [.writeOnly, .create])
        for reason in ["first", "second"] {
            try log.writeAll(
                BounceLogFile.line(
                    BounceRecord(
                        log: .defer, queueID: id, recipient: EnvelopeRecipient(MailAddress("b@y.test")),
                        outcome: RecipientOutcome(.deferred, EnhancedStatusCode(4, 4, 1), reason), time: 1)))
        }
        let entry = try #require(try all(directories).first)
        #expect(entry.nextAttempt == 1_700_000_123_000_000)
        #expect(entry.recipients.map(\.address.logForm) == ["b@y.test", "c@y.test"])
        #expect(entry.recipients.map(\.delayReason) == ["second", ""])
    }

    @Test func whatIsNoMessageIsLeftOut() throws {
        let queue = try ScratchQueue()
        let directories = queue.directories
        let good = try write(directories, .deferred, time: 1_700_000_000_000_000, recipients: ["a@y.test"])
        try FileDescriptor.open("\(directories.path(.deferred))/GARBAGE", [.writeOnly, .create]).writeAll(Array("x".utf8))
        try Files.makeDirectory("\(directories.path(.deferred))/DIRECTORY")
        try FileDescriptor.open("\(directories.path(.deferred))/not-an-id", [.writeOnly, .create]).writeAll([])
        #expect(try all(directories).map(\.queueID) == [good])
        #expect(QueueInventory(directories).isReadable)
        #expect(!QueueInventory(QueueDirectories(root: "/nonexistent")).isReadable)
    }

    @Test func aListingOfManyEntriesIsOnePayload() throws {
        let queue = try ScratchQueue()
        let directories = queue.directories
        for number in 0..<3 {
            _ = try write(directories, .hold, time: 1_700_000_000_000_000 + Int64(number), recipients: ["a@y.test"])
        }
        let entries = try all(directories)
        var read: [QueueEntry] = []
        try QueueEntry.forEach(in: QueueEntry.encoded(entries)) { read.append($0) }
        #expect(read == entries && read.count == 3)
        #expect(throws: ByteDecodingError.self) { try QueueEntry.forEach(in: QueueEntry.encoded(entries) + [1]) { _ in } }
    }
}
