// Makes messages durable without the commit log that they are in: what is in the log alone becomes a file, what is a file is synced, and
// then the directories.
//
// After that the log is not needed for them any more: a file that is not there was removed by qmgr, which the directories now say durably, too.
// After a sync that failed the kernel takes for clean what never came to the disk, and the next sync succeeds without it. So all that never
// changes in an accepted file is then written again from the log before files are synced; what qmgr marks in them is left as it is.

import MailModel
import SystemKit

/// A record as the cleanup that wrote it knows it.
struct CommitLogEntry: Sendable {
    let header: CommitLogRecordHeader
    /// Where in the log it begins.
    let offset: UInt64
    /// Somebody has made the file already; it is not made from the record, whatever became of it.
    var isFile: Bool
}

/// The settling of one log.
struct CommitLogSettlement {
    let directories: QueueDirectories
    let reader: CommitLogReader

    /// Descriptors open at a time.
    private static let batch = 64
    /// Where a message may be; it moves from the front to the back of this list, except when it is released from `hold`.
    static let places: [QueueDirectory] = [.incoming, .deferred, .hold, .corrupt]
    /// How often a message is looked for that is nowhere and not settled: one that is held and released may have moved each time from a
    /// place that was not looked at yet to one that was.
    static let searches = 16

    func run(_ entries: [CommitLogEntry]) throws {
        var open: [Int32] = []
        defer { for descriptor in open { _ = FileDescriptor(owning: descriptor) } }
        func synchronize() throws(SystemError) {
            for case let error? in Durability.synchronizeData(open) { throw error }
            for descriptor in open { _ = FileDescriptor(owning: descriptor) }
            open = []
        }
        var problem: (any Error)?
        for entry in entries {
            do {
                guard let descriptor = try descriptor(of: entry) else { continue }
                open.append(descriptor)
            } catch {
                // The others do not wait for this one.
                problem = problem ?? error
            }
            if open.count == CommitLogSettlement.batch { try synchronize() }
        }
        try synchronize()
        if let problem { throw problem }
        try CommitLogSettlement.synchronizeNames(directories)
    }

    /// The file that is to be synced; nil where the message needs none.
    private func descriptor(of entry: CommitLogEntry) throws -> Int32? {
        switch try reader.slot(entry.header.index).state() {
        // It may be there all the same: qmgr died before the removal, and its successor finds the message. Most are not, and one look costs as
        // much as a sixth of making the file: it is for `incoming`. In `deferred` such a file may be torn by a power failure; its
        // message was done.
        case .settled: return try openFile(entry.header, in: .incoming)
        // One that is nowhere, and not settled, should have become a file, and could not.
        case .filed: return try findFile(entry.header, [.readOnly, .noFollow]) ?? makeFile(entry, while: .filed)
        // One that is nowhere was removed: by qmgr, or by an administrator's hand.
        case .open where entry.isFile: return try findFile(entry.header, [.readOnly, .noFollow])
        case .open: return try makeFile(entry, while: .open) ?? findFile(entry.header, [.readOnly, .noFollow])
        }
    }

    /// Makes a file of a message that is in the log alone (CommitLogSlot); nil where qmgr has made one, or the message is done.
    private func makeFile(_ entry: CommitLogEntry, while expected: CommitLogSlot.State) throws -> Int32? {
        let slot = reader.slot(entry.header.index)
        let path = directories.path(.incoming, entry.header.id)
        let made: Int32? = try slot.locked {
            guard try slot.state() == expected else { return nil }
            let found = try CommitLogReader.record(
                entry.header.index, of: reader.header.generation, at: entry.offset, in: reader.descriptor, upTo: reader.header.size)
            guard let found else { throw QueueFileError.notAQueueFile("record \(entry.header.index) of the log") }
            return try CommitLogMessageFile.make(found.file, path: path).release()
        }
        guard let made else { return nil }
        // qmgr settles without the lock, and then removes what it finds. Either it finds this file, or it has settled before this look.
        let file = FileDescriptor(owning: made)
        guard try slot.state() == .settled else { return file.release() }
        do throws(SystemError) { try Files.unlink(path) } catch { if !error.isNotFound { throw error } }
        return nil
    }

    /// Writes again what a failed sync may have left in memory alone.
    func rewrite() throws {
        try reader.forEach(
            { (record) throws(any Error) in
                guard try !reader.isSettled(record.header.index),
                    let descriptor = try findFile(record.header, [.readWrite, .noFollow])
                else { return }
                let file = FileDescriptor(owning: descriptor)
                var start = 0
                for position in changing(in: file) + [record.file.count] {
                    try file.pwriteAll(record.file[start..<position], at: Int64(start))
                    start = position + 1
                }
            }, failure: { $0 })
    }

    /// Where qmgr writes in a file; nowhere where it is not one that qmgr can read.
    private func changing(in file: borrowing FileDescriptor) -> [Int] {
        do {
            let reader = try QueueFileReader(owning: try file.duplicate())
            return [QueueFileHeader.delayNoticeOffset] + reader.stateOffsets.map(Int.init)
        } catch {
            return []
        }
    }

    private func openFile(
        _ entry: CommitLogRecordHeader, in directory: QueueDirectory, _ flags: OpenFlags = [.readOnly, .noFollow]
    ) throws(SystemError) -> Int32? {
        do throws(SystemError) {
            // What is written through one descriptor is synced through any.
            return try FileDescriptor.open(directories.path(directory, entry.id), flags).release()
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    private func findFile(_ entry: CommitLogRecordHeader, _ flags: OpenFlags) throws -> Int32? {
        for _ in 0..<CommitLogSettlement.searches {
            for directory in CommitLogSettlement.places {
                if let found = try openFile(entry, in: directory, flags) { return found }
            }
            if try reader.isSettled(entry.index) { return nil }
        }
        return nil
    }

    static func synchronizeNames(_ directories: QueueDirectories) throws(SystemError) {
        for directory in [QueueDirectory.incoming, .deferred, .hold, .corrupt] {
            do throws(SystemError) {
                try Files.synchronizeDirectory(directories.path(directory))
            } catch {
                // A directory that is not there has no names.
                if !error.isNotFound { throw error }
            }
        }
    }
}
