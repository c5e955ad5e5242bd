// What leaves a program once in a turn of its event loop: log lines, and frames for other programs.
//
// What many tasks have to say to one peer leaves in one system call. Log lines go first, so that no program acts on what another has not
// logged yet.

import NIOCore

/// Calls made when the jobs of this turn of the loop have run.
@ServiceActor
enum EndOfTurn {
    private static var logs: [() -> Void] = []
    private static var writes: [() -> Void] = []
    private static var isOrdered = false

    static func write(_ flush: @escaping () -> Void) {
        writes.append(flush)
        order()
    }

    /// False, and nothing is done, away from the loop.
    static nonisolated func log(_ flush: @escaping @Sendable () -> Void) -> Bool {
        guard ServiceActor.shared.eventLoop.inEventLoop else { return false }
        ServiceActor.assumeIsolated {
            logs.append(flush)
            order()
        }
        return true
    }

    private static func order() {
        guard !isOrdered else { return }
        isOrdered = true
        ServiceActor.loop.execute { ServiceActor.assumeIsolated { flush() } }
    }

    /// Makes the calls now: before the program ends there may be no end of this turn.
    static func flush() {
        isOrdered = false
        flushLogs()
        let frames = writes
        writes.removeAll(keepingCapacity: true)
        for flush in frames { flush() }
    }

    /// Writes the log lines now: a frame leaves before the end of this turn.
    static func flushLogs() {
        let lines = logs
        logs.removeAll(keepingCapacity: true)
        for flush in lines { flush() }
    }
}
