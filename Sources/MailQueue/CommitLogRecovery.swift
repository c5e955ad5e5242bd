// What start-up does with commit logs that nobody has: after a power failure they have messages whose files are missing or torn.
//
// A record that is not settled and has no whole file is a message that was accepted, and is made a file again, byte for byte as cleanup wrote it.
// What was delivered in the last moments before the power failed may be delivered twice by that (ARCHITECTURE.md, "Commit log"). A log is
// emptied only when each of its messages is durable without it.
// cleanup and qmgr both do this at their start, one after the other: whoever tries the lock of a log has the turn, so that a log that is locked
// belongs to a cleanup that lives, and so to a kernel that still has all that was written.
// Security: root does this too, at the hand of an administrator, in a directory of the mail owner's: no file that is there is written to.

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
    /// - Returns: the messages that were made files again, and what went wrong, by log.
    public func run() throws(SystemError) -> (recovered: [QueueID], problems: [String]) {
        var recovered: [QueueID] = []
        var problems: [String] = []
        let logs = try CommitLogRecovery.logs(directories)
        guard !logs.isEmpty else { return ([], []) }
        let turn = try CommitLogRecovery.takeTurn(directories)
        for number in logs {
            let path = "\(directories.commit)/\(CommitLogFile.name(number))"
            do {
                let file = try FileDescriptor.open(path, [.readWrite, .noFollow])
                guard try file.tryLockExclusive() else { continue }
                let reader = try CommitLogReader(file.rawValue)
                let damage = try CommitLogReader.damage(reader, in: file)
                if let damage { problems.append("\(path): \(damage)") }
                if let reader {
                    try recover(reader) {
                        recovered.append($0)
                    } damaged: {
                        problems.append("\(path): \(CommitLogReader.damage(record: $0))")
                    }
                }
                // What can be read of it is safe: told of once, and out of the way of a whole one.
                if damage != nil { try Files.rename(path, "\(directories.path(.corrupt))/\(CommitLogFile.name(number)).\(now)") }
            } catch {
                problems.append("\(path): \(error)")
            }
        }
        _ = consume turn
        return (recovered, problems)
    }

    /// The turn of one who looks whether logs are locked, until the descriptor is closed. Blocks.
    static func takeTurn(_ directories: QueueDirectories) throws(SystemError) -> FileDescriptor {
        let turn = try FileDescriptor.open(directories.commit, [.readOnly, .directory, .noFollow])
        try turn.lockExclusive()
        return turn
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

    /// What is in a log that nobody has and in no whole file, what is left of messages that were done, and what is wrong with which log. Changes nothing.
    public func inspect() throws(SystemError) -> (missing: [QueueID], leftovers: [QueueID], damages: [(log: String, text: String)]) {
        var (missing, leftovers): ([QueueID], [QueueID]) = ([], [])
        var damages: [(log: String, text: String)] = []
        let logs = try CommitLogRecovery.logs(directories)
        guard !logs.isEmpty else { return ([], [], []) }
        let turn = try CommitLogRecovery.takeTurn(directories)
        for number in logs {
            let name = CommitLogFile.name(number)
            let file = try FileDescriptor.open("\(directories.commit)/\(name)", [.readOnly, .noFollow])
            guard try file.tryLockExclusive() else { continue }
            do {
                let log = try CommitLogReader(file.rawValue)
                if let damage = try CommitLogReader.damage(log, in: file) { damages.append((name, damage)) }
                guard let reader = log else { continue }
                try reader.forEach(
                    { (record) throws(QueueFileError) in
                        switch try state(of: record, in: reader) {
                        case .missing: missing.append(record.header.id)
                        case .settled: if try !remains(of: record.header.id).isEmpty { leftovers.append(record.header.id) }
                        case .whole: break
                        }
                    }, failure: { $0 }, damaged: { damages.append((name, CommitLogReader.damage(record: $0))) })
            } catch {
                damages.append((name, "\(error)"))
            }
        }
        _ = consume turn
        return (missing, leftovers, damages)
    }

    /// Recovers a log whose lock the caller has, in its turn, and empties it.
    ///
    /// - Throws: when all that can be recovered is; the log is not emptied then.
    func recover(
        _ reader: CommitLogReader, _ note: (QueueID) -> Void = { _ in }, damaged: @escaping (UInt32) -> Void = { _ in }
    ) throws {
        var entries: [CommitLogEntry] = []
        var problem: (any Error)?
        try reader.forEach(
            { (record) throws(any Error) in
                // What is to be made a file is one then.
                entries.append(CommitLogEntry(header: record.header, offset: record.offset, isFile: true))
                do {
                    switch try state(of: record, in: reader) {
                    // Done, and not removed before qmgr died, or made a file at the same moment (CommitLogSettlement).
                    case .whole: if try reader.isSettled(record.header.index) { try remove(record.header.id, .incoming) }
                    // Torn, it could still be taken for a message. Without its content it is none, and it was done.
                    case .settled: for directory in try remains(of: record.header.id) { try remove(record.header.id, directory) }
                    case .missing: if try restore(record, in: reader) { note(record.header.id) }
                    }
                } catch {
                    // The others do not wait for this one.
                    problem = problem ?? error
                }
            }, failure: { $0 }, damaged: damaged)
        if let problem { throw problem }
        guard !entries.isEmpty else { return }
        try CommitLogSettlement(directories: directories, reader: reader).run(entries)
        _ = try CommitLogFile.beginGeneration(after: reader.header, of: reader.descriptor, now: now)
    }

    private enum State {
        /// The message is a file that can be delivered, or one that was set aside with all its bytes.
        case whole
        case settled
        case missing
    }

    private func state(of record: CommitLogRecord, in reader: CommitLogReader) throws(QueueFileError) -> State {
        let id = record.header.id
        for _ in 0..<CommitLogSettlement.searches {
            var isTorn = false
            for directory in CommitLogSettlement.places {
                switch try isWhole(directories.path(directory, id)) {
                case true?: return .whole
                case false?: isTorn = true
                case nil: continue
                }
            }
            // Asked after looking for the file: qmgr settles before it removes.
            if try reader.isSettled(record.header.index) { return .settled }
            if isTorn { break }
        }
        return .missing
    }

    /// Whether a file is a whole message; nil where there is none.
    private func isWhole(_ path: String) throws(QueueFileError) -> Bool? {
        do throws(SystemError) {
            guard try Files.exists(path) else { return nil }
        } catch {
            throw .system("\(error)")
        }
        do throws(QueueFileError) {
            let reader = try QueueFileReader(path: path)
            do throws(SystemError) { return try reader.verifyContent() } catch { throw .system("\(error)") }
        } catch {
            switch error {
            case .incomplete, .notAQueueFile: return false
            // It moved on after it was seen.
            case .system where (try? Files.exists(path)) == false: return nil
            default: throw error
            }
        }
    }

    /// Where something that is not whole has the name of a message.
    private func remains(of id: QueueID) throws(QueueFileError) -> [QueueDirectory] {
        var found: [QueueDirectory] = []
        for directory in [QueueDirectory.incoming, .hold, .deferred] where try isWhole(directories.path(directory, id)) == false {
            found.append(directory)
        }
        return found
    }

    private func remove(_ id: QueueID, _ directory: QueueDirectory) throws(SystemError) {
        do throws(SystemError) {
            try Files.unlink(directories.path(directory, id))
        } catch {
            if !error.isNotFound { throw error }
        }
    }

    /// Makes the file again; false where the message turns out to be a file, or done.
    private func restore(_ record: CommitLogRecord, in reader: CommitLogReader) throws -> Bool {
        let (id, slot) = (record.header.id, reader.slot(record.header.index))
        // A qmgr that lives may be about to make the file, or to end with the message: CommitLogSlot.
        let made: QueueDirectory? = try slot.locked {
            guard case .missing = try state(of: record, in: reader) else { return nil }
            let place = try remains(of: id).last ?? record.header.directory
            try replace(place, record)
            return place
        }
        guard let made, try slot.state() == .settled else { return made != nil }
        try remove(id, made)
        return false
    }

    /// Under a name of the log's directory, and then at once whole in the place of what is left of it. Not synced: the log has it until all are.
    private func replace(_ place: QueueDirectory, _ record: CommitLogRecord) throws {
        let path = directories.path(place, record.header.id)
        let file = try CommitLogDraft.begin(directories, .writeOnly)
        try giveToOwner(file)
        try file.writeAll(record.file)
        // While the remains are locked, no scan removes what has their name.
        let remains = try lock(path)
        try Files.rename(CommitLogDraft.path(directories), path)
        _ = consume remains
    }

    /// The lock of a file; nil where there is none.
    private func lock(_ path: String) throws(SystemError) -> FileDescriptor? {
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, [.readOnly, .noFollow])
            try file.lockExclusive()
            return file
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// What root makes belongs to whom the queue belongs.
    private func giveToOwner(_ file: borrowing FileDescriptor) throws(SystemError) {
        guard Privileges.isRoot else { return }
        let status = try Files.status(of: directories.commit)
        try file.setOwner(status.owner, group: status.group)
    }
}
