// The beginning of a round of attempts: a message is read where it stands, its recipients are routed, and the scheduler gets them. And the
// end, when its place is another's.

import MailLog
import MailModel
import MailQueue
import Scheduling
import ServiceKit

extension QueueManager {
    /// Reads a message and begins a round of attempts.
    func activate(_ id: QueueID, from directory: QueueDirectory, lane: ActiveShares.Lane? = nil, wasTried: Bool = false) {
        if toBeHeld.contains(id) { return holdNow(id) }
        let isFlushed = flushed.remove(id) != nil
        do throws(QueueFileError) {
            let place = directory == .incoming ? logged.removeValue(forKey: id) : nil
            let inLog = try storedInLog(id, place)
            var stored: StoredMessage
            if let inLog { stored = inLog } else { stored = try files.load(id, in: directory) }
            let known = unwritten.removeValue(forKey: id)
            if let known, known.count == stored.states.count { stored.states = known }
            guard !stored.envelope.recipients.isEmpty else { throw .notAQueueFile("no recipients") }
            if directory == .incoming && stored.envelope.isHeld {
                move(id, from: .incoming, to: .hold)
                return
            }
            let message = ActiveMessage(stored, id: id, directory: directory, activated: clock.now(), isFlushed: isFlushed)
            if inLog != nil { message.place = place }
            message.hasUnwrittenStates = known != nil
            // Also what an earlier life of this program may have had recorded before it died.
            if wasTried || stored.envelope.arrival < began { message.hasLogs = true }
            begin(message, from: lane)
        } catch {
            setAside(id, in: directory, because: error)
        }
    }

    /// Routes the recipients of a message and hands them to the scheduler, or has it wait in a lane.
    func begin(_ message: ActiveMessage, from lane: ActiveShares.Lane? = nil) {
        let todo = message.todo
        var placements: [RecipientPlacement] = []
        var answers: [(program: String, result: RecipientResult)] = []
        for index in todo {
            switch place(index, of: message) {
            case .destination(let destination):
                placements.append(RecipientPlacement(recipient: UInt32(index), destination: destination))
            case .answer(let program, let outcome):
                answers.append((program, RecipientResult(index: index, outcome: outcome)))
            }
        }
        let sender = ActiveShares.senderKey(message.envelope.sender)
        let ticket = ActiveShares.Ticket(sender: sender, placements: placements, recipients: todo.count)
        // What the administrator asked for does not wait.
        if !message.isFlushed, let lane = shares.lane(for: ticket, from: lane) {
            // It is read again when it is its turn.
            shares.wait(message.id, ticket, in: lane)
            if message.directory == .deferred {
                due.schedule(message.id, due: QueueManager.inLane)
            } else {
                inBacklog.insert(message.id)
                logged[message.id] = message.place
            }
            if message.hasUnwrittenStates { unwritten[message.id] = message.states }
            return
        }
        active[message.id] = message
        shares.enter(ticket)
        message.ticket = ticket
        message.outstanding = todo.count
        log.info(
            "\(message.id): from=<\(message.envelope.sender.logForm)>, size=\(message.contentLength), "
                + "nrcpt=\(message.envelope.recipients.count) (queue active)",
            fields: .event("active", message.id) + [
                "sender": .text(message.envelope.sender.logForm), "size": .number(Int64(clamping: message.contentLength)),
                "nrcpt": .number(Int64(message.envelope.recipients.count)), "nrcpt_to_do": .number(Int64(todo.count)),
                "queue_name": .text(message.directory.name), "age": .duration(clock.now() - message.envelope.arrival),
            ])
        guard !todo.isEmpty else {
            run { await self.finishRound(message) }
            return
        }
        if message.isFlushed { for placement in placements { scheduler.revive(placement.destination, now: clock.now()) } }
        for (program, result) in answers { log.recipient(message, result.index, result.outcome, program: program, now: clock.now()) }
        let suspended = scheduler.add(
            message: message.id, recipients: placements, sender: sender, isRetry: message.directory == .deferred, now: clock.now())
        if !answers.isEmpty { run { await self.conclude(message, answers.map(\.result)) } }
        suspend(suspended)
    }

    /// The round of a message is over; another may have its place.
    func end(_ message: ActiveMessage) {
        guard active[message.id] === message else { return }
        let wasFull = !hasRoom
        active[message.id] = nil
        if message.hasUnwrittenStates && !message.isRemoved { unwritten[message.id] = message.states }
        if let ticket = message.ticket { shares.leave(ticket) }
        if wasFull || shares.isAnyoneWaiting { feedLater() }
    }
}
