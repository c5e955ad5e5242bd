// Writes one queue file. Only `cleanup` uses it (and `postdrop`, for maildrop, in the same format).
//
// What is small stays in memory: it may become durable in a commit log and never be a file. What grows larger becomes a file, which is locked
// from its creation on, so that a scan can tell a file that is being written from one whose writer died: at once, or, as far as there is room for its
// content in memory (ContentRoom), when it is whole. Then its length is known, and the thread that commits writes it, beside the one that takes
// content. Nothing here syncs: QueueCommit does, for many files at a time.

public import MailModel
public import SystemKit

/// A queue file under way.
public final class QueueFileWriter {
    public let id: QueueID
    public let path: String
    /// -1 while there is no file.
    private var descriptor: Int32 = -1
    private let isHeld: Bool
    private let envelope: [UInt8]
    private let recipientCount: Int
    private let arrival: Int64
    private var pending: [UInt8]
    /// What follows ``pending``.
    private var pieces: [ArraySlice<UInt8>] = []
    private var piecesCount = 0
    /// What follows ``pieces``: small, and so gathered.
    private var tail: [UInt8] = []
    private var written: UInt64 = 0
    private var contentLength: UInt64 = 0
    private var contentChecksum = CRC32C()
    private var isDone = false
    private static let flushSize = 256 << 10
    /// The same where there is room in memory: what most large messages are not longer than.
    private static let roomySize = 1152 << 10
    private let room: ContentRoom?
    /// What this message has of it.
    private var taken = 0
    /// A piece of this size is written from where it is, in place of being copied into ``pending``.
    private static let largeSize = 16 << 10
    /// A larger file is not kept in memory for a commit log: to write its content twice would cost more than its own sync.
    private static let keptSize = 64 << 10

    /// Begins `directory/ID`. No file is made yet.
    ///
    /// - Parameters:
    ///   - now: microseconds since 1970; the id begins with it. Differs for each message of a process.
    ///   - unique: differs between processes that create files at the same time.
    ///   - room: for content that waits in memory for its commit; without it, ``finish(contentFacts:)`` leaves nothing to be written.
    public init(in directory: String, envelope: Envelope, now: Int64, unique: UInt64, room: ContentRoom? = nil) {
        self.room = room
        id = QueueID(microseconds: now, unique: unique)
        path = "\(directory)/\(id.text)"
        self.envelope = QueueFileWriter.encode(envelope)
        isHeld = envelope.isHeld
        recipientCount = envelope.recipients.count
        arrival = envelope.arrival
        pending = [UInt8](repeating: 0, count: QueueFileHeader.size) + self.envelope
    }

    deinit {
        // A writer that was dropped half-way leaves nothing behind. Failure is harmless: the scan removes the file.
        if !isDone && descriptor >= 0 {
            try? Files.unlink(path)
            _ = FileDescriptor(owning: descriptor)
        }
        leaveRoom()
    }

    /// Nothing of it is in memory any more: the file was committed, or given up.
    public func leaveRoom() {
        room?.giveBack(taken)
        taken = 0
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
    public func append(_ bytes: [UInt8]) throws(SystemError) { try append(bytes[...]) }

    /// Adds content.
    public func append(_ bytes: ArraySlice<UInt8>) throws(SystemError) {
        contentLength += UInt64(bytes.count)
        contentChecksum.update(bytes)
        let isLarge = bytes.count >= QueueFileWriter.largeSize && !(isKept && pending.count + bytes.count <= QueueFileWriter.keptSize)
        if isLarge {
            endTail()
            pieces.append(bytes)
            piecesCount += bytes.count
        } else if pieces.isEmpty {
            pending.append(contentsOf: bytes)
        } else {
            tail.append(contentsOf: bytes)
        }
        let waiting = pending.count + piecesCount + tail.count
        if waiting >= QueueFileWriter.flushSize && !mayWait(waiting) { try flush() }
    }

    /// Whether so much may stay in memory.
    private func mayWait(_ bytes: Int) -> Bool {
        guard let room, bytes < QueueFileWriter.roomySize else { return false }
        if taken == 0 && room.take(QueueFileWriter.roomySize) { taken = QueueFileWriter.roomySize }
        return taken > 0
    }

    /// How much content was added.
    public var length: UInt64 { contentLength }

    /// It is all in ``pending``, and may stay in memory.
    private var isKept: Bool { written == 0 && pieces.isEmpty }

    /// What was small, behind the pieces, is one of them.
    private func endTail() {
        guard !tail.isEmpty else { return }
        pieces.append(tail[...])
        piecesCount += tail.count
        tail = []
    }

    private func flush() throws(SystemError) {
        if descriptor < 0 { descriptor = try QueueFileWriter.create(path) }
        endTail()
        let (parts, offset) = ([pending[...]] + pieces, Int64(written))
        written += UInt64(pending.count + piecesCount)
        pending = []
        pieces = []
        piecesCount = 0
        try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pwriteAll(parts, at: offset) }
    }

    /// Makes a file, and locks it.
    static func create(_ path: String) throws(SystemError) -> Int32 {
        while true {
            let file = try FileDescriptor.open(path, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
            try file.lockExclusive()
            // A scan that came between open and lock took the file for one whose writer died, and removed it: begin anew.
            if try file.status().links > 0 { return file.release() }
        }
    }

    /// Adds the end record and the header. What is held, or too large to be kept, is a file then, complete but not durable;
    /// but where its content waits in memory (``ContentRoom``) only ``CompletedQueueFile/makeFile()`` makes it one.
    public func finish(contentFacts: ContentFacts) throws(SystemError) -> CompletedQueueFile {
        var header = QueueFileHeader(
            contentFacts: contentFacts, envelopeLength: UInt32(envelope.count), recipientCount: UInt32(recipientCount),
            contentLength: contentLength, arrival: arrival)
        header.checksum = QueueFileHeader.checksum(header: header.encoded, envelope: envelope)
        var end = ByteEncoder(reserving: QueueFileHeader.endSize)
        end.put(raw: QueueFileHeader.endMagic)
        end.put(contentChecksum.value)
        end.put(header.fileLength)
        tail += end.bytes
        endTail()
        var kept: [UInt8]?
        if written == 0 {
            pending.replaceSubrange(0..<QueueFileHeader.size, with: header.encoded)
            if pending.count + piecesCount <= QueueFileWriter.keptSize {
                for piece in pieces { pending.append(contentsOf: piece) }
                (pieces, piecesCount) = ([], 0)
                kept = pending
            }
            if kept == nil && taken > 0 { return completed(header, rest: [pending[...]] + pieces) }
            if isHeld || kept == nil { try flush() }
        } else {
            try flush()
            try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pwriteAll(header.encoded, at: 0) }
        }
        isDone = true
        return CompletedQueueFile(
            id: id, path: path, directory: isHeld ? .hold : .incoming, header: header, bytes: kept, descriptor: descriptor)
    }

    private func completed(_ header: QueueFileHeader, rest: [ArraySlice<UInt8>]) -> CompletedQueueFile {
        isDone = true
        return CompletedQueueFile(id: id, path: path, directory: isHeld ? .hold : .incoming, header: header, large: rest)
    }
}

/// A complete message that waits for its commit.
public struct CompletedQueueFile: Sendable {
    public let id: QueueID
    public let path: String
    /// Where it is, or would be: `incoming`, or `hold`.
    public let directory: QueueDirectory
    public let header: QueueFileHeader
    /// The whole file, where it is small enough for a commit log.
    public let bytes: [UInt8]?
    /// The whole file where it is not, and was not made yet.
    private let large: [ArraySlice<UInt8>]
    /// Open and locked; -1 where no file was made. Whoever holds this value closes it, once.
    public private(set) var descriptor: Int32

    init(id: QueueID, path: String, directory: QueueDirectory, header: QueueFileHeader, bytes: [UInt8]?, descriptor: Int32) {
        self.id = id
        self.path = path
        self.directory = directory
        self.header = header
        self.bytes = bytes
        self.descriptor = descriptor
        large = []
    }

    init(id: QueueID, path: String, directory: QueueDirectory, header: QueueFileHeader, large: [ArraySlice<UInt8>]) {
        self.id = id
        self.path = path
        self.directory = directory
        self.header = header
        self.large = large
        bytes = nil
        descriptor = -1
    }

    public var isFile: Bool { descriptor >= 0 }

    /// Makes the file, if there is none, and locks it. Not synced.
    public mutating func makeFile() throws(SystemError) {
        guard descriptor < 0, bytes != nil || !large.isEmpty else { return }
        let file = FileDescriptor(owning: try QueueFileWriter.create(path))
        do throws(SystemError) {
            if let bytes {
                try file.pwriteAll(bytes, at: 0)
            } else {
                // Room that is found for the whole is found at once; else ext4 accounts for each block that it may need later.
                file.reserve(Int64(header.fileLength))
                try file.pwriteAll(large, at: 0)
            }
        } catch {
            try? Files.unlink(path)
            throw error
        }
        descriptor = file.release()
    }

    /// Lets go of the file, if there is one, and of its lock.
    public mutating func close() {
        if descriptor >= 0 { _ = FileDescriptor(owning: descriptor) }
        descriptor = -1
    }
}
