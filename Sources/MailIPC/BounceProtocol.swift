// The bounce protocol: qmgr has the fate of recipients recorded, and reports posted to the sender.
//
// Client: `append` (a BounceRecord), `notify` (a BounceNotice), `forget` (a QueueID: drop every log of the message), or `read` (a QueueID:
// the reasons of the defer log). Server: `done` (empty: durable), `failed` (text: not done, try again later), or `records` (for `read`).

public import MailModel

public enum BounceFrame {
    public static let append: UInt8 = 16
    public static let notify: UInt8 = 17
    public static let forget: UInt8 = 18
    public static let read: UInt8 = 19
    public static let done: UInt8 = 20
    public static let failed: UInt8 = 21
    /// A list of BounceRecord.
    public static let records: UInt8 = 22
}

/// Which log: the directory of the queue it stands in.
public enum BounceLog: UInt8, Sendable, Hashable, CaseIterable {
    /// Failed recipients, `bounce/ID`.
    case bounce = 0
    /// Deferred recipients of the current round, `defer/ID`.
    case `defer` = 1
    /// Recipients whose success is to be reported, `trace/ID`.
    case trace = 2

    public var directory: String {
        switch self {
        case .bounce: "bounce"
        case .defer: "defer"
        case .trace: "trace"
        }
    }
}

/// One line of a log: what became of a recipient.
public struct BounceRecord: ByteCodable, Hashable {
    public var log: BounceLog
    public var queueID: QueueID
    public var recipient: EnvelopeRecipient
    public var outcome: RecipientOutcome
    /// Microseconds since 1970.
    public var time: Int64

    public init(log: BounceLog, queueID: QueueID, recipient: EnvelopeRecipient, outcome: RecipientOutcome, time: Int64) {
        self.log = log
        self.queueID = queueID
        self.recipient = recipient
        self.outcome = outcome
        self.time = time
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(log.rawValue)
        queueID.encode(into: &encoder)
        recipient.encode(into: &encoder)
        outcome.encode(into: &encoder)
        encoder.put(time)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(
            log: try decoder.takeEnum(BounceLog.self), queueID: try QueueID(from: &decoder),
            recipient: try EnvelopeRecipient(from: &decoder),
            outcome: try RecipientOutcome(from: &decoder), time: try decoder.take(Int64.self))
    }
}

/// A report to be composed from a log, and posted.
public struct BounceNotice: ByteCodable, Hashable {
    public enum Kind: UInt8, Sendable, Hashable {
        /// From the bounce log.
        case failure = 0
        /// From the defer log; the message goes on being tried.
        case delay = 1
        /// From the trace log.
        case success = 2
    }
    public var kind: Kind
    public var queueID: QueueID
    /// The directory of the queue in which the message's file stands now: `incoming`, `deferred`.
    public var directory: String
    /// The message's envelope, without recipients.
    public var envelope: Envelope
    /// For a delay report: until when attempts go on, microseconds since 1970 (Will-Retry-Until). Else 0.
    public var retryUntil: Int64

    public init(kind: Kind, queueID: QueueID, directory: String, envelope: Envelope, retryUntil: Int64 = 0) {
        self.kind = kind
        self.queueID = queueID
        self.directory = directory
        self.envelope = envelope
        self.retryUntil = retryUntil
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(kind.rawValue)
        queueID.encode(into: &encoder)
        encoder.put(directory)
        envelope.encode(into: &encoder)
        encoder.put(retryUntil)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(
            kind: try decoder.takeEnum(Kind.self), queueID: try QueueID(from: &decoder), directory: try decoder.takeString(limit: 64),
            envelope: try Envelope(from: &decoder), retryUntil: try decoder.take(Int64.self))
    }
}
