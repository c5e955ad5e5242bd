// The commit logs of this process: one that is written to, and one that is settled or waits for its turn.
//
// A log costs nothing where nobody needs it: it is made when messages come densely, or steadily (LogDemand), on a thread of its own; until then, while both are full,
// and where one cannot be made, each file is synced for itself. A log is settled when it is full, some seconds after its first message, and at the end
// of the process. What cannot be settled stays in its log, which is not written to any more, and is tried again.

import MailLog
import MailQueue
import NIOCore
import NIOPosix
import ServiceKit
import SystemKit

@ServiceActor
final class CommitLogs {
    private let directories: QueueDirectories
    /// `commit_log_size`; 0 for none.
    private let size: Int
    private let log: MailLog
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private var current: CommitLogFile?
    private var spare: CommitLogFile?
    /// The batch under way has the current one.
    private var isLent = false
    /// What the thread of the pool is at: making, settling.
    private var tasks = 0
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []
    private var isEnding = false
    private var notBefore = NIODeadline.now()
    private var demand: LogDemand
    private var timer: Scheduled<Void>?
    /// The current one has had its time.
    private var isOld = false

    /// So long a message may be durable by the log alone: what recovery has to look at is bounded, and so is what is delivered twice after it.
    private static let age = TimeAmount.seconds(5)
    /// How long to wait after something went wrong.
    private static let patience = TimeAmount.seconds(10)
    /// A log is made where this many have room.
    private nonisolated static let headroom: Int64 = 8

    init(directories: QueueDirectories, size: Int, log: MailLog) {
        self.directories = directories
        self.size = size
        demand = LogDemand(size: size)
        self.log = log
        pool.start()
    }

    /// Finds what a predecessor left, on the pool's thread and so before a log is made there.
    func recover() {
        let directories = directories
        onThread {
            Result { () throws(SystemError) in try CommitLogRecovery(directories: directories, now: SystemClock.now()).run() }
        } then: {
            [log] result in
            switch result {
            case .success((let recovered, let problems)):
                for id in recovered { log.info("\(id): recovered from the commit log") }
                for problem in problems { log.warning("commit log: \(problem)") }
            case .failure(let error): log.warning("commit log: \(error)")
            }
        }
    }

    /// The log for a batch; nil where each file is to be synced for itself.
    func take(for count: Int) -> CommitLogFile? {
        guard size > 0, !isEnding else { return nil }
        if current == nil && demand.isThere(with: count, now: .now()) { make() }
        isLent = current != nil
        return current
    }

    /// Takes back what ``take(for:)`` gave.
    func giveBack(_ used: CommitLogFile, isFull: Bool, isBroken: Bool) {
        isLent = false
        current = used
        if isBroken { notBefore = .now() + CommitLogs.patience }
        if isFull || isBroken || isOld {
            settleCurrent(isBroken: isBroken)
        } else if timer == nil && !used.isEmpty {
            timer = ServiceActor.loop.scheduleTask(in: CommitLogs.age) {
                ServiceActor.assumeIsolated {
                    self.isOld = true
                    // While a batch has it: when it comes back.
                    if !self.isLent { self.settleCurrent(isBroken: false) }
                }
            }
        }
    }

    /// Settles everything and gives the logs up.
    func finish() async {
        isEnding = true
        timer?.cancel()
        // No batch has it: each is part of a stream that has ended.
        settleCurrent(isBroken: false)
        while tasks > 0 {
            await withCheckedContinuation { continuation in
                guard tasks > 0 else { return continuation.resume() }
                idleWaiters.append(continuation)
            }
        }
        for log in [current, spare] { log?.close() }
        (current, spare) = (nil, nil)
    }

    private func settleCurrent(isBroken: Bool) {
        guard let full = current, !full.isEmpty || isBroken else { return }
        timer?.cancel()
        timer = nil
        isOld = false
        current = spare
        spare = nil
        settle(full, isBroken: isBroken)
    }

    private func settle(_ full: CommitLogFile, isBroken: Bool) {
        let directories = directories
        onThread {
            var settled = full
            let outcome = Result { try settled.settle(directories, now: SystemClock.now()) }
            return (settled, outcome)
        } then: { [self] result in
            let (settled, outcome) = result
            if case .failure(let error) = outcome {
                log.warning("commit log: cannot settle \(settled.path), it keeps what it has: \(error)")
                // The next start recovers it.
                guard !isEnding else { return settled.close() }
                ServiceActor.loop.scheduleTask(in: CommitLogs.patience) {
                    ServiceActor.assumeIsolated { self.settle(settled, isBroken: isBroken) }
                }
            } else if isBroken || (current != nil && spare != nil) {
                settled.close()
            } else if current == nil {
                current = settled
            } else {
                spare = settled
            }
        }
    }

    /// Gets both logs.
    private func make() {
        guard tasks == 0, notBefore <= .now() else { return }
        notBefore = .now() + CommitLogs.patience
        let (directories, size) = (directories, size)
        onThread {
            Result { () -> [CommitLogFile] in
                guard try Files.freeSpace(of: directories.root) >= CommitLogs.headroom * Int64(size) else { return [] }
                let now = SystemClock.now()
                let first = try CommitLogFile.acquire(in: directories, size: size, now: now)
                do {
                    return [first, try CommitLogFile.acquire(in: directories, size: size, now: now)]
                } catch {
                    first.close()
                    throw error
                }
            }
        } then: { [self] result in
            switch result {
            case .success(let made):
                for log in made {
                    if current == nil { current = log } else { spare = log }
                }
            case .failure(let error): log.warning("commit log: \(error): each message is synced for itself")
            }
        }
    }

    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value, then: @escaping @ServiceActor (Value) -> Void) {
        tasks += 1
        ServiceActor.start { [self] in
            // Fails only when the pool has ended, with the process.
            if let value = try? await pool.runIfActive(body) { then(value) }
            tasks -= 1
            guard tasks == 0 else { return }
            for waiter in idleWaiters { waiter.resume() }
            idleWaiters = []
        }
    }
}
