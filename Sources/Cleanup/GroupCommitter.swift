// Group commit: while one batch of files is being made durable the next one gathers (DESIGN.md, section 4).
//
// The syncing happens on a pool of one thread; order and reasons are in MailQueue.QueueCommit. A file whose commit failed is removed and its
// submitter is told to try again: it was never acknowledged.

import MailLog
import MailQueue
import NIOCore
import NIOPosix
import ServiceKit
import SystemKit

@ServiceActor
final class GroupCommitter {
    private struct Waiting {
        let file: CompletedQueueFile
        let directory: String
        let done: CheckedContinuation<SystemError?, Never>
    }

    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let synchronizes: Bool
    private let log: MailLog
    private var gathering: [Waiting] = []
    private var isRunning = false

    /// - Parameter synchronizes: false only where the administrator said that the queue is on a disk that forgets anyway.
    init(synchronizes: Bool, log: MailLog) {
        self.synchronizes = synchronizes
        self.log = log
        pool.start()
    }

    /// Waits until the file is durable; an error means that it is not and was removed.
    func commit(_ file: CompletedQueueFile, directory: String) async -> SystemError? {
        await withCheckedContinuation { continuation in
            gathering.append(Waiting(file: file, directory: directory, done: continuation))
            if !isRunning { runBatches() }
        }
    }

    private func runBatches() {
        isRunning = true
        ServiceActor.start { [self] in
            while !gathering.isEmpty {
                let batch = gathering
                gathering = []
                await run(batch)
            }
            isRunning = false
        }
    }

    private func run(_ batch: [Waiting]) async {
        let work = batch.map { ($0.file, $0.directory) }
        let synchronizes = synchronizes
        let results: [SystemError?]
        do {
            results = try await pool.runIfActive { GroupCommitter.synchronize(work, synchronizes: synchronizes) }
        } catch {
            // The pool is shut down: nothing was made durable.
            results = work.map { SystemError(errno: 5, operation: "commit", object: $0.0.path) }
        }
        for (waiting, result) in zip(batch, results) {
            if let result { log.warning("\(waiting.file.id): cannot make the queue file durable: \(result)") }
            waiting.done.resume(returning: result)
        }
    }

    /// On the pool's thread: commits by directory, removes what failed, and lets go of every file and its lock.
    private nonisolated static func synchronize(_ work: [(CompletedQueueFile, String)], synchronizes: Bool) -> [SystemError?] {
        var results = [SystemError?](repeating: nil, count: work.count)
        for directory in Set(work.map(\.1)) {
            let indices = work.indices.filter { work[$0].1 == directory }
            let outcome = QueueCommit.commit(indices.map { work[$0].0 }, directory: directory, synchronizes: synchronizes)
            for (index, error) in zip(indices, outcome) { results[index] = error }
        }
        for (index, (file, _)) in work.enumerated() {
            // Removal may fail on a sick disk; the file is then found by the scan, which may deliver it although its client was told to
            // try again: twice, not zero times.
            if results[index] != nil { try? Files.unlink(file.path) }
            _ = FileDescriptor(owning: file.descriptor)
        }
        return results
    }
}
