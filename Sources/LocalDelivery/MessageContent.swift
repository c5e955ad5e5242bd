// The content of the message under delivery: what came with the request, or a part of the queue file, through the descriptor that qmgr passed.

import SystemKit

/// A message's content, read where it stands.
struct MessageContent: ~Copyable {
    /// -1 where the content came with the request.
    private let rawFile: Int32
    private let offset: Int64
    /// Octets.
    let length: Int

    /// The queue file, for an agent that gets the message from here; nil where there is none.
    var descriptor: Int32? { rawFile < 0 ? nil : rawFile }

    /// All of a small message: it is read once, for its fields and for each place that it goes to.
    private let whole: [UInt8]?

    /// Larger ones are memory that the kernel maps and clears anew for each piece: a fifth of the time for 1 MB.
    private static let pieceSize = 64 << 10
    private static let smallSize = 32 << 10

    init(file: consuming FileDescriptor, offset: UInt64, length: UInt64) throws(SystemError) {
        guard let offset = Int64(exactly: offset), let length = Int(exactly: length), offset <= Int64.max - Int64(length) else {
            throw SystemError(errno: 75, operation: "read", object: "the queue file")
        }
        // What cannot be read is read again when it is wanted, and the error is thrown there.
        whole = length <= MessageContent.smallSize ? try? MessageContent.read(file, offset, length) : nil
        rawFile = file.release()
        self.offset = offset
        self.length = length
    }

    /// The content of a request.
    init(_ content: [UInt8]) {
        whole = content
        rawFile = -1
        offset = 0
        length = content.count
    }

    /// Reads what there is at a place of the content.
    private func read(upTo count: Int, at position: Int) throws(SystemError) -> [UInt8] {
        guard rawFile >= 0 else { return Array((whole ?? [])[position..<(position + count)]) }
        let piece = try FileDescriptor.borrowing(rawFile) { file throws(SystemError) in
            try file.pread(upTo: count, at: offset + Int64(position))
        }
        guard !piece.isEmpty else { throw SystemError(errno: 5, operation: "read", object: "the queue file: it is too short") }
        return piece
    }

    deinit { if rawFile >= 0 { _ = FileDescriptor(owning: rawFile) } }

    private static func read(_ file: borrowing FileDescriptor, _ offset: Int64, _ count: Int) throws(SystemError) -> [UInt8] {
        var out: [UInt8] = []
        while out.count < count {
            let piece = try file.pread(upTo: count - out.count, at: offset + Int64(out.count))
            guard !piece.isEmpty else { throw SystemError(errno: 5, operation: "read", object: "the queue file: it is too short") }
            if piece.count == count { return piece }
            out += piece
        }
        return out
    }

    /// At most `count` octets from the start.
    func start(upTo count: Int) throws(SystemError) -> [UInt8] {
        if let whole { return count >= length ? whole : Array(whole.prefix(count)) }
        var out: [UInt8] = []
        while out.count < min(count, length) { out += try read(upTo: min(count, length) - out.count, at: out.count) }
        return out
    }

    /// Piece by piece, all of it. A file that ends too early is an error: half a message must not be delivered.
    func forEachPiece(_ body: ([UInt8]) throws(SystemError) -> Void) throws(SystemError) {
        if let whole { return whole.isEmpty ? () : try body(whole) }
        var done = 0
        while done < length {
            let piece = try read(upTo: min(MessageContent.pieceSize, length - done), at: done)
            done += piece.count
            try body(piece)
        }
    }

    /// Octets from a position, at most `count`; empty at the end.
    func piece(at position: Int, upTo count: Int) throws(SystemError) -> [UInt8] {
        guard position < length else { return [] }
        return try read(upTo: min(count, length - position), at: position)
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
            if pending.count >= MessageContent.pieceSize / 2 {
                try body(pending)
                pending.removeAll(keepingCapacity: true)
            }
        }
        pending += converter.finish()
        if !pending.isEmpty { try body(pending) }
    }
}
