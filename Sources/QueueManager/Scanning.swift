// The recovery path: what stands in the queue is found by looking. At start both directories, later `incoming` from time to time, in case
// a notice was lost with a cleanup that died after its commit.

import MailModel
import MailQueue
import NIOPosix
import Scheduling
import ServiceKit
import SystemKit

extension QueueManager {
    /// Finds everything that was left by an earlier life: new mail first, which does not wait until a million deferred messages are known.
    func recover() async {
        await scanIncoming()
        feed()
        await scanDeferred()
        feed()
    }

    /// Lists files in `incoming` that are not known. The ids come in the order of their making.
    func scanIncoming() async {
        recoverCommitLogs()
        let found: [QueueID]
        do {
            found = try files.directories.ids(in: .incoming).sorted()
        } catch {
            log.warning("scan: \(error)")
            return
        }
        if found.contains(where: { active[$0] == nil && !inBacklog.contains($0) }) { learnMarks() }
        foundByScan = []
        for (count, id) in found.enumerated() where active[id] == nil && !inBacklog.contains(id) {
            if count % 256 == 255 { await Task.yield() }
            if marks.finished.contains(id) {
                // Done, and not removed before a program died.
                do throws(SystemError) { try Files.unlink(files.path(.incoming, id)) } catch {
                    if !error.isNotFound { log.warning("\(error)") }
                }
                continue
            }
            do throws(QueueFileError) {
                switch try files.inspectIncoming(id, now: clock.now()) {
                // What came in by a notice while this scan gave way is known by now; `enlist` checks.
                case .message:
                    foundByScan.insert(id)
                    enlist(id)
                case .beingWritten, .gone: break
                case .removed: log.warning("incoming/\(id): incomplete: its writer died before the message was accepted: removed")
                }
            } catch {
                setAside(id, in: .incoming, because: error)
            }
        }
    }

    /// After a power failure, or the death of a cleanup, messages may be in commit logs alone; whoever comes first makes them files.
    private func recoverCommitLogs() {
        do throws(SystemError) {
            let (recovered, problems) = try CommitLogRecovery(directories: files.directories, now: clock.now()).run()
            for id in recovered { log.info("\(id): recovered from the commit log", fields: .event("recovered", id)) }
            for problem in problems { log.warning("commit log: \(problem)") }
        } catch {
            log.warning("commit log: \(error)")
        }
        // Nobody will tell again of what an earlier life of this program had in memory alone.
        if !hasLearnedLogs { hasLearnedLogs = learnMarks(makesFiles: true) }
    }

    /// Reads where messages stand; false where something went wrong.
    @discardableResult
    private func learnMarks(makesFiles: Bool = false) -> Bool {
        let problems = marks.learn(makesFiles: makesFiles)
        for problem in problems { log.warning("commit log: \(problem)") }
        return problems.isEmpty
    }

    /// Learns the due times of all deferred messages: their modification times. No file is opened. On a thread of its own, because a
    /// million names take seconds; mail comes and goes meanwhile.
    private func scanDeferred() async {
        let path = files.directories.path(.deferred)
        let now = clock.now()
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let found: Result<DueQueue, SystemError> = await withCheckedContinuation { continuation in
            pool.submit { _ in
                continuation.resume(
                    returning: Result { () throws(SystemError) in
                        try DueQueue { add throws(SystemError) in try Files.forEachTime(in: path) { add($0, $1 ?? now) } }
                    })
            }
        }
        pool.shutdownGracefully { _ in }
        switch found {
        // What was deferred meanwhile is known better here. What was deferred, tried and removed meanwhile is found gone when it is due.
        case .success(let queue): due.absorb(queue)
        case .failure(let error): log.warning("scan: \(error)")
        }
    }
}
