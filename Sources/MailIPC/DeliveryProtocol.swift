// The delivery protocol: qmgr asks an agent to make one attempt for some recipients of one message that share a transport and a next hop.
//
// Client: sends `deliver` (a DeliveryRequest), with the content in it, or after passing a descriptor of the queue file, opened read-only, over the side channel.
// Server: `delivered` (a DeliveryReply), once. A stream that ends without it leaves every recipient deferred.
//
// An agent without an event loop takes many requests and does them in one go. Before one that may take long (a command, a mailbox with a lock) it
// sends `busy` on that request's stream. The client takes back every other stream of the connection, answers `paused` on the same stream, and opens
// no new one until the request is answered. The agent throws away the requests that come before `paused`: they were not attempted, and the client
// gives them to other processes. Frames come in order, so both ends agree on which requests these are.

public import MailModel

public enum DeliveryFrame {
    public static let deliver: UInt8 = 16
    public static let delivered: UInt8 = 17
    public static let busy: UInt8 = 18
    public static let paused: UInt8 = 19
}

/// One attempt.
public struct DeliveryRequest: ByteCodable, Hashable {
    public var queueID: QueueID
    /// The transport's name in master.cf; an agent logs under it.
    public var transport: String
    /// `example.org`, `[192.0.2.1]:2525`, a user-defined word for `local`; may be empty.
    public var nextHop: String
    /// The message's envelope with just the recipients of this attempt.
    public var envelope: Envelope
    public var contentFacts: ContentFacts
    /// Where in the passed descriptor the content begins, and how long it is.
    public var contentOffset: UInt64
    public var contentLength: UInt64
    /// When qmgr took the message up for this round, microseconds since 1970 (for `delays=`).
    public var activated: Int64
    /// The content, where it is small and not in a file; no descriptor comes then.
    public var content: [UInt8]?

    public init(
        queueID: QueueID, transport: String, nextHop: String, envelope: Envelope, contentFacts: ContentFacts, contentOffset: UInt64,
        contentLength: UInt64, activated: Int64, content: [UInt8]? = nil
    ) {
        self.queueID = queueID
        self.transport = transport
        self.nextHop = nextHop
        self.envelope = envelope
        self.contentFacts = contentFacts
        self.contentOffset = contentOffset
        self.contentLength = contentLength
        self.activated = activated
        self.content = content
    }

    public func encode(into encoder: inout ByteEncoder) {
        queueID.encode(into: &encoder)
        encoder.put(transport)
        encoder.put(nextHop)
        envelope.encode(into: &encoder)
        encoder.put(contentFacts.rawValue)
        encoder.put(contentOffset)
        encoder.put(contentLength)
        encoder.put(activated)
        encoder.put(optional: content) { $0.put(bytes: $1) }
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(
            queueID: try QueueID(from: &decoder), transport: try decoder.takeString(limit: 256),
            nextHop: try decoder.takeString(limit: 4096),
            envelope: try Envelope(from: &decoder), contentFacts: ContentFacts(rawValue: try decoder.take(UInt32.self)),
            contentOffset: try decoder.take(UInt64.self), contentLength: try decoder.take(UInt64.self),
            activated: try decoder.take(Int64.self), content: try decoder.takeOptional { d throws(ByteDecodingError) in try d.takeBytes() })
    }
}

/// What became of the attempt.
public struct DeliveryReply: ByteCodable, Hashable {
    /// One for each recipient of the request, in its order. Fewer: the rest are deferred.
    public var outcomes: [RecipientOutcome]
    /// The destination itself was in trouble (no connection, no greeting, handshake failed): the reason. The scheduler backs off.
    public var destinationTrouble: RecipientOutcome?

    public init(outcomes: [RecipientOutcome], destinationTrouble: RecipientOutcome? = nil) {
        self.outcomes = outcomes
        self.destinationTrouble = destinationTrouble
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(list: outcomes) { $1.encode(into: &$0) }
        encoder.put(optional: destinationTrouble) { $1.encode(into: &$0) }
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        outcomes = try decoder.takeList { d throws(ByteDecodingError) in try RecipientOutcome(from: &d) }
        destinationTrouble = try decoder.takeOptional { d throws(ByteDecodingError) in try RecipientOutcome(from: &d) }
    }
}
