// Bytes that one process hands to others: a file without a name (memfd) that nobody can change any more.
//
// Security: the seals hold for whoever has the descriptor, the maker included; a receiver may take what it reads as what was written.
// Known limits: all descriptors of one memory share its position, so that it is read by `contents`, which uses none.

import CSystemKit

/// Files in memory that are written once.
public enum SealedMemory {
    /// A sealed file with these bytes, close-on-exec.
    ///
    /// - Parameter name: for `/proc/PID/fd`, where it helps whoever looks for the cause of something.
    public static func make(_ name: String, _ bytes: [UInt8]) throws(SystemError) -> FileDescriptor {
        let number = try checked(name.withCString { text in Int(csk_memory_file(text)) }, "memfd_create", name)
        let memory = FileDescriptor(owning: Int32(number))
        try memory.pwriteAll(bytes, at: 0)
        try checked(Int(csk_seal(memory.rawValue)), "seal", name)
        return memory
    }

    /// Everything in a file, from its start, without moving its position; EFBIG where that is more than `limit`.
    public static func contents(of memory: borrowing FileDescriptor, limit: Int) throws(SystemError) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let part = try memory.pread(upTo: 65536, at: Int64(all.count))
            if part.isEmpty { return all }
            all += part
            if all.count > limit { throw SystemError(errno: 27, operation: "read", object: "descriptor \(memory.rawValue)") }
        }
    }
}
