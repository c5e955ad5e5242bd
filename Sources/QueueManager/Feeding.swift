// What becomes active next: messages that wait in `incoming`, in `deferred` for their time, and in the lanes for their share, in turn.

import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit

extension QueueManager {
    /// Messages read in one go, so that a thousand that are due at once do not stop everything else.
    private static let feedBatch = 64

    /// Whether another message may become active.
    var hasRoom: Bool { shares.hasRoom }

    /// Notes a file in `incoming`, or a message of a commit log.
    func enlist(_ id: QueueID, at place: CommitLogPlace? = nil) {
        guard active[id] == nil, inBacklog.insert(id).inserted else { return }
        // One that waited for room for a file has it.
        due.remove(id)
        logged[id] = place
        backlog.append(id)
    }

    /// Takes messages up while there is room, from `incoming`, `deferred` and the lanes in turn, so that none holds up another.
    func feed() {
        guard !isDraining else { return }
        let now = clock.now()
        var count = 0
        while hasRoom {
            guard count < QueueManager.feedBatch else {
                feedLater()
                break
            }
            count += 1
            nextSource = (nextSource + 1) % 3
            guard (0..<3).contains(where: { take(from: (nextSource + $0) % 3, now) }) else { break }
        }
        pump()
        onWakeUpChange()
    }

    private func take(from source: Int, _ now: Int64) -> Bool {
        switch source {
        case 0: takeFromBacklog()
        case 1: takeDue(now)
        default: takeFromLane()
        }
    }

    func feedLater() {
        guard !isFeedingLater else { return }
        isFeedingLater = true
        run {
            await Task.yield()
            self.isFeedingLater = false
            self.feed()
        }
    }

    private func takeFromBacklog() -> Bool {
        while let id = backlog.popFirst() {
            guard inBacklog.remove(id) != nil else { continue }
            activate(id, from: .incoming)
            return true
        }
        return false
    }

    private func takeDue(_ now: Int64) -> Bool {
        guard let id = due.popDue(now: now) else { return false }
        // The scan at start may have seen it just before it was taken up; it is scheduled again when its round ends.
        guard active[id] == nil else { return true }
        activate(id, from: logged[id] == nil ? .deferred : .incoming, wasTried: true)
        return true
    }

    private func takeFromLane() -> Bool {
        while let (id, lane) = shares.nextWaiting() {
            if inBacklog.remove(id) != nil {
                activate(id, from: .incoming, lane: lane)
                return true
            }
            // One with a time was flushed, or left and came back: it is taken when it is due.
            if due.due(of: id) == QueueManager.inLane {
                due.remove(id)
                activate(id, from: .deferred, lane: lane)
                return true
            }
        }
        return false
    }

    /// The time of a deferred message that waits in a lane.
    static let inLane = Int64.max
}
