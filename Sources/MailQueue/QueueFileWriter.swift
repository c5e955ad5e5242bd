// Writes one queue file. Only `cleanup` uses it (and `postdrop`, for maildrop, in the same format).
//
// The file is locked from its creation on, so that a scan can tell a file that is being written from one whose writer died. Small content is
// kept in memory and leaves in one write. Nothing here syncs: QueueCommit does, for many files at a time.

public import MailModel
public import SystemKit

/// A queue file under way.
public final class QueueFileWriter {
    public let id: QueueID
    public let path: String
    private let descriptor: Int32
    private let isHeld: Bool
    private let envelope: [UInt8]
    private let recipientCount: Int
    private let arrival: Int64
    private var pending: [UInt8]
    private var written: UInt64 = 0
    private var contentLength: UInt64 = 0
    private var contentChecksum = CRC32C()
    private var isDone = false
    private static let flushSize = 256 << 10
    /// A larger file is not kept in memory for a commit log: to write its content twice would cost more than its own sync.
    private static let keptSize = 64 << 10

    /// Creates `directory/ID`; the name is taken anew until no file has it.
    ///
    /// - Parameters:
    ///   - now: microseconds since 1970; the id begins with it.
    ///   - unique: differs between processes that create files at the same time.
    public init(in directory: String, envelope: Envelope, now: Int64, unique: UInt64) throws(SystemError) {
        var salt = unique
        while true {
            let candidate = QueueID(microseconds: now, unique: salt)
            do {
                let file = try FileDescriptor.open(
                    "\(directory)/\(candidate.text)", [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
                try file.lockExclusive()
                // A scan that came between open and lock took the file for one whose writer died, and removed it: begin anew.
                guard try file.status().links > 0 else { continue }
                descriptor = file.release()
                id = candidate
                path = "\(directory)/\(candidate.text)"
                break
            } catch  where error.isAlreadyThere {
                salt += 1 << 24
            }
        }
        self.envelope = QueueFileWriter.encode(envelope)
        isHeld = envelope.isHeld
        recipientCount = envelope.recipients.count
        arrival = envelope.arrival
        pending = [UInt8](repeating: 0, count: QueueFileHeader.size) + self.envelope
    }

    deinit {
        // A writer that was dropped half-way leaves nothing behind. Failure is harmless: the scan removes the file.
        if !isDone {
            try? Files.unlink(path)
            _ = FileDescriptor(owning: descriptor)
        }
    }

    /// The envelope section: the head with its length, then state byte, length and record of each recipient.
    static func encode(_ envelope: Envelope) -> [UInt8] {
        var head = ByteEncoder()
        envelope.encodeHead(into: &head)
        var encoder = ByteEncoder(reserving: head.bytes.count + envelope.recipients.count * 64)
        encoder.put(bytes: head.bytes)
        for recipient in envelope.recipients {
            encoder.put(RecipientState.todo.rawValue)
            encoder.put(bytes: recipient.encoded)
        }
        return encoder.bytes
    }

    /// Adds content.
    public func append(_ bytes: some Collection<UInt8>) throws(SystemError) {
        let start = pending.count
        pending.append(contentsOf: bytes)
        contentLength += UInt64(pending.count - start)
        contentChecksum.update(pending[start...])
        if pending.count >= QueueFileWriter.flushSize { try flush() }
    }

    /// How much content was added.
    public var length: UInt64 { contentLength }

    private func flush() throws(SystemError) {
        let (bytes, offset) = (pending, Int64(written))
        pending = []
        try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pwriteAll(bytes, at: offset) }
        written += UInt64(bytes.count)
    }

    /// Writes the end record and the header. The file is complete but not durable; its descriptor, still locked, belongs to the caller.
    public func finish(contentFacts: ContentFacts) throws(SystemError) -> CompletedQueueFile {
        var header = QueueFileHeader(
            contentFacts: contentFacts, envelopeLength: UInt32(envelope.count), recipientCount: UInt32(recipientCount),
            contentLength: contentLength, arrival: arrival)
        header.checksum = QueueFileHeader.checksum(header: header.encoded, envelope: envelope)
        var end = ByteEncoder(reserving: QueueFileHeader.endSize)
        end.put(raw: QueueFileHeader.endMagic)
        end.put(contentChecksum.value)
        end.put(header.fileLength)
        pending.append(contentsOf: end.bytes)
        var kept: [UInt8]?
        if written == 0 {
            pending.replaceSubrange(0..<QueueFileHeader.size, with: header.encoded)
            if pending.count <= QueueFileWriter.keptSize { kept = pending }
            try flush()
        } else {
            try flush()
            try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pwriteAll(header.encoded, at: 0) }
        }
        isDone = true
        return CompletedQueueFile(
            id: id, path: path, directory: isHeld ? .hold : .incoming, descriptor: descriptor, header: header, bytes: kept)
    }
}

/// A complete file that waits for its commit.
public struct CompletedQueueFile: Sendable {
    public let id: QueueID
    public let path: String
    /// Where it is: `incoming`, or `hold`.
    public let directory: QueueDirectory
    /// Open and locked; whoever holds this value closes it.
    public let descriptor: Int32
    public let header: QueueFileHeader
    /// The whole file, where it is small enough for a commit log.
    public let bytes: [UInt8]?
}
