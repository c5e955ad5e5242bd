// The queue as its files tell it, for listings while no queue manager runs.
//
// Security: the files are read with the caller's rights; only root and the owner of the queue have any.
// Known limits: why a message waits stands in bounce's logs and is not shown; submissions that pickup has not taken yet are not listed, as
// they are not by qmgr.

import MailIPC
import MailModel
import MailQueue
import SystemKit

/// Reads the queue directories.
struct OfflineQueue {
    private let directories: QueueDirectories

    private static let places: [(QueueDirectory, QueueEntry.Place)] = [(.incoming, .incoming), (.deferred, .deferred), (.hold, .hold)]

    /// nil where the caller may not read the queue.
    init?(queueDirectory: String) {
        directories = QueueDirectories(root: queueDirectory)
        for (directory, _) in Self.places {
            guard (try? FileDescriptor.open(directories.path(directory), [.readOnly, .directory])) != nil else { return nil }
        }
    }

    /// Calls `body` with each message, directory by directory, oldest first. Files that are no messages, or gone meanwhile, are left out.
    func visit(_ body: (QueueEntry) -> Void) {
        for (directory, place) in Self.places {
            for id in ((try? directories.ids(in: directory)) ?? []).sorted() {
                let path = directories.path(directory, id)
                guard let entry = try? entry(id, place, path) else { continue }
                body(entry)
            }
        }
    }

    private func entry(_ id: QueueID, _ place: QueueEntry.Place, _ path: String) throws -> QueueEntry {
        let reader = try QueueFileReader(path: path)
        let recipients = zip(reader.envelope.recipients, reader.states).filter { $1 == .todo }.map { recipient, _ in
            QueueEntry.Recipient(address: recipient.address, originalAddress: recipient.originalAddress, delayReason: "")
        }
        // The time of the next attempt is the file's modification time (ARCHITECTURE.md, "The queue").
        let next = place == .deferred ? try Files.status(of: path).modified : 0
        return QueueEntry(
            queueID: id, place: place, arrival: reader.envelope.arrival, nextAttempt: next, size: reader.header.contentLength,
            sender: reader.envelope.sender, recipients: recipients)
    }
}
