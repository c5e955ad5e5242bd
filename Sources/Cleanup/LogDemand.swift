// Whether messages come so densely that a commit log pays.
//
// To write a new log keeps the disk busy for a moment, and whoever has mail to commit meanwhile waits for it: two messages that meet now and then are
// not worth that. Where senders wait in line, dozens are together within a tenth of a second.

import NIOCore

/// Counts messages that share a commit.
struct LogDemand {
    /// So many that shared a commit within ``window`` are enough.
    private let enough: Int
    private var since = NIODeadline.uptimeNanoseconds(0)
    private var together = 0

    private static let window = TimeAmount.seconds(1)
    /// A small log is made at once: each message stands for so many bytes of it.
    private static let bytesPerMessage = 512 << 10

    /// - Parameter size: of a log, in bytes.
    init(size: Int) { enough = max(2, size / LogDemand.bytesPerMessage) }

    /// Takes note of a commit of `count` messages.
    mutating func isThere(with count: Int, now: NIODeadline) -> Bool {
        if since + LogDemand.window < now { (since, together) = (now, 0) }
        if count > 1 { together += count }
        return together >= enough
    }
}
