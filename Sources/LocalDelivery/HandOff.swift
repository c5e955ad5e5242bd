// A recipient that another delivery agent gets (`mailbox_transport`, `fallback_transport`): `local` asks it as qmgr would, over the delivery
// protocol, and passes the content, or the descriptor of the queue file, on (deliver_pass.c of Postfix).
//
// The other agent writes the log line of the recipient. Whatever goes wrong on the way defers.
// Security: the transport's name is the administrator's. The other agent gets what qmgr gave to us, and no more.
// Limits: a connection for each delivery; the agents keep their own connections to where they deliver.

import MailIPC
import MailModel
import SystemKit

/// `transport:nexthop` of a parameter or a table.
struct HandOffTarget: Hashable, Sendable {
    var transport: String
    var nextHop: String

    /// nil where the text is empty.
    init?(_ text: String) {
        let trimmed = ExpansionItem.trimmed(Array(text.utf8)[...])
        guard !trimmed.isEmpty else { return nil }
        let parts = trimmed.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        transport = String(decoding: parts[0], as: UTF8.self)
        nextHop = parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : ""
    }
}

/// One recipient on its way to another agent.
struct HandOff: Hashable, Sendable {
    var target: HandOffTarget
    var sender: MailAddress
    var recipient: EnvelopeRecipient
}

/// The other agents.
struct HandOffClient {
    /// What qmgr asked for.
    let request: DeliveryRequest
    /// The path of a transport's socket.
    let socket: (String) -> String
    /// Milliseconds; an agent has its own, shorter limits.
    let timeout: Int

    func deliver(_ handOff: HandOff, _ content: borrowing MessageContent) -> RecipientOutcome {
        let name = handOff.target.transport
        // The name goes into a path. An agent that hands over to its own kind would do so for ever.
        guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")), name != ".", name != "..", name != request.transport else {
            return HandOffClient.deferred(EnhancedStatusCode(4, 3, 5), "mail system configuration error: bad transport \(name)")
        }
        var envelope = request.envelope
        envelope.sender = handOff.sender
        envelope.recipients = [handOff.recipient]
        let passed = DeliveryRequest(
            queueID: request.queueID, transport: name,
            nextHop: handOff.target.nextHop.isEmpty ? request.nextHop : handOff.target.nextHop, envelope: envelope,
            contentFacts: request.contentFacts, contentOffset: request.contentOffset, contentLength: request.contentLength,
            activated: request.activated, content: request.content)
        do {
            let connection = try BlockingIPCConnection.connect(path: socket(name), protocol: .delivery)
            connection.timeout = timeout
            let stream = connection.open()
            if let descriptor = content.descriptor { try connection.send(descriptor: descriptor, stream: stream) }
            try connection.send(DeliveryFrame.deliver, passed.encoded, stream: stream)
            while let frame = try connection.receive() {
                if frame.stream == stream, frame.type == DeliveryFrame.busy {
                    // Nothing waits behind this request.
                    try connection.send(DeliveryFrame.paused, stream: stream)
                    continue
                }
                guard frame.stream == stream, frame.type == DeliveryFrame.delivered else { break }
                guard let outcome = try DeliveryReply(decoding: frame.payload[...]).outcomes.first else { break }
                return outcome
            }
            return HandOffClient.deferred(EnhancedStatusCode(4, 3, 0), "\(name): no answer from the delivery agent")
        } catch {
            return HandOffClient.deferred(EnhancedStatusCode(4, 3, 0), "\(name): \(error)")
        }
    }

    private static func deferred(_ status: EnhancedStatusCode, _ reason: String) -> RecipientOutcome {
        RecipientOutcome(.deferred, status, reason, relay: "none")
    }
}
