// The content of a message as it is read for sending: in pieces, from the descriptor that qmgr passed, or from the request.
//
// Security: the agent cannot name the queue file; it has a read-only descriptor, and reads only the range that the request gives.
// Limits: reads happen on the event loop. The file was written moments ago or is read in large pieces, so they come from the page cache; a
// disk that stalls stalls this process.

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
        let count = min(MessageContent.pieceSize, length - position)
        guard position >= 0, count > 0 else { return [] }
        switch self {
        case .memory(let bytes): return Array(bytes[position..<(position + count)])
        case .file(let descriptor, let offset, _):
            let (start, overflow) = Int64(clamping: offset).addingReportingOverflow(Int64(position))
            guard !overflow else { throw SystemError(errno: 22, operation: "read", object: "queue file") }
            let bytes = try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pread(upTo: count, at: start) }
            // EIO stands for a file that is shorter than its own header says.
            guard !bytes.isEmpty else { throw SystemError(errno: 5, operation: "read", object: "queue file") }
            return bytes
        }
    }
}
