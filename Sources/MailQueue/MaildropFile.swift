// The form of a local submission: what `sendmail` writes to `postdrop`, what stands in `maildrop`, and what `pickup` reads.
//
// A first line of text, then records: type (1 byte), length (4, little-endian), payload. First one `E` with the envelope, then perhaps `V` with
// the two delimiters of variable envelope return paths, or `Q` (empty): nothing is sent to the recipients, they are looked up, and the sender
// is told. Then `C` with content (none, one or many; CRLF lines), last one `Z` with the content's length (8) and a CRC-32C of every byte
// before the checksum. Version 1, which is still read, had no `Q`, and an envelope without the control group.
//
// Security: every user of the host can make such bytes. The decoder is total and bounded, and an envelope is checked field by field before
// anybody sees it: no NUL and no line break can get into a queue file or a log by this way (CVE list of Postfix, summer of 2026).
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

/// Reads a submission from pieces of any size, in one pass.
public struct MaildropFileDecoder: Sendable {
    public enum Event: Hashable, Sendable {
        /// Checked by ``MaildropFile/objection(to:)``.
        case envelope(Envelope)
        /// Behind the envelope, where each recipient gets a copy with a sender of its own.
        case verp(VERPDelimiters)
        /// Behind the envelope, where the recipients are looked up and the sender is told.
        case question
        case content([UInt8])
        /// The end record was there and right: the submission is whole.
        case end
    }

    private enum Expectation: Sendable { case firstLine, envelope, modeOrContent, contentOrEnd, nothing }

    private var buffer: [UInt8] = []
    private var start = 0
    private var expectation = Expectation.firstLine
    private var checksum = CRC32C()
    private var contentLength: UInt64 = 0
    private let maximumContent: UInt64
    private var version = 2
    private var recipientCount = 0

    /// - Parameter maximumContent: octets of content; a submission with more is an error.
    public init(maximumContent: UInt64) { self.maximumContent = maximumContent }

    /// Whether the end record was read.
    public var isComplete: Bool { if case .nothing = expectation { true } else { false } }

    public mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer += bytes
    }

    /// The next event; nil until more bytes come.
    public mutating func next() throws(MaildropFileError) -> Event? {
        switch expectation {
        case .firstLine:
            let available = buffer.count - start
            let wanted = MaildropFile.firstLine
            let isFirst = buffer[start...].starts(with: MaildropFile.firstLineOfVersion1.prefix(available))
            guard isFirst || buffer[start...].starts(with: wanted.prefix(available)) else {
                throw MaildropFileError("this is no maildrop file")
            }
            guard available >= wanted.count else { return nil }
            if isFirst { version = 1 }
            take(wanted.count)
            expectation = .envelope
            return try next()
        case .envelope:
            guard let (type, payload) = try record(limit: MaildropFile.maximumEnvelope) else { return nil }
            guard type == MaildropFile.envelopeRecord else { throw MaildropFileError("record type \(type) where the envelope is due") }
            let envelope = try MaildropFileDecoder.envelope(payload, version)
            take(MaildropFile.headerSize + payload.count)
            recipientCount = envelope.recipients.count
            expectation = .modeOrContent
            return .envelope(envelope)
        case .modeOrContent:
            guard let (type, payload) = try record(limit: MaildropFile.chunkSize) else { return nil }
            expectation = .contentOrEnd
            if type == MaildropFile.questionRecord && version > 1 {
                guard payload.isEmpty else { throw MaildropFileError("a question with \(payload.count) bytes") }
                guard recipientCount <= MaildropFile.maximumQuestions else {
                    throw MaildropFileError("more than \(MaildropFile.maximumQuestions) addresses to verify")
                }
                take(MaildropFile.headerSize)
                return .question
            }
            guard type == MaildropFile.verpRecord else { return try next() }
            guard let delimiters = VERPDelimiters(payload) else { throw MaildropFileError("bad VERP delimiters") }
            take(MaildropFile.headerSize + payload.count)
            return .verp(delimiters)
        case .contentOrEnd:
            guard let (type, payload) = try record(limit: MaildropFile.chunkSize) else { return nil }
            switch type {
            case MaildropFile.contentRecord:
                contentLength += UInt64(payload.count)
                guard contentLength <= maximumContent else { throw MaildropFileError("message file too big", isTooBig: true) }
                let content = Array(payload)
                take(MaildropFile.headerSize + payload.count)
                return .content(content)
            case MaildropFile.endRecord:
                try takeEnd(payload)
                return .end
            default: throw MaildropFileError("record type \(type) where content is due")
            }
        case .nothing:
            guard start == buffer.count else { throw MaildropFileError("bytes after the end record") }
            return nil
        }
    }

    private static func envelope(_ payload: ArraySlice<UInt8>, _ version: Int) throws(MaildropFileError) -> Envelope {
        let envelope: Envelope
        do throws(ByteDecodingError) {
            var decoder = ByteDecoder(payload)
            envelope = try Envelope(from: &decoder, version: version)
            try decoder.finish()
        } catch {
            throw MaildropFileError("bad envelope: \(error)")
        }
        if let objection = MaildropFile.objection(to: envelope) { throw MaildropFileError(objection) }
        return envelope
    }

    private mutating func takeEnd(_ payload: ArraySlice<UInt8>) throws(MaildropFileError) {
        guard payload.count == MaildropFile.endSize else { throw MaildropFileError("the end record has a wrong size") }
        let length: UInt64
        let sum: UInt32
        do throws(ByteDecodingError) {
            var decoder = ByteDecoder(payload)
            length = try decoder.take(UInt64.self)
            sum = try decoder.take(UInt32.self)
        } catch {
            throw MaildropFileError("bad end record: \(error)")
        }
        take(MaildropFile.headerSize + MaildropFile.endSize - 4)
        guard length == contentLength, sum == checksum.value else { throw MaildropFileError("the checksum or the length is wrong") }
        start += 4
        expectation = .nothing
        guard start == buffer.count else { throw MaildropFileError("bytes after the end record") }
    }

    /// The record at the front, whole; nil while a part is missing.
    private func record(limit: Int) throws(MaildropFileError) -> (UInt8, ArraySlice<UInt8>)? {
        guard buffer.count - start >= MaildropFile.headerSize else { return nil }
        var length = 0
        for offset in 1..<MaildropFile.headerSize { length |= Int(buffer[start + offset]) << (8 * (offset - 1)) }
        guard length <= limit else { throw MaildropFileError("a record of \(length) bytes") }
        let begin = start + MaildropFile.headerSize
        guard buffer.count - begin >= length else { return nil }
        return (buffer[start], buffer[begin..<(begin + length)])
    }

    private mutating func take(_ count: Int) {
        checksum.update(buffer[start..<(start + count)])
        start += count
    }
}
