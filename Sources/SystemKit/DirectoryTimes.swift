// The names in a large directory with their times of modification: one pass, no string for each name, no path looked up twice.
//
// Measured with a million files on ext4: two system calls for each file (a share of getdents64, and fstatat relative to the directory).

import CSystemKit
import Glibc

extension Files {
    /// Calls `body` for each name in a directory except `.` and `..`, in the order of the file system.
    ///
    /// Names that go away meanwhile are left out. What is made meanwhile may be left out or not.
    ///
    /// - Parameter body: the bytes of the name, valid during the call, and the time of modification in microseconds since 1970; nil where
    ///   it could not be read.
    public static func forEachTime(
        in path: String, _ body: (_ name: UnsafeBufferPointer<UInt8>, _ modified: Int64?) -> Void
    ) throws(SystemError) {
        let descriptor = try FileDescriptor.open(path, [.readOnly, .directory])
        guard let stream = fdopendir(descriptor.rawValue) else {
            throw SystemError(errno: errno, operation: "opendir", object: path)
        }
        // The stream owns the descriptor now, and closedir closes it.
        let directory = descriptor.release()
        defer { closedir(stream) }
        while true {
            let entry = nextEntry(stream)
            if entry.error != 0 { throw SystemError(errno: entry.error, operation: "readdir", object: path) }
            guard let pointer = entry.pointer else { return }
            // d_name is a NUL-terminated array inside the entry, which stays valid until the next readdir of this stream.
            withUnsafePointer(to: &pointer.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { name in
                    let length = strlen(name)
                    if name[0] == 0x2E && (length == 1 || length == 2 && name[1] == 0x2E) { return }
                    var facts = stat()
                    let result = systemCall { Int(fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW)) }
                    if result == -Int(ENOENT) { return }
                    name.withMemoryRebound(to: UInt8.self, capacity: length) { bytes in
                        body(UnsafeBufferPointer(start: bytes, count: length), result < 0 ? nil : FileStatus(facts).modified)
                    }
                }
            }
        }
    }
}
