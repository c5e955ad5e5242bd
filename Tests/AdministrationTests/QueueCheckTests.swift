// The offline check of a queue: each finding is provoked once, and repaired where it can be.

import MailConfiguration
import MailIPC
import MailModel
import MailQueue
import SystemKit
import Testing

@testable import Administration

/// A queue of its own, as master makes it.
final class QueueFixture {
    let root: String
    let directories: QueueDirectories
    static let owners: QueueLayout.Owners = {
        let me = (user: Privileges.effectiveUser, group: Privileges.effectiveGroup)
        return QueueLayout.Owners(root: me, mail: me, submissionGroup: me.group)
    }()
    private var unique: UInt64 = 0

    init() throws {
        root = "/tmp/martlet-fsck-test-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0..<UInt64.max))"
        directories = QueueDirectories(root: root)
        try QueueLayout(Self.owners).make(in: root)
        try QueueFormat.mark(root)
    }

    deinit { Self.remove(root) }

    private static func remove(_ path: String) {
        if (try? Files.linkStatus(of: path))?.isDirectory == true {
            for entry in (try? Files.directoryEntries(path)) ?? [] { remove("\(path)/\(entry)") }
            try? Files.removeDirectory(path)
        } else {
            try? Files.unlink(path)
        }
    }

    /// A message that was accepted.
    func message(in directory: QueueDirectory = .incoming, recipients: Int = 2) throws -> QueueID {
        unique += 1
        let envelope = Envelope(
            sender: MailAddress("phil@sender.test"),
            recipients: (0..<recipients).map { EnvelopeRecipient(MailAddress("user\($0)@receiver.test")) }, origin: .remoteSMTP,
            arrival: 1_700_000_000_000_000)
        let writer = QueueFileWriter(
            in: directories.path(directory), envelope: envelope, now: 1_700_000_000_000_000, unique: unique)
        try writer.append(Array("Subject: x\r\n\r\nbody\r\n".utf8))
        var file = try writer.finish(contentFacts: [])
        try file.makeFile()
        file.close()
        return file.id
    }

    func submission() throws -> QueueID {
        unique += 1
        let id = QueueID(microseconds: 1_700_000_000_000_000, unique: unique)
        var encoder = MaildropFileEncoder()
        let envelope = Envelope(
            sender: MailAddress("phil@sender.test"), recipients: [EnvelopeRecipient(MailAddress("matt@receiver.test"))],
            origin: .localSubmission, arrival: 0)
        try write("maildrop/\(id.text)", encoder.begin(envelope) + encoder.content(Array("a\r\n".utf8)) + encoder.end(), mode: 0o644)
        return id
    }

    func record(_ log: BounceLog, _ id: QueueID) throws {
        let outcome = RecipientOutcome(.bounced, EnhancedStatusCode(5, 1, 1), "no such user")
        let record = BounceRecord(
            log: log, queueID: id, recipient: EnvelopeRecipient(MailAddress("user0@receiver.test")), outcome: outcome, time: 1)
        try write("\(log.directory)/\(id.text)", BounceLogFile.line(record))
    }

    func write(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600) throws {
        let file = try FileDescriptor.open("\(root)/\(path)", [.writeOnly, .create, .truncate], mode: mode)
        try file.writeAll(bytes)
        try file.setMode(mode)
    }

    /// Overwrites some bytes of a file.
    func damage(_ path: String, at offset: Int64, _ bytes: [UInt8]) throws {
        try FileDescriptor.open("\(root)/\(path)", [.writeOnly]).pwriteAll(bytes, at: offset)
    }

    func cut(_ path: String, to size: Int64) throws { try FileDescriptor.open("\(root)/\(path)", [.writeOnly]).truncate(to: size) }

    func check() -> QueueCheck {
        var check = QueueCheck(
            directories: directories, owners: Self.owners, now: SystemClock.now(), maximalLifetime: 432_000_000_000,
            messageSizeLimit: 10_240_000)
        check.run()
        return check
    }

    /// Checks and repairs; the findings with what was done.
    func repair() -> [QueueFinding] {
        var findings = check().findings
        var work = QueueRepair(directories: directories)
        for index in findings.indices { work.apply(&findings[index]) }
        work.finish()
        return findings
    }

    func cutLog(to size: Int64) throws -> String {
        try CommitLogFile.acquire(in: directories, size: 65_536, now: 1_700_000_000_000_000).close()
        try cut("commit/log.0", to: size)
        return "commit/log.0"
    }

    func exists(_ path: String) throws -> Bool { try Files.exists("\(root)/\(path)") }
}

@Suite struct QueueCheckTests {
    @Test func aQueueAsTheTableSaysHasNoFindings() throws {
        let queue = try QueueFixture()
        let id = try queue.message()
        _ = try queue.message(in: .deferred)
        _ = try queue.message(in: .hold)
        _ = try queue.submission()
        for log in BounceLog.allCases { try queue.record(log, id) }
        let check = queue.check()
        #expect(check.findings == [])
        #expect(check.fileCount == 7)
    }

    /// What is wrong, where, and what the repair does.
    struct Case: Sendable, CustomTestStringConvertible {
        let kind: QueueFinding.Kind
        let act: String?
        /// Makes it; returns the path that is found.
        let make: @Sendable (QueueFixture) throws -> String
        var testDescription: String { kind.rawValue }

        init(_ kind: QueueFinding.Kind, _ act: String?, _ make: @escaping @Sendable (QueueFixture) throws -> String) {
            self.kind = kind
            self.act = act
            self.make = make
        }
    }

    static let cases: [Case] = [
        Case(.directoryMissing, "made") { queue in
            try Files.removeDirectory("\(queue.root)/trace")
            return "trace"
        },
        Case(.badFile, nil) { queue in
            try Files.removeDirectory("\(queue.root)/trace")
            try queue.write("trace", [])
            return "trace"
        },
        Case(.ownership, "mode to 700") { queue in
            try Files.changeMode("\(queue.root)/incoming", 0o755)
            return "incoming"
        },
        // What an earlier version made: postdrop could not sync it.
        Case(.ownership, "mode to 1770") { queue in
            try Files.changeMode("\(queue.root)/maildrop", 0o730)
            return "maildrop"
        },
        Case(.ownership, "mode to 600") { queue in
            let path = "deferred/\(try queue.message(in: .deferred).text)"
            try Files.changeMode("\(queue.root)/\(path)", 0o644)
            return path
        },
        Case(.strayName, nil) { queue in
            try queue.write("core", [1])
            return "core"
        },
        Case(.strayName, "removed") { queue in
            try queue.write("format.new", [])
            return "format.new"
        },
        Case(.strayName, nil) { queue in
            try queue.write("deferred/not-an-id", [])
            return "deferred/not-an-id"
        },
        Case(.badFile, nil) { queue in
            try Files.symbolicLink("/etc/passwd", at: "\(queue.root)/incoming/4abcDEF12z")
            return "incoming/4abcDEF12z"
        },
        Case(.badFile, nil) { queue in
            let id = try queue.message()
            try Files.link("\(queue.root)/incoming/\(id.text)", "\(queue.root)/pid/second")
            return "incoming/\(id.text)"
        },
        Case(.incomplete, "removed") { queue in
            let path = "incoming/\(try queue.message().text)"
            try queue.cut(path, to: 100)
            return path
        },
        Case(.incomplete, "removed") { queue in
            let path = "hold/\(try queue.message(in: .hold).text)"
            try queue.cut(path, to: 0)
            return path
        },
        // Nothing incomplete is ever renamed to deferred.
        Case(.damaged, "moved to corrupt") { queue in
            let path = "deferred/\(try queue.message(in: .deferred).text)"
            try queue.cut(path, to: 100)
            return path
        },
        Case(.damaged, "moved to corrupt") { queue in
            let path = "deferred/\(try queue.message(in: .deferred).text)"
            try queue.damage(path, at: 70, [0xFF])
            return path
        },
        Case(.content, "moved to corrupt") { queue in
            let id = try queue.message(in: .deferred)
            let offset = try QueueFileReader(path: "\(queue.root)/deferred/\(id.text)").header.contentOffset
            try queue.damage("deferred/\(id.text)", at: Int64(offset), [0x21])
            return "deferred/\(id.text)"
        },
        Case(.version, nil) { queue in
            let path = "deferred/\(try queue.message(in: .deferred).text)"
            try queue.damage(path, at: 8, [3, 0])
            return path
        },
        Case(.twoPlaces, nil) { queue in
            let id = try queue.message()
            try queue.write("hold/\(id.text)", try Files.contents(of: "\(queue.root)/incoming/\(id.text)"))
            return "incoming/\(id.text)"
        },
        Case(.dueTooLate, "made due now") { queue in
            let path = "deferred/\(try queue.message(in: .deferred).text)"
            try Files.setTimes("\(queue.root)/\(path)", modified: SystemClock.now() + 500_000_000_000)
            return path
        },
        Case(.logWithoutMessage, "removed") { queue in
            let id = QueueID(microseconds: 1_700_000_000_000_000, unique: 99)
            try queue.record(.defer, id)
            return "defer/\(id.text)"
        },
        // It may say what nobody was told.
        Case(.logWithoutMessage, nil) { queue in
            let id = QueueID(microseconds: 1_700_000_000_000_000, unique: 99)
            try queue.record(.bounce, id)
            return "bounce/\(id.text)"
        },
        Case(.damaged, nil) { queue in
            let (id, other) = (try queue.message(), try queue.message())
            try queue.record(.bounce, other)
            try Files.rename("\(queue.root)/bounce/\(other.text)", "\(queue.root)/bounce/\(id.text)")
            return "bounce/\(id.text)"
        },
        Case(.unfinishedSubmission, "removed") { queue in
            try queue.write("maildrop/1.2.tmp", [])
            try Files.setTimes("\(queue.root)/maildrop/1.2.tmp", modified: SystemClock.now() - 90_000_000_000)
            return "maildrop/1.2.tmp"
        },
        Case(.damagedSubmission, "moved to corrupt") { queue in
            let path = "maildrop/\(try queue.submission().text)"
            try queue.cut(path, to: 60)
            return path
        },
        Case(.damaged, "recovered") { queue in try queue.cutLog(to: 10_000) },
        Case(.damaged, "recovered") { queue in try queue.cutLog(to: 0) },
    ]

    @Test(arguments: cases) func isFoundAndRepaired(_ given: Case) throws {
        let queue = try QueueFixture()
        let path = try given.make(queue)
        let findings = queue.repair().filter { !$0.isNote }
        #expect(findings.map(\.kind) == [given.kind])
        #expect(findings.map(\.path) == [path])
        if let act = given.act {
            #expect(findings.first?.done?.hasSuffix(act) == true, "\(findings)")
            #expect(queue.check().findings.filter { !$0.isNote } == [])
        } else {
            #expect(findings.first?.done == nil)
            #expect(queue.check().findings.filter { !$0.isNote } == findings)
        }
    }

    @Test func whatIsMovedToCorruptReplacesNothing() throws {
        let queue = try QueueFixture()
        let id = try queue.message(in: .deferred)
        try queue.write("corrupt/\(id.text)", [1, 2, 3])
        try queue.damage("deferred/\(id.text)", at: 70, [0xFF])
        #expect(queue.repair().contains { $0.done == "moved to corrupt" })
        #expect(try Files.contents(of: "\(queue.root)/corrupt/\(id.text)") == [1, 2, 3])
        #expect(try queue.exists("corrupt/\(id.text).1"))
    }

    @Test func notesAreNoFindings() throws {
        let queue = try QueueFixture()
        let id = try queue.message(in: .deferred, recipients: 1)
        let path = "\(queue.root)/deferred/\(id.text)"
        try QueueFileMark.setState(.bounced, at: try QueueFileReader(path: path).stateOffsets[0], path: path)
        try queue.record(.bounce, id)
        try FileDescriptor.open("\(queue.root)/bounce/\(id.text)", [.writeOnly, .append]).writeAll(Array("\nQUJD".utf8))
        try queue.write("maildrop/1.2.tmp", [])
        try queue.write("corrupt/anything", [])
        let notes = queue.repair()
        #expect(notes.map(\.kind) == [.note, .note, .note, .note])
        #expect(Set(notes.map(\.path)) == ["deferred/\(id.text)", "bounce/\(id.text)", "maildrop/1.2.tmp", "corrupt"])
        #expect(try queue.exists("deferred/\(id.text)"))
    }

    @Test func aFileThatIsBeingWrittenIsNoFinding() throws {
        let queue = try QueueFixture()
        let id = try queue.message()
        try queue.cut("incoming/\(id.text)", to: 100)
        let writer = try FileDescriptor.open("\(queue.root)/incoming/\(id.text)", [.readWrite])
        try writer.lockExclusive()
        #expect(queue.check().findings == [])
        try writer.unlock()
        #expect(queue.check().findings.map(\.kind) == [.incomplete])
    }

    @Test func theOwnerIsCheckedWhereItCanBeGivenBack() throws {
        guard Privileges.isRoot else { return }
        let queue = try QueueFixture()
        let id = try queue.message()
        try Files.changeOwner("\(queue.root)/incoming/\(id.text)", owner: 12345, group: 12345)
        let findings = queue.repair()
        #expect(findings.map(\.kind) == [.ownership])
        #expect(try Files.linkStatus(of: "\(queue.root)/incoming/\(id.text)").owner == Privileges.effectiveUser)
    }
}
