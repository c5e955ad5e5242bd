// From failures and replies to outcomes: what is final now, and what waits for the next host (Postfix, smtp_trouble.c).

import MailIPC
import MailLog
import MailModel
import SMTPProtocol
import ServiceKit

extension Delivery {
    /// A recipient's outcome is known: kept, and logged.
    private func settle(_ index: Int, _ outcome: RecipientOutcome, use: Int) {
        outcomes[index] = outcome
        remaining.removeAll { $0 == index }
        pending[index] = nil
        let recipient = request.envelope.recipients[index]
        let now = agent.clock()
        let line = DeliveryLog.line(
            request.queueID, recipient, outcome, times, now: now, use: use, decimals: agent.parameters.delayResolution)
        agent.log.info(
            line,
            fields: .delivery(
                request.queueID, sender: request.envelope.sender, recipient.address, original: recipient.originalAddress, outcome,
                DeliveryMoments(
                    arrival: times.arrival, activated: times.activated, handedOver: times.handedOver, connected: times.connected ?? now,
                    finished: now)
            ).adding("connection_use", .number(Int64(use))))
    }

    private func outcome(of failure: ClientFailure, _ endpoint: Endpoint?) -> RecipientOutcome {
        RecipientOutcome(
            failure.isSoft ? .deferred : .bounced, failure.status, failure.reason,
            remoteMTA: failure.reply == nil ? "" : endpoint?.host ?? "",
            diagnostic: failure.reply?.quoted ?? "", relay: endpoint?.relay ?? "none")
    }

    private func settle(_ index: Int, _ failure: ClientFailure, _ endpoint: Endpoint?, use: Int) {
        let outcome = outcome(of: failure, endpoint)
        settle(index, outcome, use: use)
        // The scheduler backs off from a destination whose hosts as such fail, and only for what may pass.
        if failure.scope == .host && failure.isSoft { trouble = outcome }
    }

    /// A failure without a host that said it: no host found, no connection. The last one stands if nothing better follows.
    func noteForAll(_ failure: ClientFailure) {
        for index in remaining { pending[index] = Pending(failure: failure, endpoint: nil, use: 1) }
    }

    /// A host as such failed.
    func hostFailed(_ failure: ClientFailure, _ endpoint: Endpoint, use: Int, isLast: Bool) {
        if !isLast && failure.allowsAnotherHost {
            agent.log.info("\(request.queueID): \(failure.reason)")
            for index in remaining { pending[index] = Pending(failure: failure, endpoint: endpoint, use: use) }
            return
        }
        for index in remaining { settle(index, failure, endpoint, use: use) }
    }

    /// The message cannot go to this host.
    func messageFailed(_ failure: ClientFailure, _ conversation: Conversation, isLast: Bool) {
        hostFailed(failure, conversation.endpoint, use: conversation.session.transactionCount, isLast: isLast)
    }

    /// Takes the results of a transaction.
    func take(_ verdicts: [ClientSession.Verdict], _ indexes: [Int], _ conversation: Conversation, isLast: Bool) {
        let endpoint = conversation.endpoint
        let use = conversation.session.transactionCount
        var logged: Set<String> = []
        for (index, verdict) in zip(indexes, verdicts) {
            switch verdict {
            case .accepted(let reply):
                settle(index, accepted(reply, conversation), use: use)
            case .failed(let failure):
                guard !isLast && failure.allowsAnotherHost else {
                    settle(index, failure, endpoint, use: use)
                    continue
                }
                // Said once for all the recipients that it concerns.
                if logged.insert(failure.reason).inserted { agent.log.info("\(request.queueID): \(failure.reason)") }
                pending[index] = Pending(failure: failure, endpoint: endpoint, use: use)
            }
        }
    }

    private func accepted(_ reply: ClientReply, _ conversation: Conversation) -> RecipientOutcome {
        // RFC 3461 section 5.2: a peer that offers DSN reports the success itself; else we say that the message was relayed.
        let action: RecipientOutcome.Action
        if conversation.session.capabilities.offers(.dsn) {
            action = .relayed
        } else if agent.parameters.isLMTP && agent.parameters.assumesFinal {
            action = .delivered
        } else {
            action = .relayedWithoutDSN
        }
        return RecipientOutcome(
            action, reply.status ?? EnhancedStatusCode(2, 0, 0), reply.quoted, remoteMTA: conversation.endpoint.host,
            diagnostic: reply.quoted,
            relay: conversation.endpoint.relay)
    }

    /// Recipients for whom no host was left.
    func finishLeftOvers() {
        for index in remaining {
            if let last = pending[index] {
                settle(index, last.failure, last.endpoint, use: last.use)
            } else {
                // Hosts were found and none was tried: the only one is that of a kept connection.
                let excuse = ClientFailure(.message, EnhancedStatusCode(4, 3, 0), "server unavailable or unable to receive mail")
                settle(index, excuse, nil, use: 1)
            }
        }
    }
}
