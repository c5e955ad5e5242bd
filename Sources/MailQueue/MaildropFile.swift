// The form of a local submission: what `sendmail` writes to `postdrop`, what stands in `maildrop`, and what `pickup` reads.
//
// A first line of text, then records: type (1 byte), length (4, little-endian), payload. First one `E` with the envelope, then perhaps `V` with
// the two delimiters of variable envelope return paths, or `Q` (empty): nothing is sent to the recipients, they are looked up, and the sender
// is told. Then `C` with content (none, one or many; CRLF lines), last one `Z` with the content's length (8) and a CRC-32C of every byte
// before the checksum. Version 1, which is still read, had no `Q`, and an envelope without the control group.
//
// Security: every user of the host can make such bytes. An envelope is checked field by field before anybody sees it: no NUL and no line break
// can get into a queue file or a log by this way (CVE list of Postfix, summer of 2026).
// Known limits: the checksum finds half-written and damaged files; it proves nothing about who wrote them. The owner of the file does.

public import MailModel
import SystemKit

/// Why bytes are no submission.
public struct MaildropFileError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    /// The content is larger than allowed; nothing else is wrong.
    public let isTooBig: Bool
    public init(_ description: String, isTooBig: Bool = false) {
        self.description = description
        self.isTooBig = isTooBig
    }
}

/// The names and bounds of the format.
public enum MaildropFile {
    public static let firstLine = Array("Martlet maildrop 2\n".utf8)
    static let firstLineOfVersion1 = Array("Martlet maildrop 1\n".utf8)
    static let envelopeRecord = UInt8(ascii: "E")
    static let verpRecord = UInt8(ascii: "V")
    static let questionRecord = UInt8(ascii: "Q")
    static let contentRecord = UInt8(ascii: "C")
    static let endRecord = UInt8(ascii: "Z")
    static let headerSize = 5
    static let endSize = 12
    /// Octets of content in one record.
    public static let chunkSize = 64 << 10
    /// Octets of an encoded envelope: room for 50,000 recipients of usual length.
    public static let maximumEnvelope = 8 << 20
    /// Recipients of one submission.
    public static let maximumRecipients = 50_000
    /// Addresses that one submission may have looked up.
    public static let maximumQuestions = 1000
    /// Octets of one address; RFC 5321 section 4.5.3.1.3 allows 256, a local-part may be longer on the way to a program.
    static let maximumAddress = 2048

    /// What is wrong with an envelope that came from a user; nil if it may go into the queue.
    public static func objection(to envelope: Envelope) -> String? {
        guard envelope.origin == .localSubmission else { return "the origin is not local submission" }
        guard envelope.client == ClientFacts() else { return "a local submission has no client" }
        guard !envelope.recipients.isEmpty else { return "no recipients" }
        guard envelope.recipients.count <= maximumRecipients else { return "more than \(maximumRecipients) recipients" }
        guard isAcceptable(envelope.sender.internalForm) else { return "bad sender address" }
        guard isAcceptable(envelope.envelopeID, limit: 100) else { return "bad envelope id" }
        guard isAcceptable(envelope.fullName, limit: 1024) else { return "bad full name" }
        guard isAcceptable(Array(envelope.controlGroup.utf8), limit: ControlGroup.longest * 4) else { return "bad control group" }
        for recipient in envelope.recipients {
            guard !recipient.address.isNull, isAcceptable(recipient.address.internalForm) else { return "bad recipient address" }
            guard recipient.originalAddress == nil, isAcceptable(recipient.originalRecipient) else { return "bad original recipient" }
            let notify = recipient.notify
            guard notify.rawValue < 16, !notify.contains(.never) || notify == .never else { return "bad notify value" }
        }
        return nil
    }

    private static func isAcceptable(_ bytes: [UInt8], limit: Int = maximumAddress) -> Bool {
        bytes.count <= limit && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }
    }
}

/// Makes the bytes of a submission, piece by piece.
public struct MaildropFileEncoder: Sendable {
    private var checksum = CRC32C()
    private var contentLength: UInt64 = 0

    public init() {}

    /// The first line and the envelope.
    public mutating func begin(_ envelope: Envelope) -> [UInt8] {
        emit(MaildropFile.firstLine + record(MaildropFile.envelopeRecord, envelope.encoded))
    }

    /// Behind the envelope: each recipient gets a copy with a sender of its own.
    public mutating func verp(_ delimiters: VERPDelimiters) -> [UInt8] { emit(record(MaildropFile.verpRecord, delimiters.text)) }

    /// Behind the envelope: the recipients are looked up, nothing is sent to them.
    public mutating func question() -> [UInt8] { emit(record(MaildropFile.questionRecord, [])) }

    /// Some more content.
    public mutating func content(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count + MaildropFile.headerSize)
        var rest = bytes[...]
        while !rest.isEmpty {
            out += record(MaildropFile.contentRecord, rest.prefix(MaildropFile.chunkSize))
            rest = rest.dropFirst(MaildropFile.chunkSize)
        }
        contentLength += UInt64(bytes.count)
        return emit(out)
    }

    /// The end record. Without it the file was never accepted.
    public mutating func end() -> [UInt8] {
        var encoder = ByteEncoder()
        encoder.put(MaildropFile.endRecord)
        encoder.put(UInt32(MaildropFile.endSize))
        encoder.put(contentLength)
        let head = emit(encoder.bytes)
        var tail = ByteEncoder()
        tail.put(checksum.value)
        return head + tail.bytes
    }

    private func record(_ type: UInt8, _ payload: some Collection<UInt8>) -> [UInt8] {
        var encoder = ByteEncoder(reserving: payload.count + MaildropFile.headerSize)
        encoder.put(type)
        encoder.put(bytes: payload)
        return encoder.bytes
    }

    private mutating func emit(_ bytes: [UInt8]) -> [UInt8] {
        checksum.update(bytes)
        return bytes
    }
}
