// Tells pickup that there is a new file. Pickup looks by itself from time to time, so a notice that fails costs a delay and nothing else.

import MailQueue
import SystemKit

enum PickupNotice {
    /// Connects to pickup's socket and closes: that is the whole message.
    static func send(queueDirectory: String) {
        let path = QueueDirectories(root: queueDirectory).socket("pickup", isPrivate: false)
        // Failure is no failure of the submission, which is durable.
        // Nor may the caller hang on a pickup that does: where its queue of notices is full it needs no further one.
        _ = try? Sockets.connectUnix(path: path, isNonBlocking: true)
    }
}
