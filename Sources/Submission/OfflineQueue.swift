// The queue as its files tell it, for listings while no queue manager runs.
//
// Security: the files are read with the caller's rights; only root and the owner of the queue have any.

import MailIPC
import MailQueue
import SystemKit

/// Reads the queue directories.
struct OfflineQueue {
    private let inventory: QueueInventory

    /// nil where the caller may not read the queue.
    init?(queueDirectory: String) {
        inventory = QueueInventory(QueueDirectories(root: queueDirectory))
        if !inventory.isReadable { return nil }
    }

    /// Calls `body` with some messages at a time, directory by directory, oldest first.
    func visit(_ body: ([QueueEntry]) -> Void) throws(SystemError) {
        var rest = inventory
        while let entries = try rest.next() { body(entries) }
    }
}
