// What an administrator orders: flush, hold, release, requeue, delete; one message, those for one domain, or all.
//
// A message with deliveries under way is not torn away from them: what waits is withdrawn, and the order is carried out when the last
// result is in.

import MailIPC
import MailLog
import MailModel
import MailQueue
import Scheduling
import ServiceKit
import SystemKit

extension QueueManager {
    /// Carries out a command. Returns how many messages it touched.
    func execute(_ command: QueueCommand) async -> Int {
        if command.verb == .flush, case .all = command.selection { return flushAll() }
        var count = 0
        for (step, id) in await select(command).enumerated() {
            if step % 256 == 255 { await Task.yield() }
            let isTouched: Bool
            switch command.verb {
            case .flush: isTouched = flush(id)
            case .hold: isTouched = await hold(id)
            case .release: isTouched = release(id, word: "released from hold")
            case .requeue: isTouched = await requeue(id)
            case .delete: isTouched = await delete(id)
            }
            if isTouched { count += 1 }
        }
        feed()
        return count
    }

    private func select(_ command: QueueCommand) async -> [QueueID] {
        switch command.selection {
        case .message(let id): return [id]
        case .all: return candidates(command.verb).map(\.id)
        case .site(let domain):
            let key = domain.utf8.map(ASCII.lowercased)
            var found: [QueueID] = []
            for (step, (id, directory)) in candidates(command.verb).enumerated() {
                if step % 64 == 63 { await Task.yield() }
                let isForSite: Bool
                if let message = active[id] {
                    isForSite = message.todo.contains { message.envelope.recipients[$0].address.domainKey == key }
                } else if let stored = (try? storedInLog(id, logged[id])) ?? (try? files.load(id, in: directory)) {
                    isForSite = stored.envelope.recipients.indices.contains {
                        stored.states[$0] == .todo && stored.envelope.recipients[$0].address.domainKey == key
                    }
                } else {
                    // Gone meanwhile, or no message: not for this site.
                    isForSite = false
                }
                if isForSite { found.append(id) }
            }
            return found
        }
    }

    /// The messages that a command may concern.
    private func candidates(_ verb: QueueCommand.Verb) -> [(id: QueueID, directory: QueueDirectory)] {
        var found: [(id: QueueID, directory: QueueDirectory)] = []
        if verb != .release { found += due.messages.map { ($0.id, .deferred) } }
        if verb == .hold || verb == .requeue || verb == .delete {
            found += active.values.map { ($0.id, $0.directory) }
            found += inBacklog.map { ($0, .incoming) }
        }
        if verb == .release || verb == .requeue || verb == .delete {
            do {
                found += try files.directories.ids(in: .hold).map { ($0, .hold) }
            } catch {
                log.warning("\(error)")
            }
        }
        return found.sorted { $0.id < $1.id }
    }

    private func flushAll() -> Int {
        let count = due.count
        if !settings.deferredTransports.isEmpty { flushed = Set(due.messages.map(\.id)) }
        scheduler.reviveAll(now: clock.now())
        due.flush(now: clock.now())
        feed()
        return count
    }

    private func flush(_ id: QueueID) -> Bool {
        guard due.due(of: id) != nil else { return false }
        flushed.insert(id)
        due.schedule(id, due: clock.now())
        return true
    }

    /// A message with deliveries under way is tried afresh, and routed anew, as soon as their results are in.
    private func requeue(_ id: QueueID) async -> Bool {
        if let message = active[id] {
            // What is deleted is not to come back.
            if message.wish == .delete { return false }
            message.wish = .requeue
            await withdraw(message)
            return true
        }
        if release(id, word: "requeued") { return true }
        // What waits to become active is resolved afresh in any case.
        if inBacklog.contains(id) { return true }
        guard flush(id) else { return false }
        log.info("\(id): requeued", fields: .event("requeued", id))
        return true
    }

    private func hold(_ id: QueueID) async -> Bool {
        if let message = active[id] {
            if message.wish == .delete { return false }
            message.wish = .hold
            await withdraw(message)
            return true
        }
        guard let directory = forget(id) else { return false }
        leave(id, directory)
        do {
            try files.move(id, from: directory, to: .hold)
            log.info("\(id): placed on hold", fields: .event("hold", id))
            return true
        } catch {
            log.warning("\(error)")
            remember(id, directory)
            return false
        }
    }

    private func release(_ id: QueueID, word: String) -> Bool {
        let now = clock.now()
        do {
            try files.postpone(id, from: .hold, until: now)
        } catch  where error.isNotFound {
            return false
        } catch {
            log.warning("\(error)")
            return false
        }
        flushed.insert(id)
        due.schedule(id, due: now)
        log.info("\(id): \(word)", fields: .event("release", id))
        return true
    }

    private func delete(_ id: QueueID) async -> Bool {
        if let message = active[id] {
            message.wish = .delete
            await withdraw(message)
            // What is under way may succeed; nothing else comes of the message, also where this program ends before.
            if active[id] === message { removeAtOnce(message) }
            return true
        }
        if logged[id] != nil {
            guard settleLogged(id) else { return false }
        } else {
            let directory = forget(id) ?? .hold
            do {
                try removeFile(id, from: directory)
            } catch  where error.isNotFound {
                return false
            } catch {
                log.warning("\(error)")
                remember(id, directory)
                return false
            }
        }
        unwritten[id] = nil
        log.info("\(id): removed", fields: .event("removed", id))
        await bounce.forget(id)
        return true
    }

    private func removeAtOnce(_ message: ActiveMessage) {
        do throws(SystemError) {
            try removeFile(message.id, from: message.directory, isFile: message.place == nil)
        } catch {
            // Then at the end of the round.
            guard error.isNotFound else { return log.warning("\(message.id): cannot remove: \(error)") }
        }
        message.isRemoved = true
    }

    /// Ends with a message that waits in a commit log; it needs no file for that.
    private func settleLogged(_ id: QueueID) -> Bool {
        do throws(SystemError) {
            try removeFile(id, from: .incoming, isFile: false)
        } catch {
            guard error.isNotFound else {
                log.warning("\(id): \(error)")
                return false
            }
        }
        logged[id] = nil
        _ = forget(id)
        return true
    }

    /// Takes an inactive message out of memory; where its file stands.
    private func forget(_ id: QueueID) -> QueueDirectory? {
        let isInLog = logged[id] != nil
        guard needFile(id) else { return nil }
        flushed.remove(id)
        toBeHeld.remove(id)
        let (wasDue, wasInBacklog) = (due.remove(id), inBacklog.remove(id) != nil)
        if isInLog || wasInBacklog { return .incoming }
        return wasDue ? .deferred : nil
    }

    /// Undoes ``forget(_:)`` where the file would not move: without that nobody would look at it before the next start.
    private func remember(_ id: QueueID, _ directory: QueueDirectory) {
        switch directory {
        case .deferred: due.schedule(id, due: clock.now() + settings.retry.minimalBackoff)
        case .incoming: enlist(id)
        default: return
        }
    }

    /// Takes back what of a message has not been begun; ends its round when nothing is under way.
    private func withdraw(_ message: ActiveMessage) async {
        let withdrawn = scheduler.withdraw(message: message.id, now: clock.now())
        message.outstanding -= withdrawn.count
        if message.outstanding == 0 && !withdrawn.isEmpty { await finishRound(message) }
    }
}
