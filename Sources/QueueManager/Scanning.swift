// The recovery path: what stands in the queue is found by looking. At start both directories, later `incoming` from time to time, in case
// a notice was lost with a cleanup that died after its commit.

import MailModel
import MailQueue
import Scheduling
import ServiceKit
import SystemKit

extension QueueManager {
    /// Finds everything that was left by an earlier life.
    func recover() async {
        await scanDeferred()
        await scanIncoming()
        feed()
    }

    /// Lists files in `incoming` that are not known. The ids come in the order of their making.
    func scanIncoming() async {
        let found: [QueueID]
        do {
            found = try files.directories.ids(in: .incoming).sorted()
        } catch {
            log.warning("scan: \(error)")
            return
        }
        foundByScan = []
        for (count, id) in found.enumerated() where active[id] == nil && !inBacklog.contains(id) {
            if count % 256 == 255 { await Task.yield() }
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

    /// Learns the due times of all deferred messages: their modification times. No file is opened.
    private func scanDeferred() async {
        let found: [QueueID]
        do {
            found = try files.directories.ids(in: .deferred)
        } catch {
            log.warning("scan: \(error)")
            return
        }
        var messages: [(id: QueueID, due: Int64)] = []
        messages.reserveCapacity(found.count)
        for (count, id) in found.enumerated() {
            if count % 4096 == 4095 { await Task.yield() }
            do {
                if let time = try files.dueTime(id) { messages.append((id, time)) }
            } catch {
                log.warning("scan: \(error)")
                messages.append((id, clock.now()))
            }
        }
        due.schedule(messages)
    }
}
