// Memory for content on its way from the queue file into a mailbox, kept for the life of the process: memory of this size would be mapped and
// cleared by the kernel anew for each message.
//
// Not for use by two at a time: what is in it belongs to the piece that is under way.

import SystemKit

/// The memory.
final class PieceBuffers {
    /// Octets that go into a file at a time. The kernel's cache takes what is aligned to such a power of two as one stretch.
    static let writeSize = 1 << 20
    /// Of memory that the disk reads itself (``MaildirFileWriter``).
    private static let alignment = 4096

    private var inputMemory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var outputMemory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    init() {}

    deinit {
        inputMemory.deallocate()
        outputMemory.deallocate()
    }

    func input(_ size: Int) -> UnsafeMutableRawBufferPointer {
        PieceBuffers.grow(&inputMemory, to: size)
        return UnsafeMutableRawBufferPointer(rebasing: inputMemory[..<size])
    }

    /// - Parameters:
    ///   - limit: octets of the first piece; the others have ``writeSize``.
    ///   - room: what is added between two calls of ``Output/emit(_:)`` fits in.
    ///   - total: all that will be added fits in.
    func output(limit: Int, room: Int, total: Int) -> Output {
        PieceBuffers.grow(&outputMemory, to: min(PieceBuffers.writeSize + room, total))
        return Output(memory: outputMemory, limit: limit)
    }

    private static func grow(_ memory: inout UnsafeMutableRawBufferPointer, to size: Int) {
        guard memory.count < size else { return }
        memory.deallocate()
        memory = .allocate(byteCount: size, alignment: alignment)
    }

    /// Gathers what is to be written.
    struct Output {
        fileprivate let memory: UnsafeMutableRawBufferPointer
        fileprivate var limit: Int
        private var filled = 0

        fileprivate init(memory: UnsafeMutableRawBufferPointer, limit: Int) {
            self.memory = memory
            self.limit = limit
        }

        mutating func add(_ bytes: [UInt8]) {
            fill { room in
                room.copyBytes(from: bytes)
                return bytes.count
            }
        }

        /// - Parameter body: puts bytes into the room there is, and returns how many.
        mutating func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) {
            filled += body(UnsafeMutableRawBufferPointer(rebasing: memory[filled...]))
        }

        /// Gives away what makes whole pieces.
        mutating func emit(_ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void) throws(SystemError) {
            while filled >= limit {
                try body(UnsafeRawBufferPointer(rebasing: memory[..<limit]))
                memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[limit..<filled]))
                filled -= limit
                limit = PieceBuffers.writeSize
            }
        }

        mutating func emitRest(_ body: (UnsafeRawBufferPointer) throws(SystemError) -> Void) throws(SystemError) {
            if filled > 0 { try body(UnsafeRawBufferPointer(rebasing: memory[..<filled])) }
            filled = 0
        }
    }
}
