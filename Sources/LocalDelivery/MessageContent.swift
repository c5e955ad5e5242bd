// The content of the message under delivery: a part of the queue file, through the descriptor that qmgr passed.

import SystemKit

/// A message's content, read where it stands.
struct MessageContent: ~Copyable {
    private let file: FileDescriptor
    private let offset: Int64
    /// Octets.
    let length: Int

    /// The queue file, for an agent that gets the message from here.
    var descriptor: Int32 { file.rawValue }

    private static let pieceSize = 256 << 10

    init(file: consuming FileDescriptor, offset: UInt64, length: UInt64) throws(SystemError) {
        guard let offset = Int64(exactly: offset), let length = Int(exactly: length), offset <= Int64.max - Int64(length) else {
            throw SystemError(errno: 75, operation: "read", object: "the queue file")
        }
        self.file = file
        self.offset = offset
        self.length = length
    }

    /// At most `count` octets from the start.
    func start(upTo count: Int) throws(SystemError) -> [UInt8] {
        var out: [UInt8] = []
        let wanted = min(count, length)
        while out.count < wanted {
            let piece = try file.pread(upTo: wanted - out.count, at: offset + Int64(out.count))
            guard !piece.isEmpty else { throw SystemError(errno: 5, operation: "read", object: "the queue file: it is too short") }
            out += piece
        }
        return out
    }

    /// Piece by piece, all of it. A file that ends too early is an error: half a message must not be delivered.
    func forEachPiece(_ body: ([UInt8]) throws(SystemError) -> Void) throws(SystemError) {
        var done = 0
        while done < length {
            let piece = try file.pread(upTo: min(MessageContent.pieceSize, length - done), at: offset + Int64(done))
            guard !piece.isEmpty else { throw SystemError(errno: 5, operation: "read", object: "the queue file: it is too short") }
            done += piece.count
            try body(piece)
        }
    }

    /// Octets from a position, at most `count`; empty at the end.
    func piece(at position: Int, upTo count: Int) throws(SystemError) -> [UInt8] {
        guard position < length else { return [] }
        let piece = try file.pread(upTo: min(count, length - position), at: offset + Int64(position))
        guard !piece.isEmpty else { throw SystemError(errno: 5, operation: "read", object: "the queue file: it is too short") }
        return piece
    }

    /// Gives the stored form (``MailboxBody``) piece by piece, `header` first.
    func forEachStoredPiece(
        header: [UInt8], form: MailboxForm, _ body: ([UInt8]) throws(SystemError) -> Void
    ) throws(SystemError) {
        var converter = MailboxBody(form)
        // The header goes with the first piece: most messages are one write.
        var pending = header
        pending.reserveCapacity(min(length, MessageContent.pieceSize) + header.count + 1024)
        try forEachPiece { piece throws(SystemError) in
            converter.feed(piece, into: &pending)
            if pending.count >= MessageContent.pieceSize {
                try body(pending)
                pending.removeAll(keepingCapacity: true)
            }
        }
        pending += converter.finish()
        try body(pending)
    }
}
