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

    private let buffers: PieceBuffers

    private static let pieceSize = 64 << 10
    private static let smallSize = 32 << 10

    init(
        file: consuming FileDescriptor, offset: UInt64, length: UInt64, buffers: PieceBuffers = PieceBuffers()
    ) throws(SystemError) {
        guard let offset = Int64(exactly: offset), let length = Int(exactly: length), offset <= Int64.max - Int64(length) else {
            throw SystemError(errno: 75, operation: "read", object: "the queue file")
        }
        // What cannot be read is read again when it is wanted, and the error is thrown there.
        whole = length <= MessageContent.smallSize ? try? MessageContent.read(file, offset, length) : nil
        rawFile = file.release()
        self.offset = offset
        self.length = length
        self.buffers = buffers
    }

    /// The content of a request.
    init(_ content: [UInt8], buffers: PieceBuffers = PieceBuffers()) {
        self.buffers = buffers
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

    /// Reads what there is at a place of the file. One that ends too early is an error: half a message must not be delivered.
    private func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(SystemError) -> Int {
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, length - position)])
        let count = try FileDescriptor.borrowing(rawFile) { file throws(SystemError) in
            try file.pread(into: part, at: offset + Int64(position))
        }
        guard count > 0 else { throw SystemError(errno: 5, operation: "read", object: "the queue file: it is too short") }
        return count
    }

    /// Octets from a position, at most `count`; empty at the end.
    func piece(at position: Int, upTo count: Int) throws(SystemError) -> [UInt8] {
        guard position < length else { return [] }
        return try read(upTo: min(count, length - position), at: position)
    }

    /// Gives the stored form (``MailboxBody``) piece by piece, `header` first.
    ///
    /// What goes into a file is cut where the kernel cuts its cache: an aligned piece is one stretch of memory for it, any other one many.
    ///
    /// - Parameter start: where in a file the first piece goes.
    func forEachStoredPiece(
        header: [UInt8], form: MailboxForm, at start: Int64 = 0, _ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void
    ) throws(SystemError) {
        var converter = MailboxBody(form)
        var out = buffers.output(
            limit: PieceBuffers.writeSize - Int(start % Int64(PieceBuffers.writeSize)),
            room: header.count + MailboxBody.room(for: whole?.count ?? MessageContent.pieceSize),
            total: header.count + MailboxBody.room(for: length) + MailboxBody.room(for: MessageContent.pieceSize))
        out.add(header)
        if let whole {
            whole.withUnsafeBytes { bytes in out.fill { room in converter.feed(bytes, into: room) } }
        } else {
            let input = buffers.input(MessageContent.pieceSize)
            var done = 0
            while done < length {
                let piece = UnsafeRawBufferPointer(rebasing: input[..<(try read(into: input, at: done))])
                done += piece.count
                out.fill { room in converter.feed(piece, into: room) }
                try out.emit(body)
            }
        }
        out.add(converter.finish())
        try out.emit(body)
        try out.emitRest(body)
    }
}
