// What qmgr knows of commit logs: in which of them a message is, so that it can read it there, make it a file, and settle the record.
//
// Without a settled record the message would come back: as a file when cleanup settles the log, or by the recovery after a power failure. A mark
// is one write of eight bytes, not synced: cleanup's next commit takes it to the disk with the batch.

public import MailIPC
public import MailModel
public import SystemKit

/// The records of messages that are still in the queue, of the present generation of each log.
public struct CommitLogMarks {
    private final class Log {
        let generation: UInt64
        let size: UInt64
        let descriptor: Int32
        var indices: [QueueID: UInt32] = [:]

        init(_ header: CommitLogHeader, descriptor: consuming FileDescriptor) {
            generation = header.generation
            size = header.size
            self.descriptor = descriptor.release()
        }

        func slot(_ index: UInt32) -> CommitLogSlot { CommitLogSlot(descriptor: descriptor, generation: generation, index: index) }

        deinit { _ = FileDescriptor(owning: descriptor) }
    }

    private let directories: QueueDirectories
    private var logs: [UInt32: Log] = [:]
    /// The messages of settled records that ``learn(makesFiles:)`` found last: a file of one in `incoming` was not removed before its qmgr died.
    public private(set) var finished: Set<QueueID> = []

    public init(directories: QueueDirectories) { self.directories = directories }

    /// cleanup has told where a message is.
    ///
    /// - Throws: where the log cannot be opened; the message is then not settled, and comes back after a power failure.
    public mutating func note(_ id: QueueID, at place: CommitLogPlace) throws(SystemError) {
        if let log = logs[place.log], log.generation >= place.generation {
            if log.generation == place.generation { log.indices[id] = place.index }
            return
        }
        // A new generation: everything of the one before is durable without the log.
        let path = "\(directories.commit)/\(CommitLogFile.name(place.log))"
        let file = try FileDescriptor.open(path, [.readWrite, .noFollow])
        // A notice that came late may be of a log that was larger than the one that has its name now.
        guard let header = try header(of: file), header.generation == place.generation else { return }
        let log = Log(header, descriptor: file)
        log.indices[id] = place.index
        logs[place.log] = log
    }

    /// Whether something was said of a record already, that its message is done, or a file: a notice of it came late.
    public func isSpokenFor(_ place: CommitLogPlace) throws(SystemError) -> Bool {
        guard let log = log(of: place) else { return false }
        return try log.slot(place.index).state() != .open
    }

    /// The queue file of a message that is in the log; nil where the log has it no more, and so it is a file.
    ///
    /// - Throws: where the log cannot be read.
    public func read(_ id: QueueID, at place: CommitLogPlace) throws(QueueFileError) -> [UInt8]? {
        guard let log = log(of: place) else { return nil }
        // While it was read, the log may have begun anew: then the checksum is wrong.
        let record = try CommitLogReader.record(
            place.index, of: place.generation, at: place.offset, in: log.descriptor, upTo: log.size)
        return record?.header.id == id ? record?.file : nil
    }

    /// Makes a message that is in the log alone a file in `incoming`, if nobody has. Not synced: the log has it until it is settled.
    ///
    /// - Throws: SystemError, QueueFileError; there may be a file or none, and cleanup makes it when it settles the log.
    public func materialize(_ id: QueueID, at place: CommitLogPlace) throws {
        guard let log = log(of: place) else { return }
        let slot = log.slot(place.index)
        try slot.locked {
            guard try slot.state() == .open else { return }
            guard let file = try read(id, at: place) else {
                // Where the log has begun anew, cleanup has made the file.
                let present = try FileDescriptor.borrowing(log.descriptor) { (file) throws(SystemError) -> CommitLogHeader? in
                    try header(of: file)
                }
                guard present?.generation != place.generation else {
                    throw QueueFileError.notAQueueFile("record \(place.index) of commit/\(CommitLogFile.name(place.log))")
                }
                return
            }
            _ = try CommitLogMessageFile.make(file, path: directories.path(.incoming, id))
            try slot.say(.filed)
        }
    }

    private func header(of file: borrowing FileDescriptor) throws(SystemError) -> CommitLogHeader? {
        do throws(QueueFileError) {
            return try CommitLogReader(file.rawValue)?.header
        } catch {
            throw SystemError(errno: 5, operation: "read", object: "commit log: \(error)")
        }
    }

    private func log(of place: CommitLogPlace) -> Log? {
        guard let log = logs[place.log], log.generation == place.generation else { return nil }
        return log
    }

    /// Settles the record of a message, if it has one. To be called before its file is removed.
    public mutating func settle(_ id: QueueID) throws(SystemError) {
        for log in logs.values {
            guard let index = log.indices[id] else { continue }
            try log.slot(index).say(.settled)
            log.indices[id] = nil
        }
    }

    /// Says that the file of a message, if it has a record, is not made from the record any more. To be called before it leaves `incoming`.
    public func leave(_ id: QueueID) throws {
        for log in logs.values {
            guard let index = log.indices[id] else { continue }
            let slot = log.slot(index)
            try slot.locked {
                // What could not be made a file is still to be made one.
                if try Files.exists(directories.path(.incoming, id)) { try slot.say(.filed) }
            }
        }
    }

    /// Reads the logs: at start, and where a message is found of which no notice came.
    ///
    /// - Parameter makesFiles: what is in a log of a living cleanup alone becomes a file: no notice will tell of it again.
    /// - Returns: what went wrong, by log.
    public mutating func learn(makesFiles: Bool = false) -> [String] {
        var problems: [String] = []
        finished = []
        do throws(SystemError) {
            let logs = try CommitLogRecovery.logs(directories)
            guard !logs.isEmpty else { return [] }
            // Whoever has the turn looks whether logs are locked.
            let turn: FileDescriptor? = makesFiles ? try CommitLogRecovery.takeTurn(directories) : nil
            for number in logs {
                let path = "\(directories.commit)/\(CommitLogFile.name(number))"
                do {
                    let file = try FileDescriptor.open(path, [.readOnly, .noFollow])
                    let isOwned = makesFiles ? try !file.tryLockExclusive() : false
                    guard let reader = try CommitLogReader(file.rawValue) else { continue }
                    try reader.forEach(
                        { (record) throws(any Error) in
                            if try reader.isSettled(record.header.index) {
                                finished.insert(record.header.id)
                                return
                            }
                            let place = CommitLogPlace(
                                log: number, generation: reader.header.generation, index: record.header.index, offset: record.offset)
                            try note(record.header.id, at: place)
                            // A log that nobody has is for recovery.
                            guard isOwned else { return }
                            do {
                                if try !hasLeft(record.header.id) { try materialize(record.header.id, at: place) }
                            } catch {
                                problems.append("\(path): \(record.header.id): \(error)")
                            }
                        }, failure: { $0 })
                } catch {
                    problems.append("\(path): \(error)")
                }
            }
            _ = consume turn
        } catch {
            problems.append("\(error)")
        }
        return problems
    }

    /// Whether a message is a file that is in `incoming` no more.
    private func hasLeft(_ id: QueueID) throws(SystemError) -> Bool {
        for directory in CommitLogSettlement.places where directory != .incoming {
            if try Files.exists(directories.path(directory, id)) { return true }
        }
        return false
    }
}
