// Makes messages durable without the commit log that they are in: what is still a file is synced, and then the directories.
//
// After that the log is not needed for them any more: a file that is not there was removed by qmgr, which the directories now say durably, too.

import MailModel
import SystemKit

/// The settling of one log.
struct CommitLogSettlement {
    let directories: QueueDirectories
    let reader: CommitLogReader

    /// Descriptors open at a time.
    private static let batch = 64
    /// Where a message may be; it moves from the front to the back of this list, except when it is released from `hold`.
    static let places: [QueueDirectory] = [.incoming, .deferred, .hold, .deferred, .corrupt]

    func run(_ entries: [CommitLogRecordHeader]) throws {
        var open: [Int32] = []
        defer { for descriptor in open { _ = FileDescriptor(owning: descriptor) } }
        func synchronize() throws(SystemError) {
            for case let error? in Durability.synchronizeData(open) { throw error }
            for descriptor in open { _ = FileDescriptor(owning: descriptor) }
            open = []
        }
        for entry in entries where try !reader.isSettled(entry.index) {
            // One that is nowhere was removed: by qmgr a moment ago, or by an administrator's hand.
            guard let descriptor = try openFile(entry) else { continue }
            open.append(descriptor)
            if open.count == CommitLogSettlement.batch { try synchronize() }
        }
        try synchronize()
        try CommitLogSettlement.synchronizeNames(directories)
    }

    private func openFile(_ entry: CommitLogRecordHeader) throws(SystemError) -> Int32? {
        for directory in CommitLogSettlement.places {
            do throws(SystemError) {
                // What is written through one descriptor is synced through any.
                return try FileDescriptor.open(directories.path(directory, entry.id), [.readOnly, .noFollow]).release()
            } catch {
                if !error.isNotFound { throw error }
            }
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
