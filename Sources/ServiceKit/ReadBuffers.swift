// The size of the buffers that a channel reads into.
//
// NIO keeps the buffer of a channel for its next read, and makes it larger while reads fill it. For a server with thousands of sessions that
// wait that is either much memory, or many small reads: a message of 4 KB after a command of 10 bytes came in four (512, 1024, 2048 and the
// rest), each with a turn of the loop. Here the first buffer is small, and StreamConnection holds on to it, so that NIO cannot use it again
// and takes a new one for each read, which is freed with what was read: a session that waits has none.

import NIOCore

/// Buffers for a channel whose first one is not given back.
struct TransientReadBuffers: RecvByteBufferAllocator {
    private static let first = 256
    private static let usual = 8192
    private static let largest = 65_536
    private var size = first

    init() {}

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: size) }

    /// NIO reuses a buffer only where it is told a size.
    func nextBufferSize() -> Int? { size }

    mutating func record(actualReadBytes: Int) -> Bool {
        let before = size
        // Content comes in as large pieces as the peer sends; what follows it is small again.
        switch actualReadBytes {
        case before...: size = min(max(2 * before, TransientReadBuffers.usual), TransientReadBuffers.largest)
        case (before / 2)...: break
        default: size = max(before / 2, TransientReadBuffers.usual)
        }
        return size > before
    }
}
