// Group commit: while one batch of files is being made durable the next one gathers (DESIGN.md, section 4).
//
// The syncing happens on threads of a pool; order and reasons are in MailQueue: a batch goes into a commit log where there is one (CommitLogFile), and
// what does not, becomes a file and is synced (QueueCommit). A file whose commit failed is removed and its submitter is told to try again: it was never
// acknowledged.
//
// What is too large for a log has batches of its own: mail that waits for a page of the log does not wait until hundreds of megabytes are on the disk.

import MailIPC
import MailLog
import MailQueue
import NIOCore
import NIOPosix
import ServiceKit
import SystemKit

@ServiceActor
final class GroupCommitter {
    /// Where a durable message is.
    struct Durable: Hashable, Sendable {
        /// Its record in a commit log; nil where it has none.
        var place: CommitLogPlace?
        var isFile: Bool
    }
    /// Or why a message is not durable.
    typealias Outcome = Result<Durable, SystemError>

    fileprivate struct Waiting {
        let file: CompletedQueueFile
        let done: CheckedContinuation<Outcome, Never>
    }

    /// Messages that become durable with each other, and the batches of them that are under way.
    @ServiceActor
    final class Lane {
        /// Batches at a time: each has a thread.
        let width: Int
        let pool: NIOThreadPool
        fileprivate var gathering: [Waiting] = []
        fileprivate var running = 0

        init(width: Int) {
            self.width = width
            pool = NIOThreadPool(numberOfThreads: width)
            pool.start()
        }
    }

    private let logs: CommitLogs
    private let log: MailLog
    /// There is one log at a time, and nobody else writes to it.
    private let small = Lane(width: 1)
    /// The content of a batch is copied while the disk takes that of the one before it.
    let large = Lane(width: 2)

    init(logs: CommitLogs, log: MailLog) {
        self.logs = logs
        self.log = log
    }

    /// Waits until the file is durable; an error means that it is not and was removed.
    func commit(_ file: CompletedQueueFile) async -> Outcome {
        await withCheckedContinuation { continuation in
            let lane = file.bytes == nil ? large : small
            lane.gathering.append(Waiting(file: file, done: continuation))
            if lane.running < lane.width { runBatches(of: lane) }
        }
    }

    private func runBatches(of lane: Lane) {
        lane.running += 1
        ServiceActor.start { [self] in
            while !lane.gathering.isEmpty {
                let batch = lane.gathering
                lane.gathering = []
                await run(batch, in: lane)
            }
            lane.running -= 1
        }
    }

    private func run(_ batch: [Waiting], in lane: Lane) async {
        let files = batch.map(\.file)
        // What is too large for a log is no reason to make one.
        let commitLog = lane === small ? logs.take(for: files.count) : nil
        let work: CommitWork
        do {
            work = try await lane.pool.runIfActive { CommitWork.run(files, commitLog) }
        } catch {
            // The pool is shut down: nothing was made durable.
            work = CommitWork(
                outcomes: files.map { .failure(SystemError(errno: 5, operation: "commit", object: $0.path)) }, log: commitLog)
        }
        if let problem = work.logProblem { log.warning("commit log: \(problem)") }
        if let used = work.log { logs.giveBack(used, isFull: work.isLogFull, isBroken: work.logProblem != nil) }
        for (waiting, outcome) in zip(batch, work.outcomes) {
            if case .failure(let error) = outcome { log.warning("\(waiting.file.id): cannot make the queue file durable: \(error)") }
            waiting.done.resume(returning: outcome)
        }
    }
}

/// A batch on the pool's thread, and what came of it.
struct CommitWork: Sendable {
    var outcomes: [GroupCommitter.Outcome]
    var log: CommitLogFile?
    /// Not all that was fit for the log had room in it.
    var isLogFull = false
    /// Why the log is not to be written to any more.
    var logProblem: SystemError?

    static func run(_ completed: [CompletedQueueFile], _ log: CommitLogFile?) -> CommitWork {
        var files = completed
        let unknown = SystemError(errno: 5, operation: "commit", object: "")
        var work = CommitWork(outcomes: files.map { _ in .failure(unknown) }, log: log)
        var rest = Array(files.indices)
        var places: [Int: CommitLogPlace] = [:]
        if var open = log {
            let fit = files.indices.filter { files[$0].bytes != nil }
            let taken = fit.prefix(open.room(for: fit.map { files[$0] }))
            work.isLogFull = taken.count < fit.count
            for (index, place) in zip(taken, open.places(for: taken.map { files[$0] })) { places[index] = place }
            do throws(SystemError) {
                if !taken.isEmpty {
                    try open.append(taken.map { files[$0] })
                    for index in taken { work.outcomes[index] = .success(.init(place: places[index], isFile: files[index].isFile)) }
                    rest.removeAll { taken.contains($0) }
                }
            } catch {
                work.logProblem = error
            }
            work.log = open
        }
        work.makeFiles(rest, of: &files)
        for directory in Set(rest.map { files[$0].path.directoryPart }) {
            let indices = rest.filter { files[$0].path.directoryPart == directory && files[$0].isFile }
            let errors = QueueCommit.commit(indices.map { files[$0] }, directory: directory)
            // What the log did not take may be in it all the same.
            for (index, error) in zip(indices, errors) {
                work.outcomes[index] = error.map { .failure($0) } ?? .success(.init(place: places[index], isFile: true))
            }
        }
        for index in files.indices {
            // Removal may fail on a sick disk; the file is then found by the scan, which may deliver it although its client was told to
            // try again: twice, not zero times.
            if case .failure = work.outcomes[index], files[index].isFile { try? Files.unlink(files[index].path) }
            files[index].close()
        }
        if work.logProblem != nil {
            work.log?.disown(places.keys.map { (files[$0].id, (try? work.outcomes[$0].get()) != nil) })
        }
        return work
    }

    private mutating func makeFiles(_ indices: [Int], of files: inout [CompletedQueueFile]) {
        for index in indices {
            do throws(SystemError) { try files[index].makeFile() } catch { outcomes[index] = .failure(error) }
        }
    }
}

extension String {
    /// What is before the last slash.
    fileprivate var directoryPart: String { String(self[..<(lastIndex(of: "/") ?? startIndex)]) }
}
