// One commit log, as the cleanup that writes it has it.
//
// A batch of messages is durable when one write and one fdatasync of the log are done: content, envelope and the name of each message are in
// it. No file is made: most messages are delivered before the log is full. What is left then becomes a file, synced (`settle`), and the log begins
// anew; after a power failure, or the death of cleanup, recovery does that (CommitLogRecovery).
// A file of the log is written by one cleanup, which has it locked; qmgr writes the slots.

public import MailIPC
public import MailModel
import Synchronization
public import SystemKit

/// A log and what is in it. A value: whoever holds it last closes its descriptor.
public struct CommitLogFile: Sendable {
    /// N of `log.N`.
    public let number: UInt32
    public let path: String
    /// Open for reading and writing, and locked.
    let descriptor: Int32
    private var header: CommitLogHeader
    private var entries = Entries()
    private var count = 0
    private var end: UInt64

    /// Nothing is in it.
    public var isEmpty: Bool { count == 0 }
    var generation: UInt64 { header.generation }
    /// A file could not be synced: the kernel may take for clean what is not on the disk.
    var distrustsFiles = false

    /// The records of the present generation. One list for all copies of the value, which goes from thread to thread with each batch: copied each time it
    /// was a tenth of cleanup.
    private final class Entries: Sendable {
        let list = Mutex<[CommitLogEntry]>([])
    }

    private init(number: UInt32, path: String, descriptor: Int32, header: CommitLogHeader) {
        self.number = number
        self.path = path
        self.descriptor = descriptor
        self.header = header
        end = header.firstRecord
    }

    public static func name(_ number: UInt32) -> String { "log.\(number)" }

    /// A log that nobody else has: one that is there, or a new one. Recovers what the last owner of the file may have left in it. Blocks.
    ///
    /// - Parameters:
    ///   - size: of each log; rounded up to whole pages.
    ///   - now: microseconds since 1970.
    /// - Throws: SystemError, or QueueFileError for a log that cannot be read.
    public static func acquire(in directories: QueueDirectories, size: Int, now: Int64) throws -> CommitLogFile {
        let size = CommitLogHeader.aligned(UInt64(clamping: size))
        let turn = try CommitLogRecovery.takeTurn(directories)
        for number in 0..<mostLogs {
            let path = "\(directories.commit)/\(name(number))"
            guard let (descriptor, header) = try take(path, size: size, directories, now: now) else { continue }
            return CommitLogFile(number: number, path: path, descriptor: descriptor, header: header)
        }
        _ = consume turn
        throw SystemError(errno: 11, operation: "lock", object: "\(directories.commit)/log.*")
    }

    /// The log of a name, ready to be written to; nil where somebody else has it. The caller has the turn.
    private static func take(
        _ path: String, size: UInt64, _ directories: QueueDirectories, now: Int64
    ) throws -> (Int32, CommitLogHeader)? {
        var header = CommitLogHeader(size: size, generation: UInt64(clamping: now))
        if let found = try open(path) {
            let file = FileDescriptor(owning: found)
            guard try file.tryLockExclusive() else { return nil }
            let log = try CommitLogReader(file.rawValue)
            // It is for recovery, which tells of it.
            if let damage = try CommitLogReader.damage(log, in: file) { throw QueueFileError.notAQueueFile("\(path): \(damage)") }
            if let reader = log {
                try CommitLogRecovery(directories: directories, now: now).recover(reader)
                // Also where it was empty: the header, and the name, may not have been synced by who wrote them.
                header.generation = try beginGeneration(after: reader.header, of: file.rawValue, now: now).generation
                if reader.header.size == size {
                    try Files.synchronizeDirectory(directories.commit)
                    return (file.release(), header)
                }
                header.generation += 1
            }
            // Another file, not this one with another size: qmgr has descriptors of it, and writes where its slots were.
        }
        return (try make(path, header, directories), header)
    }

    /// A new log in the place of what may be there. It gets the name when all of it is durable: whatever has the name and is less was damaged
    /// (CommitLogReader.damage). The caller has the turn, and so the draft.
    private static func make(_ path: String, _ header: CommitLogHeader, _ directories: QueueDirectories) throws(SystemError) -> Int32 {
        let draft = try CommitLogDraft.begin(directories, .readWrite)
        guard try draft.tryLockExclusive() else { throw SystemError.locked(path) }
        try fill(draft, header)
        try Files.rename(CommitLogDraft.path(directories), path)
        try Files.synchronizeDirectory(directories.commit)
        return draft.release()
    }

    private static func open(_ path: String) throws(SystemError) -> Int32? {
        do throws(SystemError) {
            return try FileDescriptor.open(path, [.readWrite, .noFollow]).release()
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// More logs than that are a mistake, not load.
    private static let mostLogs: UInt32 = 64

    /// Microseconds between two pieces of a new log.
    private static let longestPause: Int64 = 50_000

    /// Writes all of a new log, so that each block has its place; the header last, when all of it is there.
    private static func fill(_ file: borrowing FileDescriptor, _ header: CommitLogHeader) throws(SystemError) {
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var position = CommitLogHeader.pageSize
        while position < header.size {
            let count = min(UInt64(zeros.count), header.size - position)
            let start = SystemClock.monotonic()
            try file.pwriteAll(zeros.prefix(Int(count)), at: Int64(position))
            // Bit by bit: a commit of the file system's journal, for which others wait, waits for all that was written and is not on the disk. And half
            // of the time is theirs.
            try file.synchronizeData()
            SystemClock.pause(microseconds: min(SystemClock.monotonic() - start, longestPause))
            position += count
        }
        try file.pwriteAll(header.encoded, at: 0)
        try file.synchronizeData()
    }

    /// How many of these files, from the first on, fit into the log.
    public func room(for files: [CompletedQueueFile]) -> Int {
        var position = end
        var count = 0
        for file in files {
            guard let bytes = file.bytes, self.count + count < Int(header.slots) else { break }
            position += UInt64(CommitLogRecordHeader.size + bytes.count)
            guard position <= header.size else { break }
            count += 1
        }
        return count
    }

    /// Where ``append(_:)`` will put files that ``room(for:)`` has found to fit.
    public func places(for files: [CompletedQueueFile]) -> [CommitLogPlace] {
        var offset = end
        return files.enumerated().map { position, file in
            defer { offset += UInt64(CommitLogRecordHeader.size + (file.bytes?.count ?? 0)) }
            return CommitLogPlace(log: number, generation: header.generation, index: UInt32(count + position), offset: offset)
        }
    }

    /// Makes files durable that ``room(for:)`` has found to fit, all together. Blocks.
    ///
    /// - Throws: they may be in the log or not, and the log is not to be written to any more before it was settled. What is to be made of them
    ///   is said by ``disown(_:)``.
    public mutating func append(_ files: [CompletedQueueFile]) throws(SystemError) {
        var batch: [UInt8] = []
        batch.reserveCapacity(files.reduce(4096) { $0 + CommitLogRecordHeader.size + ($1.bytes?.count ?? 0) })
        var records: [CommitLogEntry] = []
        for file in files {
            let bytes = file.bytes ?? []
            let record = CommitLogRecordHeader(
                generation: header.generation, index: UInt32(count), id: file.id, directory: file.directory,
                length: UInt32(bytes.count))
            records.append(CommitLogEntry(header: record, offset: end + UInt64(batch.count), isFile: file.isFile))
            batch.append(contentsOf: record.encoded(with: bytes))
            batch.append(contentsOf: bytes)
            count += 1
        }
        entries.list.withLock { $0.append(contentsOf: records) }
        let (length, position) = (CommitLogHeader.aligned(UInt64(batch.count)), end)
        // Whole pages: of a page that is written in part the rest would have to be read.
        batch.append(contentsOf: repeatElement(0, count: min(Int(length), Int(header.size - position)) - batch.count))
        end = position + length
        try FileDescriptor.borrowing(descriptor) { [batch] file throws(SystemError) in
            try file.pwriteAll(batch, at: Int64(position))
            try file.synchronizeData()
            // Without its name nobody would find it.
            if try file.status().links == 0 { throw SystemError(errno: 2, operation: "sync", object: path) }
        }
    }

    /// After an ``append(_:)`` that failed: files that were made durable without the log, and messages that were refused. No file is made of either.
    public func disown(_ files: [(id: QueueID, isAccepted: Bool)]) {
        let slots = entries.list.withLock { list in
            files.compactMap { file -> CommitLogSlot? in
                guard let position = list.lastIndex(where: { $0.header.id == file.id }) else { return nil }
                list[position].isFile = true
                return file.isAccepted
                    ? nil : CommitLogSlot(descriptor: descriptor, generation: generation, index: list[position].header.index)
            }
        }
        // Where this fails, too, and cleanup dies before it has settled the log, the message comes although its client was told to try
        // again: twice, not zero times.
        for slot in slots { try? slot.say(.settled) }
    }

    /// Makes everything in the log durable without it, and empties it. Blocks.
    ///
    /// - Throws: the log keeps what it has then, and must not be written to; it can be settled again.
    public mutating func settle(_ directories: QueueDirectories, now: Int64) throws {
        guard let reader = try CommitLogReader(descriptor) else { throw QueueFileError.notAQueueFile("\(path): header") }
        // Another one stands there after a try whose last sync failed: everything was settled then.
        if reader.header.generation == header.generation {
            let settlement = CommitLogSettlement(directories: directories, reader: reader)
            if distrustsFiles { try settlement.rewrite() }
            distrustsFiles = true
            try settlement.run(entries.list.withLock { $0 })
            distrustsFiles = false
        }
        header = try CommitLogFile.beginGeneration(after: header, of: descriptor, now: now)
        entries = Entries()
        count = 0
        end = header.firstRecord
    }

    /// Empties a log: the present generation's records count no more, durably.
    static func beginGeneration(after header: CommitLogHeader, of descriptor: Int32, now: Int64) throws(SystemError) -> CommitLogHeader {
        var next = header
        next.generation = max(header.generation + 1, UInt64(clamping: now))
        try FileDescriptor.borrowing(descriptor) { [next] file throws(SystemError) in
            try file.pwriteAll(next.encoded, at: 0)
            try file.synchronizeData()
        }
        return next
    }

    /// Gives the log up: it is unlocked, and recovered by the next who takes it where something is left in it.
    public func close() { _ = FileDescriptor(owning: descriptor) }
}
