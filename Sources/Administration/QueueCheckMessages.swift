// The offline check of one message: `incoming`, `deferred`, `hold` (S1 to S11 of the state table).

import MailConfiguration
import MailModel
import MailQueue
import SystemKit

extension QueueCheck {
    /// One name in a directory of messages.
    mutating func checkMessage(_ name: String, in directory: QueueDirectory) {
        guard let (id, status) = identify(name, in: directory) else { return }
        // What is left of its file is replaced by the recovery.
        if unrecovered.contains(id) { return }
        let shown = "\(directory.name)/\(name)"
        do throws(QueueFileError) {
            let reader = try QueueFileReader(path: directories.path(directory, id))
            places[id, default: []].append(directory)
            try check(reader, status, shown: shown, in: directory)
        } catch {
            switch error {
            case .incomplete: addIncomplete(id, shown: shown, in: directory)
            case .notAQueueFile: add(.damaged, shown, error.description, .moveToCorrupt)
            // Not ours to judge: the version that wrote it can read it.
            case .unknownVersion: add(.version, shown, error.description)
            case .system(let reason):
                if (try? Files.exists(directories.path(directory, id))) != false { add(.unreadable, shown, reason) }
            }
        }
        if status.owner != owners.mail.user || status.mode != 0o600 {
            addOwnership(shown, status, owners.mail.user, owners.mail.group, 0o600)
        }
    }

    private mutating func check(
        _ reader: borrowing QueueFileReader, _ status: FileStatus, shown: String, in directory: QueueDirectory
    ) throws(QueueFileError) {
        // The reader has held the sizes against the file, the count of recipients against their records and every state against the table.
        guard !reader.states.isEmpty else {
            add(.damaged, shown, "the message has no recipients", .moveToCorrupt)
            return
        }
        let isIntact: Bool
        do throws(SystemError) { isIntact = try reader.verifyContent() } catch { throw .system(error.description) }
        if !isIntact { add(.content, shown, "the content is not what was accepted (checksum)", .moveToCorrupt) }
        if !reader.states.contains(.todo) {
            // S7: a power failure took the removal back, or a report is still to be made.
            add(.note, shown, "every recipient is final: the queue manager removes it at its next attempt")
        }
        if directory == .deferred, status.modified > now + maximalLifetime {
            add(.dueTooLate, shown, "the next attempt is \((status.modified - now) / 86_400_000_000) days away", .makeDueNow)
        }
    }

    private mutating func addIncomplete(_ id: QueueID, shown: String, in directory: QueueDirectory) {
        // A file that is locked has a writer; one that could be locked has none, except for the moment between the two first calls, which
        // an offline check does not meet.
        let isLocked: Bool
        do throws(SystemError) {
            isLocked = try !FileDescriptor.open(directories.path(directory, id), [.readOnly, .noFollow]).tryLockExclusive()
        } catch {
            if !error.isNotFound { add(.unreadable, shown, error.description) }
            return
        }
        if isLocked { return }
        if directory == .deferred {
            // Only whole files are renamed to deferred: this one was accepted, and has lost something since.
            add(.damaged, shown, "the end of the file is missing or damaged, and the message was accepted", .moveToCorrupt)
        } else {
            add(.incomplete, shown, "its writer died before the message was accepted", .remove)
        }
    }
}
