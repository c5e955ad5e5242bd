// Whether messages come so densely that a commit log pays.
//
// To write a new log keeps the disk busy for a moment, and whoever has mail to commit meanwhile waits for it: two messages that meet now and then are
// not worth that. Where senders wait in line, dozens are together within a tenth of a second. Where messages come one by one, but again and again, it
// pays, too: what is written to a log waits for the disk once, and for no commit of the file system's journal.

import NIOCore

/// Counts messages, and those that share a commit.
struct LogDemand {
    /// So many that shared a commit within ``window`` are enough.
    private let enough: Int
    private var since = NIODeadline.uptimeNanoseconds(0)
    private var together = 0
    private var all = 0
    /// Windows in a row that had ``steadyRate``.
    private var steady = 0

    private static let window = TimeAmount.seconds(1)
    /// Messages in each of ``steadyWindows`` that pay for a log although each comes alone.
    private static let steadyRate = 40
    private static let steadyWindows = 5
    /// A small log is made at once: each message stands for so many bytes of it.
    private static let bytesPerMessage = 512 << 10

    /// - Parameter size: of a log, in bytes.
    init(size: Int) { enough = max(2, size / LogDemand.bytesPerMessage) }

    /// Takes note of a commit of `count` messages.
    mutating func isThere(with count: Int, now: NIODeadline) -> Bool {
        if since + LogDemand.window < now {
            let isNext = now < since + LogDemand.window * 2
            steady = isNext && all >= LogDemand.steadyRate ? steady + 1 : 0
            (since, together, all) = (now, 0, 0)
        }
        all += count
        if count > 1 { together += count }
        return together >= enough || steady >= LogDemand.steadyWindows
    }
}
