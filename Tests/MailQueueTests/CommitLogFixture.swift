// A queue directory with commit logs, for tests of them.

import MailIPC
import MailModel
import SystemKit
import Testing

@testable import MailQueue

/// A queue of its own, removed at the end.
final class CommitLogFixture {
    let directories: QueueDirectories
    private var made: Int64 = 0

    static let start: Int64 = 1_700_000_000_000_000
    static let size = 65_536

    init() throws {
        let root = "/tmp/martlet-commit-log-test-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0..<UInt64.max))"
        directories = QueueDirectories(root: root)
        try Files.makeDirectory(root)
        for name in ["incoming", "deferred", "hold", "corrupt", "commit"] { try Files.makeDirectory("\(root)/\(name)") }
    }

    deinit {
        for directory in (try? Files.directoryEntries(directories.root)) ?? [] {
            let path = "\(directories.root)/\(directory)"
            for entry in (try? Files.directoryEntries(path)) ?? [] { try? Files.unlink("\(path)/\(entry)") }
            try? Files.removeDirectory(path)
        }
        try? Files.removeDirectory(directories.root)
    }

    /// A queue file as cleanup has it before its commit; where it was made a file, its lock is let go.
    func write(_ content: String = "Subject: x\r\n\r\nbody\r\n", isHeld: Bool = false, isFile: Bool = true) throws -> CompletedQueueFile {
        made += 1
        let envelope = Envelope(
            sender: MailAddress("phil@sender.test"), recipients: [EnvelopeRecipient(MailAddress("matt@receiver.test"))],
            origin: .remoteSMTP, arrival: Self.start, isHeld: isHeld)
        let directory = directories.path(isHeld ? .hold : .incoming)
        let writer = QueueFileWriter(in: directory, envelope: envelope, now: Self.start + made, unique: 1)
        try writer.append(Array(content.utf8))
        var file = try writer.finish(contentFacts: [])
        if isFile { try file.makeFile() }
        file.close()
        return file
    }

    func acquire(size: Int = CommitLogFixture.size) throws -> CommitLogFile {
        try CommitLogFile.acquire(in: directories, size: size, now: Self.start)
    }

    /// A log with these in it, whose cleanup is gone.
    func leaveLog(with files: [CompletedQueueFile]) throws -> [CommitLogPlace] {
        var log = try acquire()
        defer { log.close() }
        return try log.put(files)
    }

    func recover() throws -> [QueueID] {
        let (recovered, problems) = try CommitLogRecovery(directories: directories, now: Self.start).run()
        #expect(problems.isEmpty)
        return recovered
    }

    /// The ids of the records that count.
    func records(_ number: UInt32 = 0) throws -> [QueueID] {
        let file = try FileDescriptor.open("\(directories.commit)/log.\(number)", [.readOnly])
        var found: [QueueID] = []
        try CommitLogReader(file.rawValue)?.forEach({ (record) throws(QueueFileError) in found.append(record.header.id) }, failure: { $0 })
        return found
    }

    func write(_ bytes: [UInt8], at offset: Int64, log number: UInt32 = 0) throws {
        let file = try FileDescriptor.open("\(directories.commit)/log.\(number)", [.writeOnly])
        try file.pwriteAll(bytes, at: offset)
    }

    func bytes(_ directory: QueueDirectory, _ id: QueueID) throws -> [UInt8]? {
        let path = directories.path(directory, id)
        return try Files.exists(path) ? try Files.contents(of: path) : nil
    }

    func plant(_ bytes: [UInt8], _ directory: QueueDirectory, _ id: QueueID) throws {
        let file = try FileDescriptor.open(directories.path(directory, id), [.writeOnly, .create, .truncate])
        try file.writeAll(bytes)
    }
}

extension CommitLogFile {
    /// As `append`, and where it was put.
    mutating func put(_ files: [CompletedQueueFile]) throws(SystemError) -> [CommitLogPlace] {
        let found = places(for: files)
        try append(files)
        return found
    }
}
