// The logs of recipients: bounce/ID, defer/ID, trace/ID in the queue directory. One file a message, one line a record.
//
// The form of a line is MailQueue.BounceLogFile's: a line that a crash tore is recognized and skipped. Records of the bounce and trace logs
// are durable when `append` returns (data synced, and the directory when the file is new); the defer log only informs and is not synced.
//
// Several bounce processes may work at a time: every change is made under flock(2) on the file, and a file that was removed while its lock
// was awaited is opened anew, so that no record goes into a file without a name.
//
// Security: the files are ours, but a sick disk may have changed them; what does not check is skipped and counted. Sizes are bounded.

import MailIPC
import MailModel
import MailQueue
import SystemKit

/// The blocking operations on logs; for a thread of its own.
struct BounceLogStore: Sendable {
    private let directories: QueueDirectories
    /// Nothing of ours is longer: 50,000 recipients with long diagnostics stay below it.
    static let sizeLimit = BounceLogFile.sizeLimit

    init(directories: QueueDirectories) { self.directories = directories }

    func path(_ log: BounceLog, _ id: QueueID) -> String {
        switch log {
        case .bounce: directories.path(.bounce, id)
        case .defer: directories.path(.defer, id)
        case .trace: directories.path(.trace, id)
        }
    }

    private func directory(_ log: BounceLog) -> String {
        switch log {
        case .bounce: directories.path(.bounce)
        case .defer: directories.path(.defer)
        case .trace: directories.path(.trace)
        }
    }

    /// Appends records. For each the reason why it may not be recorded, or nil when it is, durably where its log is durable.
    func append(_ records: [BounceRecord]) -> [SystemError?] {
        struct File: Hashable {
            var log: BounceLog
            var id: QueueID
        }
        var results = [SystemError?](repeating: nil, count: records.count)
        var changed: Set<BounceLog> = []
        for (file, indices) in Dictionary(grouping: records.indices, by: { File(log: records[$0].log, id: records[$0].queueID) }) {
            do {
                try append(indices.map { records[$0] }, to: path(file.log, file.id), log: file.log)
                changed.insert(file.log)
            } catch {
                for index in indices { results[index] = error }
            }
        }
        // Also where the files were there before: who made one may have died, or failed, before the directory was synced. Without changes
        // that costs next to nothing.
        for log in changed where log != .defer {
            do {
                try Files.synchronizeDirectory(directory(log))
            } catch {
                // The data is safe but perhaps not the name: none of this log's records counts.
                for index in records.indices where records[index].log == log { results[index] = results[index] ?? error }
            }
        }
        return results
    }

    /// Appends to one file. The directory is the caller's to sync.
    private func append(_ records: [BounceRecord], to path: String, log: BounceLog) throws(SystemError) {
        let lines = records.flatMap(BounceLogFile.line)
        while true {
            let file = try FileDescriptor.open(path, [.readWrite, .create, .append, .noFollow])
            try file.lockExclusive()
            let before = try file.status()
            // Removed while the lock was awaited: a record in it would be lost.
            guard try Files.exists(path), try Files.status(of: path).inode == before.inode else { continue }
            try file.writeAll(lines)
            if log == .defer {
                try compact(file, sizeBefore: before.size)
            } else {
                try file.synchronizeData()
            }
            return
        }
    }

    /// A message that is deferred again and again must not fill the disk: when the defer log passes a power of two, only the last record of
    /// each recipient is kept. A crash in between loses the log, which only informs.
    private func compact(_ file: borrowing FileDescriptor, sizeBefore: Int64) throws(SystemError) {
        let size = try file.status().size
        guard size > 65_536, size.leadingZeroBitCount != sizeBefore.leadingZeroBitCount else { return }
        let all = BounceLogFile.parse(try file.readWhole(size: size))
        let lines = all.records.flatMap(BounceLogFile.line)
        guard lines.count < Int(size) / 2 else { return }
        try file.truncate(to: 0)
        try file.writeAll(lines)
    }

    /// The records of a log; none where there is no log.
    func read(_ log: BounceLog, _ id: QueueID) throws(SystemError) -> BounceLogContents {
        let path = path(log, id)
        guard try Files.exists(path) else { return BounceLogContents() }
        let file = try FileDescriptor.open(path, [.readOnly, .noFollow])
        let bytes = try file.readWhole(size: try file.status().size)
        return BounceLogFile.parse(bytes)
    }

    /// Removes a log unless it has grown since it was read.
    func remove(_ log: BounceLog, _ id: QueueID, size: Int64) throws(SystemError) {
        let path = path(log, id)
        guard try Files.exists(path) else { return }
        let file = try FileDescriptor.open(path, [.readWrite, .noFollow])
        try file.lockExclusive()
        guard try file.status().size == size else { return }
        try unlinkIfPresent(path)
    }

    /// Removes every log of a message that is gone.
    func forget(_ id: QueueID) throws(SystemError) {
        for log in BounceLog.allCases { try unlinkIfPresent(path(log, id)) }
    }

    /// Those of some messages that are no file of the queue; a few at a time, so that appending does not wait.
    ///
    /// - Parameter untouched: only those whose log of this kind was not written to for so long, in microseconds before `now`.
    func withoutFile(_ log: BounceLog, _ ids: [QueueID], untouched: Int64 = 0, now: Int64 = 0) throws(SystemError) -> [QueueID] {
        var found: [QueueID] = []
        for id in ids {
            // Twice, because the file may be moved from one directory to the other between two looks.
            if try isQueued(id) { continue }
            if try isQueued(id) { continue }
            if untouched > 0 {
                guard try Files.exists(path(log, id)), now - (try Files.status(of: path(log, id)).modified) > untouched else { continue }
            }
            found.append(id)
        }
        return found
    }

    /// Removes the logs of messages that ``withoutFile(_:_:untouched:now:)`` has found, and that are gone; how many, and why one was not removed.
    ///
    /// A message is a file, or a record of a commit log that is not settled, or both, and changes from a record into a file, never back. So it is gone
    /// if it is no file, then no such record, then no file: the second look at the files finds what became one before the look at the records, or
    /// while their log began anew. What is gone does not come back while the machine lives, and after a power failure only with states at worst too
    /// old. No request for it comes any more, except one that was under way when qmgr died. A file that is torn, or in `corrupt`, counts.
    ///
    /// - Parameter recorded: the messages of all such records, read after the first look.
    func removeOrphans(_ log: BounceLog, _ ids: [QueueID], recorded: Set<QueueID>) throws(SystemError)
        -> (removed: Int, failure: SystemError?)
    {
        let gone = try withoutFile(log, ids.filter { !recorded.contains($0) })
        var failure: SystemError?
        var removed = 0
        for id in gone {
            // One that stays does not keep the others.
            do throws(SystemError) {
                try unlinkIfPresent(path(log, id))
                removed += 1
            } catch {
                failure = error
            }
        }
        return (removed, failure)
    }

    /// The messages that have a log.
    func ids(_ log: BounceLog) throws(SystemError) -> [QueueID] {
        try Files.directoryEntries(directory(log)).compactMap { QueueID($0) }
    }

    private func isQueued(_ id: QueueID) throws(SystemError) -> Bool {
        // Nearly all that have logs are deferred.
        for directory in [QueueDirectory.deferred, .incoming, .hold, .corrupt, .deferred]
        where try Files.exists(directories.path(directory, id)) {
            return true
        }
        return false
    }

    private func unlinkIfPresent(_ path: String) throws(SystemError) {
        do {
            try Files.unlink(path)
        } catch  where error.isNotFound {
            return
        }
    }
}

extension FileDescriptor {
    /// The first `size` octets, or an error where that is more than a log can have.
    fileprivate func readWhole(size: Int64) throws(SystemError) -> [UInt8] {
        guard size <= BounceLogStore.sizeLimit else { throw SystemError(errno: 27, operation: "read", object: "log of \(size) bytes") }
        var out: [UInt8] = []
        out.reserveCapacity(Int(size))
        while Int64(out.count) < size {
            let piece = try pread(upTo: Int(min(size - Int64(out.count), 1 << 20)), at: Int64(out.count))
            if piece.isEmpty { break }
            out += piece
        }
        return out
    }
}
