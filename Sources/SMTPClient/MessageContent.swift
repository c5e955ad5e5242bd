// The content of a message as it is read for sending: in pieces, from the descriptor that qmgr passed, or from the request.
//
// Security: the agent cannot name the queue file; it has a read-only descriptor, and reads only the range that the request gives.
// Limits: reads happen on the event loop. The file was written moments ago or is read in large pieces, so they come from the page cache; a
// disk that stalls stalls this process.

import NIOCore
import SystemKit

/// Where the bytes of one message come from.
enum MessageContent: Sendable {
    /// A range of an open file, which stays its owner's.
    case file(descriptor: Int32, offset: UInt64, length: UInt64)
    /// Bytes that came with the request.
    case memory([UInt8])

    /// Octets read at a time.
    static let pieceSize = 131_072

    var length: Int {
        switch self {
        case .file(_, _, let length): Int(clamping: length)
        case .memory(let bytes): bytes.count
        }
    }

    /// Up to ``pieceSize`` bytes from `position` on; empty at the end.
    ///
    /// - Throws: also where the file ends before the content does: a short message must never look like a whole one.
    func piece(at position: Int) throws(SystemError) -> [UInt8] {
        var buffer = ByteBuffer()
        try read(at: position, into: &buffer)
        return Array(buffer.readableBytesView)
    }

    /// Adds up to ``pieceSize`` bytes from `position` on; none at the end. Throws as ``piece(at:)`` does.
    func read(at position: Int, into buffer: inout ByteBuffer) throws(SystemError) {
        let count = min(MessageContent.pieceSize, length - position)
        guard position >= 0, count > 0 else { return }
        switch self {
        case .memory(let bytes): buffer.writeBytes(bytes[position..<(position + count)])
        case .file(let descriptor, let offset, _):
            let (start, overflow) = Int64(clamping: offset).addingReportingOverflow(Int64(position))
            guard !overflow else { throw SystemError(errno: 22, operation: "read", object: "queue file") }
            var failure: SystemError?
            let done = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
                do throws(SystemError) {
                    return try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in
                        try file.pread(into: UnsafeMutableRawBufferPointer(rebasing: room[..<count]), at: start)
                    }
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            // EIO stands for a file that is shorter than its own header says.
            guard done > 0 else { throw SystemError(errno: 5, operation: "read", object: "queue file") }
        }
    }

    /// The part of an open file that is the whole content, and the two bytes at its end; nil where there is none that is worth sending so.
    ///
    /// - Throws: where the file is too short.
    func filePart() throws(SystemError) -> FilePart? {
        guard case .file(let descriptor, let offset, _) = self, length >= MessageContent.leastFilePart else { return nil }
        var end = ByteBuffer()
        while end.readableBytes < 2 { try read(at: length - 2 + end.readableBytes, into: &end) }
        return FilePart(descriptor: descriptor, offset: Int(clamping: offset), count: length, lastTwo: Array(end.readableBytesView))
    }

    /// What is smaller leaves in one write with the end of data.
    private static let leastFilePart = 32_768

    struct FilePart {
        var descriptor: Int32
        var offset: Int
        var count: Int
        var lastTwo: [UInt8]
    }
}
