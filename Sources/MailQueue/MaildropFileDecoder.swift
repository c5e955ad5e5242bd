// The form of a local submission, read: what `pickup` finds in `maildrop`, and what `postdrop` is given.
//
// Security: every user of the host can make such bytes. The decoder is total and bounded.

public import MailModel
import SystemKit

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
