// Finds one message in the commit logs, for who looks at the queue from outside: most messages that are being delivered are nowhere else.

public import MailModel
public import SystemKit

public enum CommitLogLookup {
    /// The queue file of a message that is in a log and not done, in memory; nil where no log has it.
    ///
    /// - Throws: where the logs cannot be read. What another version of Martlet wrote counts as nothing.
    public static func file(of id: QueueID, in directories: QueueDirectories) throws(SystemError) -> FileDescriptor? {
        for number in try CommitLogRecovery.logs(directories) {
            let log = try FileDescriptor.open("\(directories.commit)/\(CommitLogFile.name(number))", [.readOnly, .noFollow])
            var found: [UInt8]?
            // A log that begins anew meanwhile has a message less, or one more.
            guard let reader = try? CommitLogReader(log.rawValue) else { continue }
            try? reader.forEach(
                { (record) throws(QueueFileError) in
                    if record.header.id == id, try !reader.isSettled(record.header.index) { found = record.file }
                }, failure: { $0 })
            if let found { return try SealedMemory.make(id.text, found) }
        }
        return nil
    }

    /// The messages of all records that are not settled, whether they are files or not; also behind damaged records, as the recovery has it.
    ///
    /// - Throws: SystemError, QueueFileError: where a log cannot be read, nobody knows what is in it.
    public static func unsettled(in directories: QueueDirectories) throws -> Set<QueueID> {
        var found: Set<QueueID> = []
        for number in try CommitLogRecovery.logs(directories) {
            let log = try FileDescriptor.open("\(directories.commit)/\(CommitLogFile.name(number))", [.readOnly, .noFollow])
            // Without a header there is nothing to be found.
            guard let reader = try CommitLogReader(log.rawValue) else { continue }
            try reader.forEach(
                { (record) throws(QueueFileError) in
                    if try !reader.isSettled(record.header.index) { found.insert(record.header.id) }
                }, failure: { $0 }, damaged: { _ in })
        }
        return found
    }
}
