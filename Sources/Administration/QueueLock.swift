// The queue manager's lock, taken in its place while the mail system is stopped, so that no queue manager can start in the middle.

import MailQueue
import SystemKit

/// Keeps the lock while it lives.
final class QueueLock {
    enum Attempt {
        case taken(QueueLock)
        /// There is no `incoming`, and so no queue manager either.
        case needless
        /// The mail system runs.
        case busy
    }

    private let descriptor: FileDescriptor

    private init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    static func take(_ directories: QueueDirectories) throws(SystemError) -> Attempt {
        guard try Files.exists(directories.root) else {
            throw SystemError(errno: 2, operation: "open", object: directories.root)
        }
        let isMasterRunning = try MasterProcess.running(queueDirectory: directories.root) != nil
        guard try Files.exists(directories.path(.incoming)) else { return .needless }
        let descriptor = try FileDescriptor.open(directories.path(.incoming), [.readOnly, .directory])
        let isFree = try descriptor.tryLockExclusive()
        return isFree && !isMasterRunning ? .taken(QueueLock(descriptor)) : .busy
    }
}
