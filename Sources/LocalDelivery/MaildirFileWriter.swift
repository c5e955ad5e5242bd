// Writes the file of one message, from its start to its end.
//
// What is large passes by the kernel's cache (O_DIRECT): the processor does not copy it, finds no memory for it and does not write it out
// later, which is half of all its work, and the cache keeps what is read more often than a large message in a mailbox.
// Durability does not depend on it: the file is synced as every other one.
// Known limits: the first reader reads from the disk. Where a file system cannot do it, or not with these blocks, the cache is used.

import SystemKit

/// The writing end of a new file.
struct MaildirFileWriter {
    /// From here on it is worth a write that waits for the disk.
    static let leastDirect = 256 << 10
    /// Blocks of the disk are not larger; where they are, EINVAL tells.
    private static let blockSize = 4096

    private var isDirect: Bool

    /// - Parameter length: octets that will come, about.
    init(_ file: borrowing FileDescriptor, length: Int) {
        isDirect = length >= MaildirFileWriter.leastDirect && (try? file.setDirect(true)) != nil
    }

    /// - Parameter piece: in memory that is aligned to blocks, and whole blocks, except for the last.
    mutating func write(_ piece: UnsafeRawBufferPointer, to file: borrowing FileDescriptor) throws(SystemError) {
        var rest = piece
        while !rest.isEmpty {
            let blocks = rest.count - rest.count % MaildirFileWriter.blockSize
            if blocks == 0 { try useCache(file) }
            let part = isDirect ? UnsafeRawBufferPointer(rebasing: rest[..<blocks]) : rest
            do throws(SystemError) {
                let count = try file.write(part)
                guard count > 0 else { throw SystemError(errno: 5, operation: "write", object: "the message") }
                // Less than was asked for: the disk is full, or the next write tells.
                if count % MaildirFileWriter.blockSize != 0 { try useCache(file) }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } catch {
                guard isDirect && error.isInvalid else { throw error }
                try useCache(file)
            }
        }
    }

    private mutating func useCache(_ file: borrowing FileDescriptor) throws(SystemError) {
        if isDirect { try file.setDirect(false) }
        isDirect = false
    }
}
