// The facts of a delivery for the structured log: the same names whichever agent made it.

public import MailLog
public import MailModel

/// When the steps of a delivery attempt happened, in microseconds since 1970.
public struct DeliveryMoments: Hashable, Sendable {
    /// The message arrived.
    public var arrival: Int64
    /// qmgr took it up for this round.
    public var activated: Int64
    /// The request came to the agent.
    public var handedOver: Int64
    /// The session with the peer was ready; the same as `handedOver` where there is none.
    public var connected: Int64
    public var finished: Int64

    public init(arrival: Int64, activated: Int64, handedOver: Int64, connected: Int64, finished: Int64) {
        self.arrival = arrival
        self.activated = activated
        self.handedOver = handedOver
        self.connected = connected
        self.finished = finished
    }
}

extension LogFields {
    /// The event of a line about one message.
    public static func event(_ name: String, _ id: QueueID) -> LogFields {
        ["event": .text(name), "queue_id": .text(id.text)]
    }

    /// What became of one recipient.
    public static func delivery(
        _ id: QueueID, sender: MailAddress, _ recipient: MailAddress, original: MailAddress?, _ outcome: RecipientOutcome,
        _ moments: DeliveryMoments
    ) -> LogFields {
        var fields = LogFields.event("delivery", id)
        fields.add("sender", .text(sender.logForm))
        fields.add("recipient", .text(recipient.logForm))
        if let original, original != recipient { fields.add("original_recipient", .text(original.logForm)) }
        fields.add("relay", .text(outcome.relay))
        fields.add("delay", .duration(moments.finished - moments.arrival))
        fields.add("delay_before_qmgr", .duration(moments.activated - moments.arrival))
        fields.add("delay_in_qmgr", .duration(moments.handedOver - moments.activated))
        fields.add("delay_connection", .duration(moments.connected - moments.handedOver))
        fields.add("delay_transmission", .duration(moments.finished - moments.connected))
        fields.add("dsn", .text("\(outcome.status)"))
        fields.add("status", .text(outcome.logWord))
        fields.add("action", .text(word(outcome.action)))
        fields.add("reason", .text(outcome.reason))
        fields.add("remote_mta", ifAny: outcome.remoteMTA)
        fields.add("diagnostic", ifAny: outcome.diagnostic)
        return fields
    }

    private static func word(_ action: RecipientOutcome.Action) -> String {
        switch action {
        case .delivered: "delivered"
        case .relayed, .relayedWithoutDSN: "relayed"
        case .expanded: "expanded"
        case .deferred: "deferred"
        case .bounced: "failed"
        case .discarded: "discarded"
        }
    }
}
