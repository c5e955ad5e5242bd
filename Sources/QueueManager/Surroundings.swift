// What the queue manager needs from outside, as protocols: the tests put in their own time, agents and bounce service.

public import AddressRouting
public import MailIPC
public import MailModel
public import ServiceKit

/// Time and chance.
public struct QueueClock: Sendable {
    /// Microseconds since 1970.
    public var now: @Sendable () -> Int64
    /// Evenly distributed over all values.
    public var random: @Sendable () -> UInt64

    public init(now: @escaping @Sendable () -> Int64, random: @escaping @Sendable () -> UInt64) {
        self.now = now
        self.random = random
    }
}

/// How an attempt to have a delivery made ended.
public enum AgentAnswer: Hashable, Sendable {
    case reply(DeliveryReply)
    /// The queue file could not be opened: nothing was tried. The reason.
    case noFile(String)
    /// No agent could be reached: nothing was tried. The reason.
    case unreachable(String)
    /// The agent broke off: what was done is unknown. The reason.
    case broken(String)
}

/// The delivery agents.
@ServiceActor
public protocol DeliveryAgents: AnyObject {
    /// Has one delivery made.
    ///
    /// - Parameter path: the queue file, for a request that has not the content in it.
    func deliver(_ request: DeliveryRequest, path: String) async -> AgentAnswer
    /// Told, as soon as that is known, how many deliveries one process of a transport takes at a time.
    var onCapacity: (@ServiceActor (_ transport: String, _ capacity: Int) -> Void)? { get set }
}

/// The bounce service. What it acknowledges is durable.
@ServiceActor
public protocol BounceRecording: AnyObject {
    /// Records outcomes; for each whether it is recorded.
    func append(_ records: [BounceRecord]) async -> [Bool]
    /// Has a report queued; false when it is not known to be. Nothing to report is true.
    func notify(_ notice: BounceNotice) async -> Bool
    /// Drops the logs of a message that is gone. Best effort.
    func forget(_ id: QueueID) async
    /// The records of the defer log; empty where there are none or the service does not answer.
    func deferrals(of id: QueueID) async -> [BounceRecord]
}

/// Where a recipient goes.
public typealias RecipientRouting = @Sendable (MailAddress) -> RoutingResult
