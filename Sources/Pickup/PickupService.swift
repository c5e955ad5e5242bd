// Finds submissions in `maildrop` and sees each through: when it is told to look, and by itself once a minute.
//
// A file leaves `maildrop` only when cleanup has made the message durable, when its sender has been told that it cannot be taken, or into
// `corrupt` with a log line. A crash between cleanup's reply and the removal delivers the message twice, never zero times.

import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import ServiceKit
import SystemKit

@ServiceActor
final class PickupService: ServiceHandler {
    private let directories: QueueDirectories
    private let log: MailLog
    private let submission: MaildropSubmission
    private var isScanning = false
    private var isScanWanted = false
    private var isDraining = false
    /// What the present scan found and nobody has taken up yet, the oldest last.
    private var waiting: [QueueID] = []
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []

    /// Messages on their way to cleanup at a time: enough for its group commit to be worth while.
    private static let concurrency = 32
    private static let scanInterval = TimeAmount.seconds(60)
    /// What had to be kept, because cleanup died or the disk is full, is tried again soon, and less and less soon: seconds.
    private var retryDelay: Int64 = 1
    private var isRetryPlanned = false
    /// The age at which an unfinished file is left over from a crash, in microseconds.
    private static let staleAge: Int64 = 86_400_000_000

    init(directories: QueueDirectories, log: MailLog, submission: MaildropSubmission) {
        self.directories = directories
        self.log = log
        self.submission = submission
    }

    /// The first look, and then one every minute.
    func begin() {
        wakeUp()
        _ = ServiceActor.loop.scheduleRepeatedTask(initialDelay: Self.scanInterval, delay: Self.scanInterval) { [self] _ in
            ServiceActor.assumeIsolated { wakeUp() }
        }
    }

    /// pickup serves no protocol: a connection is a wake-up, whatever it says.
    func accept(_ connection: AcceptedConnection) {
        _ = SystemKit.FileDescriptor(owning: connection.descriptor)
        connection.beside.close()
        wakeUp()
    }

    func wakeUp() {
        isScanWanted = true
        guard !isScanning, !isDraining else { return }
        isScanning = true
        ServiceActor.start { [self] in
            while isScanWanted && !isDraining {
                isScanWanted = false
                await scan()
            }
            isScanning = false
            let waiters = idleWaiters
            idleWaiters = []
            for waiter in waiters { waiter.resume() }
        }
    }

    func drain() async {
        isDraining = true
        while isScanning {
            await withCheckedContinuation { continuation in
                guard isScanning else { return continuation.resume() }
                idleWaiters.append(continuation)
            }
        }
    }

    /// Sees every file through that is there now, oldest first, several at a time.
    private func scan() async {
        waiting = find()
        let workers = (0..<min(Self.concurrency, waiting.count)).map { _ in
            ServiceActor.start { [self] in
                while let id = nextWaiting() { await submission.run(id) }
            }
        }
        for worker in workers { await worker.value }
        submission.isCleanupDown = false
        if submission.keptCount > 0 { planRetry() } else { retryDelay = 1 }
        submission.keptCount = 0
    }

    private func planRetry() {
        guard !isRetryPlanned, !isDraining else { return }
        isRetryPlanned = true
        ServiceActor.loop.scheduleTask(in: .seconds(retryDelay)) { [self] in
            ServiceActor.assumeIsolated {
                isRetryPlanned = false
                wakeUp()
            }
        }
        retryDelay = min(retryDelay * 2, 60)
    }

    private func nextWaiting() -> QueueID? {
        if isDraining || submission.isCleanupDown { waiting = [] }
        return waiting.popLast()
    }

    /// The files that are there, the oldest last.
    private func find() -> [QueueID] {
        do throws(SystemError) {
            let names = try Files.directoryEntries(directories.path(.maildrop))
            for name in names where name.hasSuffix(".tmp") { removeIfStale(name) }
            return names.compactMap { QueueID($0) }.sorted(by: >)
        } catch {
            log.warning("\(error)")
            return []
        }
    }

    private func removeIfStale(_ name: String) {
        let path = "\(directories.path(.maildrop))/\(name)"
        do throws(SystemError) {
            let age = SystemClock.now() - (try Files.linkStatus(of: path)).modified
            guard age > Self.staleAge else { return }
            try Files.unlink(path)
            log.warning("removed \(path): an unfinished submission of a day ago")
        } catch {
            if !error.isNotFound { log.warning("\(error)") }
        }
    }
}
