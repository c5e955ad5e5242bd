// What goes into the scheduler and what comes out: values.

public import MailModel

/// Where deliveries that share a window go.
public struct Destination: Hashable, Sendable {
    /// The transport, as in master.cf: `smtp`, `local`.
    public var transport: String
    /// The next hop as the delivery agent is told it.
    public var nextHop: String
    /// What tells windows of one transport apart: the next hop in lower case; for a transport with a recipient limit of 1 the recipient
    /// too, as in Postfix, where a limit of 1 makes the concurrency limit one for each recipient.
    public var key: String

    public init(transport: String, nextHop: String, key: String? = nil) {
        self.transport = transport
        self.nextHop = nextHop
        self.key = key ?? nextHop
    }
}

/// One recipient that is to be scheduled: its index in the message, and where it goes.
public struct RecipientPlacement: Hashable, Sendable {
    public var recipient: UInt32
    public var destination: Destination

    public init(recipient: UInt32, destination: Destination) {
        self.recipient = recipient
        self.destination = destination
    }
}

/// A delivery to be made now. Every delivery that the scheduler hands out must be reported with ``Scheduler/finished(_:feedback:now:)``.
public struct Delivery: Hashable, Sendable {
    public let id: UInt64
    public let message: QueueID
    public let destination: Destination
    /// Indices of recipients of the message.
    public let recipients: [UInt32]
}

/// Why recipients are deferred without an attempt.
public struct SuspensionCause: Hashable, Sendable {
    public var status: EnhancedStatusCode
    /// Printable; what the last attempt failed with.
    public var reason: String

    public init(status: EnhancedStatusCode, reason: String) {
        self.status = status
        self.reason = reason
    }
}

/// Recipients that the scheduler gives back: deferred without an attempt.
public struct Suspension: Hashable, Sendable {
    public let message: QueueID
    public let destination: Destination
    public let recipients: [UInt32]
    public let cause: SuspensionCause
}

/// What a delivery told about its destination, apart from what became of the recipients.
public enum DeliveryFeedback: Hashable, Sendable {
    /// The destination was reached, whatever it said about recipients.
    case reached
    /// Nothing was learnt (the agent died, the message was withdrawn).
    case unknown
    /// The destination was not reached: connection, handshake or greeting failed.
    case unreachable(SuspensionCause)
}
