// A timer for deadlines that move: each wait of a connection has a new one, later than the last.
//
// Setting a later time costs nothing: the timer of the loop goes on, and finds when it fires that it is early. So a session whose timeout is
// five minutes has one timer of the loop in five minutes, not one for each command.

public import NIOCore

/// Calls ``onTime`` when the deadline that was set last has passed.
@ServiceActor
public final class DeadlineTimer {
    public var onTime: () -> Void = {}
    private var deadline = NIODeadline.distantFuture
    private var running: (timer: Scheduled<Void>, fires: NIODeadline)?

    public init() {}

    /// Sets the deadline; the one before is of no account any more.
    public func set(_ deadline: NIODeadline) {
        self.deadline = deadline
        guard deadline < .distantFuture else { return }
        if let running {
            if running.fires <= deadline { return }
            running.timer.cancel()
        }
        start(deadline)
    }

    /// Stops for good or until the next ``set(_:)``.
    public func cancel() {
        deadline = .distantFuture
        running?.timer.cancel()
        running = nil
    }

    private func start(_ time: NIODeadline) {
        let timer = ServiceActor.loop.scheduleTask(deadline: time) { [weak self] in
            ServiceActor.assumeIsolated { if let self { self.fire() } }
        }
        running = (timer, time)
    }

    private func fire() {
        running = nil
        guard deadline < .distantFuture else { return }
        guard NIODeadline.now() >= deadline else { return start(deadline) }
        deadline = .distantFuture
        onTime()
    }
}
