// The end of a round: reports, then removal, or the next attempt.
//
// Order (ARCHITECTURE.md, S6 to S8): what expired is recorded as failed; the failure report is queued durably; success reports; only then
// is the file unlinked. A step that is not acknowledged postpones the message: it is never removed for want of a report.

import MailIPC
import MailLog
import MailModel
import MailQueue
import Scheduling
import ServiceKit
import SystemKit

extension QueueManager {
    func finishRound(_ message: ActiveMessage) async {
        if message.wish == .delete {
            await remove(message)
            return
        }
        if message.wish == .forget {
            message.isRemoved = true
            end(message)
            if message.hasLogs { await bounce.forget(message.id) }
            return
        }
        let sender = message.envelope.sender
        if !message.isFinished && message.wish != .hold
            && settings.retry.isExpired(arrival: message.envelope.arrival, isNullSender: sender.isNull, now: clock.now())
        {
            log.info(
                "\(message.id): from=<\(sender.logForm)>, status=expired, returned to sender",
                fields: .event("expired", message.id) + [
                    "sender": .text(sender.logForm), "age": .duration(clock.now() - message.envelope.arrival),
                ])
            await expire(message)
        }
        let isReported = await report(message)
        // Ordered while the report was made: what is deleted is not to come back in the next round.
        if message.wish == .delete {
            await remove(message)
            return
        }
        if message.isFinished && isReported {
            await remove(message)
        } else if message.wish == .hold {
            end(message)
            if keepInLog(message, until: clock.now() + settings.retry.minimalBackoff) {
                toBeHeld.insert(message.id)
                return feed()
            }
            move(message.id, from: message.directory, to: .hold)
            log.info("\(message.id): placed on hold", fields: .event("hold", message.id))
            feed()
        } else {
            if !message.isFinished && message.wish == nil { await warnOfDelay(message) }
            postpone(message)
        }
    }

    /// Records every recipient that is left as failed, with the reason of its last deferral.
    private func expire(_ message: ActiveMessage) async {
        var earlier: [BounceRecord] = []
        let todo = message.todo
        if todo.contains(where: { message.deferrals[$0] == nil }) { earlier = await bounce.deferrals(of: message.id) }
        // RFC 3463 section 3.5, X.4.7: delivery time expired.
        let unknown = RecipientOutcome(.deferred, EnhancedStatusCode(4, 4, 7), "delivery time expired")
        var changes: [(recipient: Int, state: RecipientState)] = []
        var records: [BounceRecord] = []
        var recorded: [Int] = []
        for index in todo {
            let recipient = message.envelope.recipients[index]
            var outcome = message.deferrals[index] ?? earlier.last { $0.recipient.address == recipient.address }?.outcome ?? unknown
            outcome.action = .bounced
            guard recipient.notify.reportsFailure else {
                changes.append((index, .bounced))
                continue
            }
            records.append(BounceRecord(log: .bounce, queueID: message.id, recipient: recipient, outcome: outcome, time: clock.now()))
            recorded.append(index)
        }
        if !records.isEmpty {
            message.hasLogs = true
            for (index, isWritten) in zip(recorded, await bounce.append(records)) where isWritten {
                message.hasUnreportedFailures = true
                changes.append((index, .bounced))
            }
        }
        mark(message, changes, endsRound: true)
    }

    /// Has the sender told of failures and successes; false when a report that is due is not queued.
    private func report(_ message: ActiveMessage) async -> Bool {
        // The report has content of the file.
        if message.hasUnreportedFailures || message.hasUnreportedSuccesses {
            guard needFile(message) else { return false }
        }
        if message.hasUnreportedFailures {
            guard await bounce.notify(notice(.failure, message)) else {
                log.warning("\(message.id): bounce service failure: the report is tried again later")
                return false
            }
            message.hasUnreportedFailures = false
        }
        if message.hasUnreportedSuccesses {
            guard await bounce.notify(notice(.success, message)) else {
                log.warning("\(message.id): trace service failure: the report is tried again later")
                return false
            }
            message.hasUnreportedSuccesses = false
        }
        return true
    }

    private func notice(_ kind: BounceNotice.Kind, _ message: ActiveMessage, retryUntil: Int64 = 0) -> BounceNotice {
        var envelope = message.envelope
        envelope.recipients = []
        return BounceNotice(
            kind: kind, queueID: message.id, directory: message.directory.name, envelope: envelope, retryUntil: retryUntil)
    }

    /// Tells the sender once that the message is late.
    private func warnOfDelay(_ message: ActiveMessage) async {
        let envelope = message.envelope
        guard !message.delayNoticeSent, !envelope.sender.isNull,
            settings.retry.isWarningDue(arrival: envelope.arrival, now: clock.now()),
            message.todo.contains(where: { envelope.recipients[$0].notify.reportsDelay })
        else { return }
        needFile(message)
        let until = settings.retry.expiry(arrival: envelope.arrival, isNullSender: false)
        guard await bounce.notify(notice(.delay, message, retryUntil: until)) else {
            log.warning("\(message.id): bounce service failure: the delay warning is tried again later")
            return
        }
        message.delayNoticeSent = true
        do {
            try QueueFileMark.setDelayNoticeSent(path: files.path(message.directory, message.id))
        } catch {
            log.warning("\(message.id): cannot note the delay warning, it may be sent twice: \(error)")
        }
    }

    private func postpone(_ message: ActiveMessage) {
        end(message)
        let now = clock.now()
        let next: Int64
        if message.isFinished {
            next = now + settings.retry.minimalBackoff
        } else if message.wish == .requeue {
            flushed.insert(message.id)
            log.info("\(message.id): requeued", fields: .event("requeued", message.id))
            next = now
        } else {
            next = settings.retry.nextAttempt(
                arrival: message.envelope.arrival, isNullSender: message.envelope.sender.isNull, now: now, random: clock.random())
        }
        if keepInLog(message, until: next) { return feed() }
        leave(message.id, message.directory)
        do {
            try files.postpone(message.id, from: message.directory, until: next)
            due.schedule(message.id, due: next)
        } catch  where error.isNotFound {
            log.warning("\(message.id): \(error)")
        } catch {
            // A full or broken disk. The file is still where it was; the scan of incoming, or the time already set, brings it back.
            log.warning("\(message.id): cannot postpone: \(error)")
            if message.directory == .deferred { due.schedule(message.id, due: next) }
        }
        feed()
    }

    private func remove(_ message: ActiveMessage) async {
        do {
            try removeFile(message.id, from: message.directory, isFile: message.place == nil)
        } catch  where error.isNotFound {
            // Most messages of a log never were files.
            if message.place == nil && !message.isRemoved { log.warning("\(message.id): \(error)") }
        } catch {
            log.warning("\(message.id): cannot remove: \(error)")
            writeStates(message, of: Array(message.states.indices))
            postpone(message)
            return
        }
        message.isRemoved = true
        end(message)
        log.info(
            "\(message.id): removed",
            fields: .event("removed", message.id).adding("age", .duration(clock.now() - message.envelope.arrival)))
        // Dropping logs is only tidiness.
        if message.hasLogs { await bounce.forget(message.id) }
    }
}
