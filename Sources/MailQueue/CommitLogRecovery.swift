// What start-up does with commit logs that nobody has: after a power failure they have messages whose files are missing or torn.
//
// A record that is not settled and has no whole file is a message that was accepted, and is made a file again, byte for byte as cleanup wrote it.
// What was delivered in the last moments before the power failed may be delivered twice by that (ARCHITECTURE.md, "Commit log"). A log is
// emptied only when each of its messages is durable without it.
// cleanup and qmgr both do this at their start, one after the other: a log that is locked belongs to a cleanup that lives, and so to a kernel
// that still has all that was written.

public import MailModel
public import SystemKit

/// The recovery of a queue.
public struct CommitLogRecovery: Sendable {
    private let directories: QueueDirectories
    private let now: Int64

    /// - Parameter now: microseconds since 1970.
    public init(directories: QueueDirectories, now: Int64) {
        self.directories = directories
        self.now = now
    }

    /// Recovers all logs that nobody has. Blocks, also while another program does the same.
    ///
    /// - Returns: the messages that were made files again, and what went wrong, by log; such a log is left as it is.
    public func run() throws(SystemError) -> (recovered: [QueueID], problems: [String]) {
        var recovered: [QueueID] = []
        var problems: [String] = []
        let logs = try CommitLogRecovery.logs(directories)
        guard !logs.isEmpty else { return ([], []) }
        let turn = try FileDescriptor.open(
            "\(directories.commit)/\(CommitLogRecovery.otherNames[0])", [.writeOnly, .create, .noFollow], mode: 0o600)
        try giveToOwner(turn)
        try turn.lockExclusive()
        for number in logs {
            let path = "\(directories.commit)/\(CommitLogFile.name(number))"
            do {
                let file = try FileDescriptor.open(path, [.readWrite, .noFollow])
                guard try file.tryLockExclusive(), let reader = try CommitLogReader(file.rawValue) else { continue }
                recovered += try recover(reader)
            } catch {
                problems.append("\(path): \(error)")
            }
        }
        return (recovered, problems)
    }

    /// What stands beside the logs: a lock for those who recover, and a file that is being made again.
    public static let otherNames = ["lock", "draft"]

    /// What root makes, at the hand of an administrator, belongs to whom the queue belongs.
    private func giveToOwner(_ file: borrowing FileDescriptor) throws(SystemError) {
        guard Privileges.isRoot else { return }
        let status = try Files.status(of: directories.commit)
        try file.setOwner(status.owner, group: status.group)
    }

    /// The numbers of the logs that are there.
    static func logs(_ directories: QueueDirectories) throws(SystemError) -> [UInt32] {
        do throws(SystemError) {
            return try Files.directoryEntries(directories.commit).compactMap { number(ofName: $0) }.sorted()
        } catch {
            if error.isNotFound { return [] }
            throw error
        }
    }

    /// N of `log.N`; nil for other names.
    public static func number(ofName name: String) -> UInt32? {
        guard name.hasPrefix("log."), let number = UInt32(name.dropFirst(4)), CommitLogFile.name(number) == name else { return nil }
        return number
    }

    /// What is in a log that nobody has and in no whole file. Changes nothing.
    public func missing() throws(SystemError) -> [QueueID] {
        var found: [QueueID] = []
        for number in try CommitLogRecovery.logs(directories) {
            let file = try FileDescriptor.open("\(directories.commit)/\(CommitLogFile.name(number))", [.readOnly, .noFollow])
            guard try file.tryLockExclusive() else { continue }
            // A log that cannot be read is told of by whoever recovers it.
            try? CommitLogReader(file.rawValue)?.forEach(
                { (record) throws(QueueFileError) in
                    if try !isWhole(record), let reader = try CommitLogReader(file.rawValue), try !reader.isSettled(record.header.index) {
                        found.append(record.header.id)
                    }
                }, failure: { $0 })
        }
        return found
    }

    /// Recovers a log whose lock the caller has, and empties it.
    ///
    /// - Returns: the messages that were made files again.
    @discardableResult
    func recover(_ reader: CommitLogReader) throws -> [QueueID] {
        var recovered: [QueueID] = []
        var entries: [CommitLogRecordHeader] = []
        try reader.forEach(
            { (record) throws(any Error) in
                entries.append(record.header)
                if try isWhole(record) { return }
                // Asked after looking for the file: qmgr settles before it removes.
                if try reader.isSettled(record.header.index) { return }
                try restore(record)
                recovered.append(record.header.id)
            }, failure: { $0 })
        guard !entries.isEmpty else { return [] }
        try CommitLogSettlement(directories: directories, reader: reader).run(entries)
        _ = try CommitLogFile.beginGeneration(after: reader.header, of: reader.descriptor, now: now)
        return recovered
    }

    /// Whether the message is a file that can be delivered, or one that was set aside with all its bytes.
    private func isWhole(_ record: CommitLogRecord) throws(QueueFileError) -> Bool {
        for directory in CommitLogSettlement.places where try isWhole(directories.path(directory, record.header.id)) { return true }
        return false
    }

    private func isWhole(_ path: String) throws(QueueFileError) -> Bool {
        do throws(SystemError) {
            guard try Files.exists(path) else { return false }
        } catch {
            throw .system("\(error)")
        }
        do throws(QueueFileError) {
            let reader = try QueueFileReader(path: path)
            do throws(SystemError) { return try reader.verifyContent() } catch { throw .system("\(error)") }
        } catch .incomplete, .notAQueueFile {
            return false
        }
    }

    /// Makes the file again: under a name of the log's directory, and then at once whole in the place of what is left of it.
    private func restore(_ record: CommitLogRecord) throws(SystemError) {
        let id = record.header.id
        var place = record.header.directory
        for directory in [QueueDirectory.incoming, .hold, .deferred] where try Files.exists(directories.path(directory, id)) {
            place = directory
        }
        let draft = "\(directories.commit)/\(CommitLogRecovery.otherNames[1])"
        let file = try FileDescriptor.open(draft, [.writeOnly, .create, .truncate, .noFollow], mode: 0o600)
        try giveToOwner(file)
        try file.writeAll(record.file)
        try file.synchronizeData()
        try Files.rename(draft, directories.path(place, id))
    }
}
