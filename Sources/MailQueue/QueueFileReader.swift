// Reads a queue file: envelope and states, and content in pieces.
//
// Security: the file may be garbage (a broken disk, a hostile maildrop). Every size is checked against the file before it is used, both
// checksums are verified where asked, and what is wrong is a typed error.

public import MailModel
public import SystemKit

/// An open queue file.
public struct QueueFileReader: ~Copyable {
    public let header: QueueFileHeader
    /// With all recipients, done or not.
    public let envelope: Envelope
    /// The state of each recipient, in order.
    public let states: [RecipientState]
    /// Where in the file the state byte of each recipient is.
    public let stateOffsets: [UInt64]
    /// The file's time of modification, microseconds since 1970; in `deferred` that is the next attempt.
    public let modified: Int64
    private let file: FileDescriptor

    /// Envelopes are small: what is read with the header usually has it all.
    private static let firstRead = 4096

    /// The descriptor, which stays the reader's.
    public var descriptor: Int32 { file.rawValue }

    /// Opens and checks a file: header, envelope with its checksum, end record against the file's length. The content's checksum is checked
    /// by ``verifyContent()``.
    public init(path: String, writable: Bool = false) throws(QueueFileError) {
        do {
            self = try QueueFileReader(owning: try FileDescriptor.open(path, [writable ? .readWrite : .readOnly, .noFollow]))
        } catch let error as QueueFileError {
            throw error
        } catch {
            throw .system("\(error)")
        }
    }

    /// As ``init(path:writable:)`` with a descriptor that belongs to the reader from here.
    public init(owning file: consuming FileDescriptor) throws(QueueFileError) {
        do {
            let status = try file.status()
            let size = status.size
            let front = try file.pread(upTo: QueueFileReader.firstRead, at: 0)
            let head = Array(front.prefix(QueueFileHeader.size))
            if head.count < QueueFileHeader.size || head.allSatisfy({ $0 == 0 }) { throw QueueFileError.incomplete }
            let header = try QueueFileHeader(decoding: head[...])
            guard header.fileLength == UInt64(clamping: size) else { throw QueueFileError.incomplete }
            let end = try file.pread(upTo: QueueFileHeader.endSize, at: Int64(header.fileLength) - Int64(QueueFileHeader.endSize))
            var endDecoder = ByteDecoder(end)
            guard try endDecoder.take(raw: 4).elementsEqual(QueueFileHeader.endMagic) else { throw QueueFileError.incomplete }
            _ = try endDecoder.take(UInt32.self)
            guard try endDecoder.take(UInt64.self) == header.fileLength else { throw QueueFileError.incomplete }
            let sectionEnd = QueueFileHeader.size + Int(header.envelopeLength)
            let section =
                front.count >= sectionEnd
                ? Array(front[QueueFileHeader.size..<sectionEnd])
                : try file.pread(upTo: Int(header.envelopeLength), at: Int64(QueueFileHeader.size))
            let parsed = try QueueFileReader.parseEnvelope(section, header: header, rawHeader: head)
            self.header = header
            envelope = parsed.envelope
            states = parsed.states
            stateOffsets = parsed.offsets
            modified = status.modified
            self.file = file
        } catch let error as QueueFileError {
            throw error
        } catch let error as SystemError {
            throw .system("\(error)")
        } catch {
            throw .notAQueueFile("\(error)")
        }
    }

    /// What stands before the content of a file whose bytes are at hand: header, envelope, states and their places.
    public static func parse(
        _ bytes: [UInt8]
    ) throws(QueueFileError) -> (header: QueueFileHeader, envelope: Envelope, states: [RecipientState], stateOffsets: [UInt64]) {
        do {
            let head = Array(bytes.prefix(QueueFileHeader.size))
            let header = try QueueFileHeader(decoding: head[...])
            guard header.fileLength == UInt64(bytes.count) else { throw QueueFileError.incomplete }
            let section = Array(bytes[QueueFileHeader.size..<Int(header.contentOffset)])
            let parsed = try parseEnvelope(section, header: header, rawHeader: head)
            return (header, parsed.envelope, parsed.states, parsed.offsets)
        } catch let error as QueueFileError {
            throw error
        } catch {
            throw .notAQueueFile("\(error)")
        }
    }

    private static func parseEnvelope(
        _ section: [UInt8], header: QueueFileHeader, rawHeader: [UInt8]
    ) throws -> (envelope: Envelope, states: [RecipientState], offsets: [UInt64]) {
        var plain = section
        var decoder = ByteDecoder(section)
        let headBytes = try decoder.takeBytes()
        var headDecoder = ByteDecoder(headBytes)
        var envelope = try Envelope(headFrom: &headDecoder, version: Int(header.version))
        try headDecoder.finish()
        var states: [RecipientState] = []
        var offsets: [UInt64] = []
        guard Int(header.recipientCount) <= section.count else { throw QueueFileError.notAQueueFile("recipient count") }
        for _ in 0..<header.recipientCount {
            let position = section.count - decoder.remaining
            guard let state = RecipientState(rawValue: try decoder.takeUInt8()) else {
                throw QueueFileError.notAQueueFile("state of recipient \(states.count)")
            }
            plain[position] = RecipientState.todo.rawValue
            states.append(state)
            offsets.append(UInt64(QueueFileHeader.size + position))
            envelope.recipients.append(try EnvelopeRecipient(decoding: try decoder.takeBytes()[...]))
        }
        try decoder.finish()
        guard QueueFileHeader.checksum(header: rawHeader, envelope: plain) == header.checksum else {
            throw QueueFileError.notAQueueFile("checksum of the envelope")
        }
        return (envelope, states, offsets)
    }

    /// Some content from `offset` (0 = its first byte); empty at its end.
    public func content(at offset: UInt64, upTo count: Int) throws(SystemError) -> [UInt8] {
        guard offset < header.contentLength else { return [] }
        let length = min(UInt64(max(0, count)), header.contentLength - offset)
        return try file.pread(upTo: Int(length), at: Int64(header.contentOffset + offset))
    }

    /// Whether the content is what was accepted.
    public func verifyContent() throws(SystemError) -> Bool {
        var checksum = CRC32C()
        var offset: UInt64 = 0
        while offset < header.contentLength {
            let chunk = try content(at: offset, upTo: 1 << 20)
            if chunk.isEmpty { return false }
            checksum.update(chunk)
            offset += UInt64(chunk.count)
        }
        let end = try file.pread(upTo: QueueFileHeader.endSize, at: Int64(header.fileLength) - Int64(QueueFileHeader.endSize))
        guard end.count == QueueFileHeader.endSize else { return false }
        return end[4..<8].elementsEqual(withUnsafeBytes(of: checksum.value.littleEndian) { Array($0) })
    }
}

/// The two changes that qmgr makes to an accepted file; each is one byte written in place.
public enum QueueFileMark {
    public static func setState(_ state: RecipientState, at offset: UInt64, path: String) throws(SystemError) {
        let file = try FileDescriptor.open(path, [.writeOnly, .noFollow])
        try file.pwriteAll([state.rawValue], at: Int64(offset))
    }

    /// Notes that the sender was told of the delay.
    public static func setDelayNoticeSent(path: String) throws(SystemError) {
        let file = try FileDescriptor.open(path, [.writeOnly, .noFollow])
        try file.pwriteAll([1], at: Int64(QueueFileHeader.delayNoticeOffset))
    }
}
