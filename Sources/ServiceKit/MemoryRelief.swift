// Gives memory back after a peak.
//
// What thousands of sessions had, the C library keeps when they are gone: pages between others that are in use stay with the process for
// good. Measured with 1,500 clients that stalled in DATA and left (debug build): smtpd kept 409 MB and cleanup 178 MB, of which all but 21 and
// 20 were free. To give 400 MB back takes 80 ms.
//
// Known limits: what a few sessions had stays, and so does what was freed by other ways than the end of sessions.

import NIOCore
import SystemKit

/// Watches how many sessions there are, or streams.
@ServiceActor
public final class MemoryRelief {
    /// Whether a peak is over: pure.
    struct Peak {
        /// Fewer than that do not leave much.
        static let least = 64
        private var height = 0

        /// Takes the present number; true where it has fallen far below the highest since the last true.
        mutating func isOver(at count: Int) -> Bool {
            height = max(height, count)
            guard height >= Peak.least, count <= height / 8 else { return false }
            height = count
            return true
        }
    }

    /// For the last of them to be freed, and so that numbers that go up and down cost next to nothing.
    private static let delay = TimeAmount.seconds(2)
    private var peak = Peak()
    private var isScheduled = false

    public init() {}

    /// To be told of each change of the number.
    public func note(_ count: Int) {
        guard peak.isOver(at: count), !isScheduled else { return }
        isScheduled = true
        ServiceActor.loop.scheduleTask(in: MemoryRelief.delay) {
            ServiceActor.assumeIsolated { self.isScheduled = false }
            Allocator.giveBack()
        }
    }
}
