// The queue manager's protocol: cleanup announces messages, commands ask for the queue and change it.
//
// From cleanup: `arrived` (an ArrivalNotice), no answer: the message is durable and the scan would find it.
// From commands: `list` (empty) -> `entries` (some QueueEntry each, one behind the other), then the stream ends; `command` (a QueueCommand) -> `count` (4 bytes: how
// many messages it touched).

public import MailModel

public enum QueueManagerFrame {
    public static let arrived: UInt8 = 16
    public static let list: UInt8 = 17
    public static let entries: UInt8 = 18
    public static let command: UInt8 = 19
    public static let count: UInt8 = 20
    /// Text: why a command was refused.
    public static let failed: UInt8 = 21
}

/// A message that has just become durable.
public struct ArrivalNotice: ByteCodable, Hashable {
    public var queueID: QueueID
    public var envelope: Envelope
    public var contentFacts: ContentFacts
    public var contentOffset: UInt64
    public var contentLength: UInt64
    /// The record of the message in a commit log; nil where it has none.
    public var place: CommitLogPlace?
    /// There is a file; else the message is in the commit log alone.
    public var isFile: Bool

    public init(
        queueID: QueueID, envelope: Envelope, contentFacts: ContentFacts, contentOffset: UInt64, contentLength: UInt64,
        place: CommitLogPlace? = nil, isFile: Bool = true
    ) {
        self.queueID = queueID
        self.envelope = envelope
        self.contentFacts = contentFacts
        self.contentOffset = contentOffset
        self.contentLength = contentLength
        self.place = place
        self.isFile = isFile
    }
    public func encode(into encoder: inout ByteEncoder) {
        queueID.encode(into: &encoder)
        envelope.encode(into: &encoder)
        encoder.put(contentFacts.rawValue)
        encoder.put(contentOffset)
        encoder.put(contentLength)
        encoder.put(optional: place) { $1.encode(into: &$0) }
        encoder.put(isFile)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(
            queueID: try QueueID(from: &decoder), envelope: try Envelope(from: &decoder),
            contentFacts: ContentFacts(rawValue: try decoder.take(UInt32.self)), contentOffset: try decoder.take(UInt64.self),
            contentLength: try decoder.take(UInt64.self),
            place: try decoder.takeOptional { d throws(ByteDecodingError) in try CommitLogPlace(from: &d) },
            isFile: try decoder.takeBool())
    }
}

/// One message as `mailq` shows it.
public struct QueueEntry: ByteCodable, Hashable {
    public enum Place: UInt8, Sendable, Hashable {
        case active = 0
        case deferred = 1
        case hold = 2
        case incoming = 3
        /// Submitted, and not taken by pickup yet.
        case maildrop = 4
        /// The word of `postqueue -j`.
        public var name: String {
            switch self {
            case .active: "active"
            case .deferred: "deferred"
            case .hold: "hold"
            case .incoming: "incoming"
            case .maildrop: "maildrop"
            }
        }
    }
    public struct Recipient: Hashable, Sendable {
        public var address: MailAddress
        public var originalAddress: MailAddress?
        /// Why it was deferred last; empty where it was not.
        public var delayReason: String
        public init(address: MailAddress, originalAddress: MailAddress?, delayReason: String) {
            self.address = address
            self.originalAddress = originalAddress
            self.delayReason = delayReason
        }
    }
    public var queueID: QueueID
    public var place: Place
    /// Microseconds since 1970.
    public var arrival: Int64
    public var nextAttempt: Int64
    /// Octets of content.
    public var size: UInt64
    public var sender: MailAddress
    /// Those not yet done.
    public var recipients: [Recipient]

    public init(
        queueID: QueueID, place: Place, arrival: Int64, nextAttempt: Int64, size: UInt64, sender: MailAddress, recipients: [Recipient]
    ) {
        self.queueID = queueID
        self.place = place
        self.arrival = arrival
        self.nextAttempt = nextAttempt
        self.size = size
        self.sender = sender
        self.recipients = recipients
    }
    public func encode(into encoder: inout ByteEncoder) {
        queueID.encode(into: &encoder)
        encoder.put(place.rawValue)
        encoder.put(arrival)
        encoder.put(nextAttempt)
        encoder.put(size)
        sender.encode(into: &encoder)
        encoder.put(list: recipients) {
            $1.address.encode(into: &$0)
            $0.put(optional: $1.originalAddress) { $1.encode(into: &$0) }
            $0.put($1.delayReason)
        }
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        queueID = try QueueID(from: &decoder)
        place = try decoder.takeEnum(Place.self)
        arrival = try decoder.take(Int64.self)
        nextAttempt = try decoder.take(Int64.self)
        size = try decoder.take(UInt64.self)
        sender = try MailAddress(from: &decoder)
        recipients = try decoder.takeList { d throws(ByteDecodingError) in
            Recipient(
                address: try MailAddress(from: &d),
                originalAddress: try d.takeOptional { d throws(ByteDecodingError) in try MailAddress(from: &d) },
                delayReason: try d.takeString())
        }
    }
}

extension QueueEntry {
    /// The payload of an `entries` frame.
    public static func encoded(_ entries: [QueueEntry]) -> [UInt8] {
        var encoder = ByteEncoder(reserving: entries.count * 256)
        for entry in entries { entry.encode(into: &encoder) }
        return encoder.bytes
    }

    /// Reads such a payload, entry by entry.
    public static func forEach(in payload: [UInt8], _ body: (QueueEntry) -> Void) throws(ByteDecodingError) {
        var decoder = ByteDecoder(payload)
        while decoder.remaining > 0 { body(try QueueEntry(from: &decoder)) }
    }
}

/// An order of the administrator.
public struct QueueCommand: ByteCodable, Hashable {
    public enum Verb: UInt8, Sendable, Hashable {
        /// Try now.
        case flush = 0
        case hold = 1
        case release = 2
        /// Resolve and try afresh, as if just arrived.
        case requeue = 3
        case delete = 4
    }
    public enum Selection: Hashable, Sendable {
        case all
        case message(QueueID)
        /// Messages with a recipient in this domain (`postqueue -s`).
        case site(String)
    }
    public var verb: Verb
    public var selection: Selection

    public init(_ verb: Verb, _ selection: Selection) {
        self.verb = verb
        self.selection = selection
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(verb.rawValue)
        switch selection {
        case .all: encoder.put(UInt8(0))
        case .message(let id):
            encoder.put(UInt8(1))
            id.encode(into: &encoder)
        case .site(let domain):
            encoder.put(UInt8(2))
            encoder.put(domain)
        }
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        verb = try decoder.takeEnum(Verb.self)
        switch try decoder.takeUInt8() {
        case 0: selection = .all
        case 1: selection = .message(try QueueID(from: &decoder))
        case 2: selection = .site(try decoder.takeString(limit: 1024))
        case let other: throw ByteDecodingError("\(other) is no selection")
        }
    }
}
