// What qmgr knows of commit logs: in which of them a message is, so that it can settle the record before it removes the file.
//
// Without a settled record the recovery after a power failure, or after the death of cleanup, would bring a message back that was delivered. The mark
// is one write of eight bytes, not synced: cleanup's next commit takes it to the disk with the batch.

public import MailIPC
public import MailModel
public import SystemKit

/// The records of messages that are still in the queue, of the present generation of each log.
public struct CommitLogMarks {
    private final class Log {
        let generation: UInt64
        let descriptor: Int32
        var indices: [QueueID: UInt32] = [:]

        init(generation: UInt64, descriptor: consuming FileDescriptor) {
            self.generation = generation
            self.descriptor = descriptor.release()
        }

        deinit { _ = FileDescriptor(owning: descriptor) }
    }

    private let directories: QueueDirectories
    private var logs: [UInt32: Log] = [:]

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
        guard let header = try? CommitLogReader(file.rawValue)?.header, header.generation == place.generation else { return }
        let log = Log(generation: place.generation, descriptor: file)
        log.indices[id] = place.index
        logs[place.log] = log
    }

    /// Settles the record of a message, if it has one. To be called before its file is removed.
    public mutating func settle(_ id: QueueID) throws(SystemError) {
        for log in logs.values {
            guard let index = log.indices.removeValue(forKey: id) else { continue }
            let mark = withUnsafeBytes(of: log.generation.littleEndian) { Array($0) }
            try FileDescriptor.borrowing(log.descriptor) { file throws(SystemError) in
                try file.pwriteAll(mark, at: CommitLogHeader.slotOffset(index))
            }
        }
    }

    /// Reads the logs: at start, and where a message is found of which no notice came.
    ///
    /// - Returns: what went wrong, by log.
    public mutating func learn() -> [String] {
        var problems: [String] = []
        do throws(SystemError) {
            for number in try CommitLogRecovery.logs(directories) {
                let path = "\(directories.commit)/\(CommitLogFile.name(number))"
                do {
                    let file = try FileDescriptor.open(path, [.readOnly, .noFollow])
                    guard let reader = try CommitLogReader(file.rawValue) else { continue }
                    try reader.forEach(
                        { (record) throws(any Error) in
                            guard try !reader.isSettled(record.header.index) else { return }
                            let place = CommitLogPlace(log: number, generation: reader.header.generation, index: record.header.index)
                            try note(record.header.id, at: place)
                        }, failure: { $0 })
                } catch {
                    problems.append("\(path): \(error)")
                }
            }
        } catch {
            problems.append("\(error)")
        }
        return problems
    }
}
