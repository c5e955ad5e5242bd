// The cleanup protocol: the only way into the queue.
//
// Client: `submit` (an Envelope), `content` chunks (none, one or many; the message as over the wire, CRLF, dots unstuffed), `commit`.
// Server: `queued` (a QueueID: content, envelope and directory entry are on stable storage) or `refused` (an SMTPReply). The server may
// refuse at any time; the client stops sending then. A client that ends the stream before `commit` cancels the message.
// Or client: `checkRecipient` (a MailAddress); server: `verdict` (a RecipientVerdict).
// Or client: `checkSpace`; server: `space` (Int64: bytes that may still be written to the queue's file system).

public import MailModel

public enum CleanupFrame {
    public static let submit: UInt8 = 16
    public static let content: UInt8 = 17
    public static let commit: UInt8 = 18
    public static let queued: UInt8 = 19
    public static let refused: UInt8 = 20
    public static let checkRecipient: UInt8 = 21
    public static let verdict: UInt8 = 22
    public static let checkSpace: UInt8 = 23
    public static let space: UInt8 = 24
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
