import MailIPC
import MailModel
import MailQueue
import SystemKit
import Testing

@testable import Bounce

@Suite struct BounceLogStoreTests {
    private let fixture: QueueFixture
    private let store: BounceLogStore
    private let id = QueueFixture.messageID

    init() throws {
        fixture = try QueueFixture()
        store = BounceLogStore(directories: fixture.directories)
    }

    @Test func whatIsAppendedIsRead() throws {
        let first = QueueFixture.record(to: "a@x")
        let second = QueueFixture.record(to: "b@x", notify: [.failure])
        #expect(store.append([first]) == [nil])
        #expect(store.append([second, QueueFixture.record(.trace, to: "c@x")]) == [nil, nil])
        let contents = try store.read(.bounce, id)
        #expect(contents.records == [first, second])
        #expect(contents.damagedLines == 0 && contents.size > 0)
        #expect(try store.read(.trace, id).records.count == 1)
        #expect(try store.read(.defer, id) == BounceLogContents())
    }

    @Test func theLastRecordOfARecipientCounts() throws {
        _ = store.append([QueueFixture.record(reason: "one"), QueueFixture.record(to: "b@x"), QueueFixture.record(reason: "two")])
        #expect(try store.read(.bounce, id).records.map(\.outcome.reason) == ["two", "no such user"])
    }

    @Test func aTornLineCostsOnlyItself() throws {
        #expect(store.append([QueueFixture.record(to: "a@x")]) == [nil])
        let path = store.path(.bounce, id)
        let torn = BounceLogFile.line(QueueFixture.record(to: "torn@x")).dropLast(7)
        let file = try FileDescriptor.open(path, [.writeOnly, .append])
        try file.writeAll(Array(torn) + [0, 0, 0])
        #expect(store.append([QueueFixture.record(to: "b@x")]) == [nil])
        let contents = try store.read(.bounce, id)
        #expect(contents.records.map(\.recipient.address) == [MailAddress("a@x"), MailAddress("b@x")])
        #expect(contents.damagedLines == 1)
    }

    @Test func everyCutOfAFileIsReadWithoutTrap() {
        let bytes = ["a@x", "b@x", "c@x"].flatMap { BounceLogFile.line(QueueFixture.record(to: $0)) }
        for length in 0...bytes.count {
            let contents = BounceLogFile.parse(Array(bytes[..<length]))
            #expect(contents.records.count + contents.damagedLines <= 3)
        }
        for position in bytes.indices {
            var changed = bytes
            changed[position] ^= 0x11
            #expect(BounceLogFile.parse(changed).records.count <= 3)
        }
    }

    @Test func aLogThatHasGrownIsNotRemoved() throws {
        _ = store.append([QueueFixture.record(to: "a@x")])
        let size = try store.read(.bounce, id).size
        _ = store.append([QueueFixture.record(to: "b@x")])
        try store.remove(.bounce, id, size: size)
        #expect(try store.read(.bounce, id).records.count == 2)
        try store.remove(.bounce, id, size: try store.read(.bounce, id).size)
        #expect(try !Files.exists(store.path(.bounce, id)))
        try store.remove(.bounce, id, size: 0)
    }

    @Test func aDirectoryThatIsGoneIsAnError() throws {
        try Files.removeDirectory(fixture.directories.path(.bounce))
        let results = store.append([QueueFixture.record(), QueueFixture.record(.defer)])
        #expect(results[0] != nil && results[1] == nil)
    }

    @Test func theDeferLogDoesNotGrowWithoutBound() throws {
        let reason = String(repeating: "x", count: 2000)
        for round in 0..<400 {
            #expect(store.append([QueueFixture.record(.defer, action: .deferred, status: "4.4.1", reason: "\(round) \(reason)")]) == [nil])
        }
        let contents = try store.read(.defer, id)
        #expect(contents.records.count == 1 && contents.records[0].outcome.reason.hasPrefix("399 "))
        #expect(contents.size < 140_000)
    }

    @Test func allLogsOfAMessageAreForgotten() throws {
        let other = QueueID(microseconds: 1_795_465_277_000_000, unique: 6)
        for log in BounceLog.allCases { _ = store.append([QueueFixture.record(log), QueueFixture.record(log, id: other)]) }
        for _ in 0..<2 {
            try store.forget(id)
            for log in BounceLog.allCases { #expect(try store.ids(log) == [other]) }
        }
    }

    @Test(arguments: [QueueDirectory.incoming, .deferred, .hold, .corrupt])
    func aLogWhoseMessageIsAFileIsNoOrphan(directory: QueueDirectory) throws {
        let alive = try fixture.queue(QueueFixture.envelope(), content: Array("A: b\r\n\r\n".utf8))
        try Files.rename(fixture.directories.path(.incoming, alive), fixture.directories.path(directory, alive))
        for log in BounceLog.allCases { _ = store.append([QueueFixture.record(log), QueueFixture.record(log, id: alive)]) }
        for log in BounceLog.allCases {
            #expect(try store.withoutFile(log, [id, alive]) == [id])
            // It became a file after the first look.
            #expect(try store.removeOrphans(log, [alive, id], recorded: []).removed == 1)
            #expect(try store.ids(log) == [alive])
        }
    }

    @Test func aLogThatWasTouchedNotLongAgoIsLeftWhereThatIsAsked() throws {
        _ = store.append([QueueFixture.record()])
        let now = SystemClock.now()
        let day: Int64 = 86_400_000_000
        #expect(try store.withoutFile(.bounce, [id], untouched: day, now: now).isEmpty)
        #expect(try store.withoutFile(.bounce, [id], untouched: day, now: now + day + 60_000_000) == [id])
    }

    @Test func aLogWhoseMessageIsARecordIsLeft() throws {
        let other = QueueID(microseconds: 1_795_465_277_000_000, unique: 6)
        _ = store.append([QueueFixture.record(.defer), QueueFixture.record(.defer, id: other)])
        #expect(try store.removeOrphans(.defer, [id, other], recorded: [id]).removed == 1)
        #expect(try store.ids(.defer) == [id])
    }

    @Test func aLogThatCannotBeRemovedDoesNotKeepTheOthers() throws {
        let odd = QueueID(microseconds: 1_795_465_277_000_000, unique: 6)
        let path = "\(fixture.directories.root)/defer/\(odd.text)"
        try Files.makeDirectory(path)
        _ = store.append([QueueFixture.record(.defer)])
        let result = try store.removeOrphans(.defer, [odd, id], recorded: [])
        #expect(result.removed == 1 && result.failure != nil)
        #expect(try store.ids(.defer) == [odd])
        try Files.removeDirectory(path)
    }
}
