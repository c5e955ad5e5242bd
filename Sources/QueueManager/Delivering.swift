// Deliveries: from the scheduler to an agent, and the results into the queue.
//
// The order of durable steps for a recipient is fixed (ARCHITECTURE.md, S4 and S5): a failure is recorded by `bounce` and acknowledged
// before the state byte says so; a delivery is marked as soon as the agent says it. A result that is unknown defers.

import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit
import SystemKit

/// The result of one recipient.
struct RecipientResult: Sendable {
    let index: Int
    let outcome: RecipientOutcome
}

extension QueueManager {
    /// Starts every delivery that the limits allow.
    func pump() {
        guard !isDraining else { return }
        while let delivery = scheduler.nextDelivery(now: clock.now()) { run { await self.deliver(delivery) } }
        if scheduler.nextWakeUp(now: clock.now()) != nil { onWakeUpChange() }
    }

    private func deliver(_ delivery: Delivery) async {
        guard let message = active[delivery.message] else {
            _ = scheduler.finished(delivery.id, feedback: .unknown, now: clock.now())
            return
        }
        let indices = delivery.recipients.map { Int($0) }
        let answer = await attempt(delivery, message, indices)
        var feedback = DeliveryFeedback.unknown
        var results: [RecipientResult] = []
        switch answer {
        case .reply(let reply):
            feedback = reply.destinationTrouble.map { .unreachable(SuspensionCause(status: $0.status, reason: $0.reason)) } ?? .reached
            let missing = RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "delivery agent gave no result")
            results = indices.enumerated().map { position, index in
                RecipientResult(index: index, outcome: position < reply.outcomes.count ? reply.outcomes[position] : missing)
            }
            for result in results.dropFirst(reply.outcomes.count) {
                log.recipient(message, result.index, result.outcome, program: "retry", now: clock.now())
            }
        case .noFile where (try? Files.exists(files.path(message.directory, message.id))) == false:
            // Removed by hand, or announced after it was found by the scan and delivered. There is nothing that could be tried again.
            log.warning("\(message.id): the queue file is gone")
            message.wish = .forget
            results = indices.map { RecipientResult(index: $0, outcome: RecipientOutcome(.discarded, EnhancedStatusCode(2, 0, 0), "")) }
        case .noFile(let reason):
            log.warning("\(message.id): \(reason)")
            results = answerAll(indices, of: message, RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "queue file access error"))
        case .unreachable(let reason):
            log.warning("connect to transport \(delivery.destination.transport): \(reason)")
            let cause = SuspensionCause(status: EnhancedStatusCode(4, 3, 0), reason: "mail transport unavailable")
            results = answerAll(indices, of: message, RecipientOutcome(.deferred, cause.status, cause.reason))
            suspend(scheduler.suspend(transport: delivery.destination.transport, cause: cause, now: clock.now()))
        case .broken(let reason):
            log.warning("transport \(delivery.destination.transport) failure: \(reason)")
            results = answerAll(
                indices, of: message, RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "unknown mail transport error"))
        }
        suspend(scheduler.finished(delivery.id, feedback: feedback, now: clock.now()))
        pump()
        await conclude(message, results)
    }

    /// A process with an event loop takes many deliveries at a time, and the limit of processes is one of deliveries then.
    func learn(capacity: Int, of transport: String) {
        guard capacity > 0, knownCapacities[transport, default: 1] != capacity else { return }
        knownCapacities[transport] = capacity
        let processes = settings.policy(transport).processLimit
        guard processes > 0 else { return }
        let (product, overflow) = processes.multipliedReportingOverflow(by: capacity)
        scheduler.setProcessLimit(overflow ? QueueManager.mostDeliveries : min(product, QueueManager.mostDeliveries), transport: transport)
        pump()
    }

    private func attempt(_ delivery: Delivery, _ message: ActiveMessage, _ indices: [Int]) async -> AgentAnswer {
        var envelope = message.envelope
        envelope.recipients = indices.map { index in
            var recipient = message.envelope.recipients[index]
            if let routed = message.routedAddresses[index] {
                if recipient.originalAddress == nil { recipient.originalAddress = recipient.address }
                recipient.address = routed
            }
            return recipient
        }
        let request = DeliveryRequest(
            queueID: message.id, transport: delivery.destination.transport, nextHop: delivery.destination.nextHop, envelope: envelope,
            contentFacts: message.contentFacts, contentOffset: message.contentOffset, contentLength: message.contentLength,
            activated: message.activated, content: contentInLog(message))
        return await agents.deliver(request, path: files.path(message.directory, message.id))
    }

    /// The same outcome for recipients that no agent logged.
    private func answerAll(_ indices: [Int], of message: ActiveMessage, _ outcome: RecipientOutcome) -> [RecipientResult] {
        indices.map { index in
            log.recipient(message, index, outcome, program: "retry", now: clock.now())
            return RecipientResult(index: index, outcome: outcome)
        }
    }

    /// Defers what the scheduler gave back without an attempt.
    func suspend(_ suspensions: [Suspension]) {
        for suspension in suspensions {
            guard let message = active[suspension.message] else { continue }
            let outcome = RecipientOutcome(
                .deferred, suspension.cause.status.with(statusClass: 4), "delivery temporarily suspended: \(suspension.cause.reason)")
            let results = answerAll(suspension.recipients.map { Int($0) }, of: message, outcome)
            run { await self.conclude(message, results) }
        }
    }

    /// Takes over results of recipients; when they were the last of the round, ends the round.
    func conclude(_ message: ActiveMessage, _ results: [RecipientResult]) async {
        if message.wish != .delete && message.wish != .forget { await record(message, results) }
        message.outstanding -= results.count
        if message.outstanding == 0 { await finishRound(message) }
    }

    private func record(_ message: ActiveMessage, _ results: [RecipientResult]) async {
        let now = clock.now()
        var changes: [(recipient: Int, state: RecipientState)] = []
        var records: [BounceRecord] = []
        var recorded: [RecipientResult] = []
        func note(_ result: RecipientResult, in log: BounceLog) {
            records.append(
                BounceRecord(
                    log: log, queueID: message.id, recipient: message.envelope.recipients[result.index], outcome: result.outcome, time: now)
            )
            recorded.append(result)
        }
        for result in results {
            let notify = message.envelope.recipients[result.index].notify
            switch result.outcome.action {
            case .bounced:
                // RFC 3461 section 5.2.6: with NOTIFY=NEVER, or without FAILURE, nobody is told.
                if notify.reportsFailure { note(result, in: .bounce) } else { changes.append((result.index, .bounced)) }
            case .deferred: note(result, in: .defer)
            case .delivered, .relayedWithoutDSN, .expanded:
                if notify.reportsSuccess { note(result, in: .trace) }
                changes.append((result.index, .done))
            case .relayed, .discarded: changes.append((result.index, .done))
            }
        }
        if !records.isEmpty {
            message.hasLogs = true
            let written = await bounce.append(records)
            for (position, result) in recorded.enumerated() {
                let isWritten = position < written.count && written[position]
                switch result.outcome.action {
                case .bounced where isWritten:
                    message.hasUnreportedFailures = true
                    changes.append((result.index, .bounced))
                case .bounced:
                    message.deferrals[result.index] = RecipientOutcome(
                        .deferred, EnhancedStatusCode(4, 3, 0), "bounce or trace service failure")
                case .deferred: message.deferrals[result.index] = result.outcome
                default:
                    // Delivered all the same: trying again for the sake of a report would deliver twice.
                    if isWritten {
                        message.hasUnreportedSuccesses = true
                    } else {
                        log.warning("\(message.id): trace service failure: the success report for one recipient is lost")
                    }
                }
            }
        }
        mark(message, changes, endsRound: message.outstanding == results.count)
    }

    /// Writes states to the file. Where the file is to be removed in the next moment, its absence is the mark.
    func mark(_ message: ActiveMessage, _ changes: [(recipient: Int, state: RecipientState)], endsRound: Bool) {
        for (recipient, state) in changes { message.setState(state, of: recipient) }
        if endsRound && message.isFinished && !message.hasUnreportedFailures && !message.hasUnreportedSuccesses { return }
        writeStates(message, of: changes.map(\.recipient))
    }

    /// Writes the states of some recipients to the file, and what could not be written before.
    func writeStates(_ message: ActiveMessage, of changed: [Int]) {
        guard !message.isRemoved else { return }
        guard needFile(message) else {
            message.hasUnwrittenStates = true
            return
        }
        let recipients = message.hasUnwrittenStates ? message.final : changed
        do {
            if message.stateOffsets == nil { message.stateOffsets = try files.load(message.id, in: message.directory).stateOffsets }
            guard let offsets = message.stateOffsets, offsets.count == message.states.count else {
                throw QueueFileError.notAQueueFile("\(message.states.count) recipients announced, others in the file")
            }
            try files.mark(
                recipients.map { (offsets[$0], message.states[$0]) }, path: files.path(message.directory, message.id))
            message.hasUnwrittenStates = false
        } catch {
            // The states in memory hold; after a restart these recipients are tried again (window D2).
            message.hasUnwrittenStates = true
            log.warning("\(message.id): cannot mark recipients: \(error)")
        }
    }
}
