// Every change that the queue manager makes to the queue on disk, one function each. ARCHITECTURE.md, "State table", argues them.

import MailModel
import MailQueue
import SystemKit

/// What a file tells about its message.
struct StoredMessage: Sendable {
    var header: QueueFileHeader
    var envelope: Envelope
    var states: [RecipientState]
    var stateOffsets: [UInt64]
}

/// The queue directory of this instance.
struct QueueFiles: Sendable {
    let directories: QueueDirectories

    /// Microseconds.
    private static let graceOfEmptyFiles: Int64 = 10_000_000

    /// What a file in `incoming` is that nobody told of.
    enum Finding: Hashable, Sendable {
        case message
        /// Its writer is alive and has it locked.
        case beingWritten
        /// Its writer died before the message was accepted; it was removed.
        case removed
        case gone
    }

    func path(_ directory: QueueDirectory, _ id: QueueID) -> String { directories.path(directory, id) }

    func load(_ id: QueueID, in directory: QueueDirectory) throws(QueueFileError) -> StoredMessage {
        let reader = try QueueFileReader(path: path(directory, id))
        return StoredMessage(header: reader.header, envelope: reader.envelope, states: reader.states, stateOffsets: reader.stateOffsets)
    }

    /// Looks at a file in `incoming` (S1 to S3 of the state table).
    ///
    /// A writer locks its file at once after creating it, and makes another when it finds it unlinked then; so a file that can be locked
    /// here and is incomplete has no writer that could still complete it under this name. An empty one is given a while all the same: its
    /// writer may be between the two calls.
    func inspectIncoming(_ id: QueueID, now: Int64) throws(QueueFileError) -> Finding {
        let path = path(.incoming, id)
        do {
            // The lock of the writer is on the file, not on its descriptor: a second opening is refused it.
            let lock = try FileDescriptor.open(path, [.readOnly, .noFollow])
            guard try lock.tryLockExclusive() else { return .beingWritten }
            guard try isIncomplete(path) else { return .message }
            let status = try lock.status()
            if status.size == 0 && now - status.modified < QueueFiles.graceOfEmptyFiles { return .beingWritten }
            try Files.unlink(path)
            return .removed
        } catch let error as QueueFileError {
            throw error
        } catch let error as SystemError where error.isNotFound {
            return .gone
        } catch {
            throw .system("\(error)")
        }
    }

    private func isIncomplete(_ path: String) throws(QueueFileError) -> Bool {
        do throws(QueueFileError) {
            _ = try QueueFileReader(path: path)
            return false
        } catch .incomplete {
            return true
        }
    }

    /// Writes state bytes of recipients in place (S4, S5). Not synced: what is lost with the power is tried again (window D2).
    func mark(_ changes: [(offset: UInt64, state: RecipientState)], path: String) throws(SystemError) {
        guard !changes.isEmpty else { return }
        let file = try FileDescriptor.open(path, [.writeOnly, .noFollow])
        for (offset, state) in changes { try file.pwriteAll([state.rawValue], at: Int64(offset)) }
    }

    /// To `deferred`, due at `time` (S8): first the time, then the name, so that a crash between leaves a message that is due at once at
    /// worst.
    func postpone(_ id: QueueID, from directory: QueueDirectory, until time: Int64) throws(SystemError) {
        try Files.setTimes(path(directory, id), modified: time)
        if directory != .deferred { try directories.move(id, from: directory, to: .deferred) }
    }

    func move(_ id: QueueID, from: QueueDirectory, to: QueueDirectory) throws(SystemError) {
        try directories.move(id, from: from, to: to)
    }

    /// When a deferred message is due; nil where the file is gone.
    func dueTime(_ id: QueueID) throws(SystemError) -> Int64? {
        do { return try Files.linkStatus(of: path(.deferred, id)).modified } catch  where error.isNotFound { return nil }
    }
}
