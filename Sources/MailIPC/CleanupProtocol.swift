// The cleanup protocol: the only way into the queue.
//
// Client: `submit` (an Envelope), `content` chunks (none, one or many; the message as over the wire, CRLF, dots unstuffed), `commit`.
// Between `submit` and `commit` the client may send one `announce`: a log line (`client=`, `uid=`) that cleanup writes in the client's name when
// it has made the queue id, so that the lines of a message stand in Postfix's order.
// Server: `queued` (a QueueID: content, envelope and directory entry are on stable storage) or `refused` (an SMTPReply). The server may
// refuse at any time; the client stops sending then. A client that ends the stream before `commit` cancels the message.
// Or client: `checkRecipients` (a RecipientQuestion); server: `verdicts` (RecipientVerdicts, in the order of the question).
// Or client: `checkSpace`; server: `space` (Int64: bytes that may still be written to the queue's file system).

public import MailModel

public enum CleanupFrame {
    public static let submit: UInt8 = 16
    public static let content: UInt8 = 17
    public static let commit: UInt8 = 18
    public static let queued: UInt8 = 19
    public static let refused: UInt8 = 20
    public static let checkRecipients: UInt8 = 21
    public static let verdicts: UInt8 = 22
    public static let announce: UInt8 = 23
    public static let checkSpace: UInt8 = 24
    public static let space: UInt8 = 25
}

/// What cleanup is asked to say whether mail for them can be taken: several at a time, where a client of smtpd names them in one breath.
public struct RecipientQuestion: ByteCodable, Hashable {
    /// How many may be asked about at a time.
    public static let limit = 100

    public var recipients: [MailAddress]

    public init(_ recipients: [MailAddress]) { self.recipients = recipients }

    public func encode(into encoder: inout ByteEncoder) { encoder.put(list: recipients) { $1.encode(into: &$0) } }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        recipients = try decoder.takeList(limit: RecipientQuestion.limit) { d throws(ByteDecodingError) in try MailAddress(from: &d) }
    }
}

/// The answer to a ``RecipientQuestion``.
public struct RecipientAnswer: ByteCodable, Hashable {
    public var verdicts: [RecipientVerdict]

    public init(_ verdicts: [RecipientVerdict]) { self.verdicts = verdicts }

    /// - Throws: also where it is no answer to a question of so many recipients.
    public init(frame: IPCFrame, to count: Int) throws(ByteDecodingError) {
        guard frame.type == CleanupFrame.verdicts else { throw ByteDecodingError("frame type \(frame.type) is no answer about recipients") }
        self = try RecipientAnswer(decoding: frame.payload[...])
        guard verdicts.count == count else { throw ByteDecodingError("\(verdicts.count) verdicts on \(count) recipients") }
    }

    public func encode(into encoder: inout ByteEncoder) { encoder.put(list: verdicts) { $1.encode(into: &$0) } }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        verdicts = try decoder.takeList(limit: RecipientQuestion.limit) { d throws(ByteDecodingError) in try RecipientVerdict(from: &d) }
    }
}

/// The end of a submission.
public enum SubmitReply: Hashable, Sendable {
    /// Durable. The id names the message from here on.
    case queued(QueueID)
    /// Nothing was kept. 4xx: try again; 5xx: never.
    case refused(SMTPReply)

    public init(frame: IPCFrame) throws(ByteDecodingError) {
        switch frame.type {
        case CleanupFrame.queued: self = .queued(try QueueID(decoding: frame.payload[...]))
        case CleanupFrame.refused: self = .refused(try SMTPReply(decoding: frame.payload[...]))
        default: throw ByteDecodingError("frame type \(frame.type) is no submit reply")
        }
    }
}

/// A log line of a client of cleanup, to be written behind the queue id that cleanup makes.
///
/// Security: a client that was taken over can write into the log what it likes anyway; the text is encoded like any other before it becomes a line.
public struct LogAnnouncement: ByteCodable, Hashable {
    /// A named value beside the line, for structured logs.
    public enum Fact: Hashable, Sendable {
        case text(String, String)
        case number(String, Int64)
    }

    /// `syslog_name/program` of the client.
    public var tag: String
    public var processID: Int32
    /// What follows the queue id.
    public var text: String
    public var facts: [Fact]

    public init(tag: String, processID: Int32, text: String, facts: [Fact] = []) {
        self.tag = tag
        self.processID = processID
        self.text = text
        self.facts = facts
    }

    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(tag)
        encoder.put(processID)
        encoder.put(text)
        encoder.put(list: facts) { encoder, fact in
            switch fact {
            case .text(let name, let value):
                encoder.put(UInt8(0))
                encoder.put(name)
                encoder.put(value)
            case .number(let name, let value):
                encoder.put(UInt8(1))
                encoder.put(name)
                encoder.put(value)
            }
        }
    }

    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        let tag = try decoder.takeString(limit: 256)
        let processID = try decoder.take(Int32.self)
        let text = try decoder.takeString(limit: 8192)
        let facts = try decoder.takeList(limit: 64) { decoder throws(ByteDecodingError) in
            switch try decoder.takeUInt8() {
            case 0: Fact.text(try decoder.takeString(limit: 64), try decoder.takeString(limit: 8192))
            case 1: Fact.number(try decoder.takeString(limit: 64), try decoder.take(Int64.self))
            case let other: throw ByteDecodingError("\(other) is no kind of fact")
            }
        }
        self.init(tag: tag, processID: processID, text: text, facts: facts)
    }
}
