// What the queue manager has under way: it waits for that before it ends, and tests wait for it instead of sleeping.

import ServiceKit

/// Tasks that have begun and not ended.
@ServiceActor
final class Operations {
    private(set) var count = 0
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []

    /// Starts a task that ``settled()`` waits for.
    func run(_ operation: @escaping @ServiceActor () async -> Void) {
        count += 1
        ServiceActor.start { [self] in
            await operation()
            count -= 1
            if count == 0 { wakeIdleWaiters() }
        }
    }

    private func wakeIdleWaiters() {
        let waiters = idleWaiters
        idleWaiters = []
        for waiter in waiters { waiter.resume() }
    }

    /// Waits until nothing is under way.
    func settled() async {
        while count > 0 {
            await withCheckedContinuation { continuation in
                guard count > 0 else { return continuation.resume() }
                idleWaiters.append(continuation)
            }
        }
    }

    /// Nobody waits any longer for what is under way.
    func giveUp() {
        count = 0
        wakeIdleWaiters()
    }
}
