// The executor of ServiceActor: jobs of Swift's concurrency on the process's event loop.
//
// It is a serial executor (ServiceActor's) and a task executor (the preference of each task that `ServiceActor.start` makes) in one, and runs
// every job as both. That matters for cost and for meaning. Without the preference each resumed continuation goes by way of the global pool:
// measured in a relaying smtpd, 14 futex calls and 7 wake-ups of the loop for each message. With two executors, or a job that runs as only
// one of them, the runtime takes each call of an isolated function for a change of executor and suspends the task for it.

import NIOCore
import Synchronization

/// Runs jobs on an event loop, in the order in which they come.
final class LoopExecutor: SerialExecutor, TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isScheduled = false
    }

    private let loop: any EventLoop
    private let state = Mutex(State())

    /// Jobs run in one go before the loop looks at its sockets again.
    private static let batch = 512

    init(loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustSchedule = state.withLock { state in
            state.jobs.append(job)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        // From another thread this wakes the loop.
        if mustSchedule { loop.execute { self.drain() } }
    }

    func checkIsolated() { loop.preconditionInEventLoop() }

    private func drain() {
        let serial = asUnownedSerialExecutor()
        let task = asUnownedTaskExecutor()
        var count = 0
        while count < LoopExecutor.batch {
            let jobs = state.withLock { state in
                var taken: [UnownedJob] = []
                swap(&taken, &state.jobs)
                if taken.isEmpty { state.isScheduled = false }
                return taken
            }
            if jobs.isEmpty { return }
            for job in jobs { job.runSynchronously(isolatedTo: serial, taskExecutor: task) }
            count += jobs.count
        }
        loop.execute { self.drain() }
    }
}
