// Messages that are in a commit log of cleanup's alone: most of those that are delivered at once never become files.
//
// Such a message waits for its first round, or is active in it. Agents get its content with the request. Before it is anything else (deferred, held,
// marked, told of by the bounce service) it becomes a file (S3 of the state table); cleanup makes one, too, when it settles the log. Whatever fails
// here loses nothing: cleanup makes the file then, and a scan finds it.

import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit
import SystemKit

extension QueueManager {
    /// Notes where a message stands; false where that is not known afterwards.
    func note(_ id: QueueID, at place: CommitLogPlace) -> Bool {
        do throws(SystemError) {
            try marks.note(id, at: place)
            return true
        } catch {
            log.warning("\(id): \(error)")
            return false
        }
    }

    /// Whether a notice came late: its message was found in the log at start, and is known, or done.
    func isKnown(_ id: QueueID, _ place: CommitLogPlace) -> Bool {
        do throws(SystemError) {
            return try marks.isSpokenFor(place)
        } catch {
            log.warning("\(id): \(error)")
            return false
        }
    }

    private func makeFile(_ id: QueueID, _ place: CommitLogPlace) -> Bool {
        do {
            try marks.materialize(id, at: place)
            return true
        } catch {
            log.warning("\(id): cannot make the queue file: \(error)")
            return false
        }
    }

    /// To be called before anything is done with the file of an active message; false where there is none.
    @discardableResult
    func needFile(_ message: ActiveMessage) -> Bool {
        guard let place = message.place else { return true }
        guard makeFile(message.id, place) else { return false }
        message.place = nil
        if message.hasUnwrittenStates { writeStates(message, of: []) }
        return true
    }

    /// What a log has of a message; nil where the message is a file meanwhile.
    func storedInLog(_ id: QueueID, _ place: CommitLogPlace?) throws(QueueFileError) -> StoredMessage? {
        guard let place, let file = try marks.read(id, at: place) else { return nil }
        let (header, envelope, states, stateOffsets) = try QueueFileReader.parse(file)
        return StoredMessage(header: header, envelope: envelope, states: unwritten[id] ?? states, stateOffsets: stateOffsets)
    }

    /// To be called before anything is done with the file of a message that waits; false where there is none.
    func needFile(_ id: QueueID) -> Bool {
        guard let place = logged[id] else { return true }
        guard makeFile(id, place) else { return false }
        logged[id] = nil
        writeUnwritten(id)
        return true
    }

    /// Has the file that was made of a message say what became of its recipients.
    private func writeUnwritten(_ id: QueueID) {
        guard let states = unwritten[id] else { return }
        do {
            let offsets = try files.load(id, in: .incoming).stateOffsets
            try files.mark(zip(offsets, states).filter { $1 != .todo }.map { ($0, $1) }, path: files.path(.incoming, id))
            unwritten[id] = nil
        } catch {
            log.warning("\(id): cannot mark recipients: \(error)")
        }
    }

    /// Keeps a message that could not be made a file for want of room, until a time; false where it is a file.
    func keepInLog(_ message: ActiveMessage, until time: Int64) -> Bool {
        guard !needFile(message) else { return false }
        logged[message.id] = message.place
        due.schedule(message.id, due: time)
        return true
    }

    /// Carries out an order to hold, also where it has to wait for room for a file.
    func holdNow(_ id: QueueID) {
        guard needFile(id) else {
            due.schedule(id, due: clock.now() + settings.retry.minimalBackoff)
            return
        }
        toBeHeld.remove(id)
        move(id, from: .incoming, to: .hold)
        log.info("\(id): placed on hold", fields: .event("hold", id))
    }

    /// The content of a message that is in the log alone; nil where it is a file.
    func contentInLog(_ message: ActiveMessage) -> [UInt8]? {
        guard let place = message.place else { return nil }
        do throws(QueueFileError) {
            if let file = try marks.read(message.id, at: place), message.contentOffset + message.contentLength <= UInt64(file.count) {
                return Array(file[Int(message.contentOffset)..<Int(message.contentOffset + message.contentLength)])
            }
        } catch {
            log.warning("\(message.id): \(error)")
        }
        // The log was settled meanwhile.
        message.place = nil
        return nil
    }

    /// Before a file leaves `incoming`: from then on cleanup does not make it of the record.
    func leave(_ id: QueueID, _ directory: QueueDirectory) {
        guard directory == .incoming else { return }
        do { try marks.leave(id) } catch { log.warning("\(id): \(error)") }
    }
}
