// Where one recipient goes: to a destination, or to an answer that the queue manager gives itself.

import AddressRouting
import MailModel
import Scheduling
import ServiceKit

/// What routing makes of a recipient.
enum Place {
    case destination(Destination)
    /// Answered here, with a log line under the name of the program that does this elsewhere.
    case answer(program: String, RecipientOutcome)
}

extension QueueManager {
    func place(_ index: Int, of message: ActiveMessage) -> Place {
        let recipient = message.envelope.recipients[index]
        switch route(recipient.address) {
        case .failed(let status, let reason):
            return .answer(program: "error", RecipientOutcome(.bounced, status.with(statusClass: 5), reason))
        case .deferred(let status, let reason):
            return .answer(program: "retry", RecipientOutcome(.deferred, status.with(statusClass: 4), reason))
        case .route(let found):
            if settings.discardTransports.contains(found.transport) {
                return .answer(program: "discard", RecipientOutcome(.discarded, EnhancedStatusCode(2, 0, 0), found.nextHop))
            }
            if !message.isFlushed && settings.deferredTransports.contains(found.transport) {
                return .answer(program: "retry", RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 2), "deferred transport"))
            }
            if found.recipient != recipient.address { message.routedAddresses[index] = found.recipient }
            return .destination(
                Destination(transport: found.transport, nextHop: found.nextHop, key: windowKey(found)))
        }
    }

    /// Windows are by next hop, without case. With a recipient limit of 1 they are by recipient, as in Postfix: a user whose mailbox is
    /// slow does not hold up the others.
    private func windowKey(_ found: Route) -> String {
        let nextHop = String(decoding: found.nextHop.utf8.map(ASCII.lowercased), as: UTF8.self)
        guard settings.policy(found.transport).recipientLimit == 1 else { return nextHop }
        return ASCII.printable(found.recipient.localPart.map(ASCII.lowercased)) + "@" + nextHop
    }
}
