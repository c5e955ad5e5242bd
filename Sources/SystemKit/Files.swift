// Files and directories by name.
//
// Security: names are used as they are; whoever takes a name from outside checks it first.
// Durability: a new, renamed or removed name is on stable storage only after `synchronizeDirectory` of its directory.

import CSystemKit
import Glibc

/// System calls on names in the file system.
public enum Files {
    public static func rename(_ old: String, _ new: String) throws(SystemError) {
        let result = old.withCString { from in new.withCString { to in systemCall { Int(Glibc.rename(from, to)) } } }
        try checked(result, "rename", "\(old) to \(new)")
    }

    public static func link(_ old: String, _ new: String) throws(SystemError) {
        let result = old.withCString { from in new.withCString { to in systemCall { Int(Glibc.link(from, to)) } } }
        try checked(result, "link", "\(old) to \(new)")
    }

    /// A symbolic link at `path` whose text is `target`.
    public static func symbolicLink(_ target: String, at path: String) throws(SystemError) {
        let result = target.withCString { from in path.withCString { to in systemCall { Int(symlink(from, to)) } } }
        try checked(result, "symlink", path)
    }

    public static func unlink(_ path: String) throws(SystemError) {
        try checked(path.withCString { name in systemCall { Int(Glibc.unlink(name)) } }, "unlink", path)
    }

    /// mkdir(2); the umask applies. An existing directory is EEXIST (`isAlreadyThere`).
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
        try checked(path.withCString { name in systemCall { Int(mkdir(name, mode)) } }, "mkdir", path)
    }

    public static func removeDirectory(_ path: String) throws(SystemError) {
        try checked(path.withCString { name in systemCall { Int(rmdir(name)) } }, "rmdir", path)
    }

    /// stat(2): symbolic links are followed.
    public static func status(of path: String) throws(SystemError) -> FileStatus {
        var facts = stat()
        try checked(path.withCString { name in systemCall { Int(stat(name, &facts)) } }, "stat", path)
        return FileStatus(facts)
    }

    /// lstat(2): a symbolic link is described itself.
    public static func linkStatus(of path: String) throws(SystemError) -> FileStatus {
        var facts = stat()
        try checked(path.withCString { name in systemCall { Int(lstat(name, &facts)) } }, "lstat", path)
        return FileStatus(facts)
    }

    /// Whether the name exists; errors other than absence are thrown, since "cannot tell" is not "no".
    public static func exists(_ path: String) throws(SystemError) -> Bool {
        var facts = stat()
        let result = path.withCString { name in systemCall { Int(stat(name, &facts)) } }
        if result == -Int(ENOENT) || result == -Int(ENOTDIR) { return false }
        try checked(result, "stat", path)
        return true
    }

    /// The names in a directory, without `.` and `..`, in the order of the file system. Names that are not UTF-8 are left out:
    /// none of ours has one, and a repaired name could not be opened.
    public static func directoryEntries(_ path: String) throws(SystemError) -> [String] {
        let descriptor = try FileDescriptor.open(path, [.readOnly, .directory])
        guard let stream = fdopendir(descriptor.rawValue) else {
            throw SystemError(errno: errno, operation: "opendir", object: path)
        }
        // The stream owns the descriptor now, and closedir closes it.
        _ = descriptor.release()
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            let entry = nextEntry(stream)
            if entry.error != 0 { throw SystemError(errno: entry.error, operation: "readdir", object: path) }
            guard let pointer = entry.pointer else { return names }
            // d_name is a NUL-terminated array inside the entry, which stays valid until the next readdir of this stream.
            let name = withUnsafePointer(to: &pointer.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(validatingCString: $0) }
            }
            if let name, name != ".", name != ".." { names.append(name) }
        }
    }

    /// readdir(3) tells end and error apart only by errno.
    @inline(never)
    static func nextEntry(_ stream: OpaquePointer) -> (pointer: UnsafeMutablePointer<dirent>?, error: Int32) {
        errno = 0
        let pointer = readdir(stream)
        return pointer == nil ? (nil, errno) : (pointer, 0)
    }

    /// Makes the names in a directory durable.
    public static func synchronizeDirectory(_ path: String) throws(SystemError) {
        let descriptor = try FileDescriptor.open(path, [.readOnly, .directory])
        try checked(systemCall { Int(fsync(descriptor.rawValue)) }, "fsync", path)
    }

    public static func changeMode(_ path: String, _ mode: UInt32) throws(SystemError) {
        try checked(path.withCString { name in systemCall { Int(chmod(name, mode)) } }, "chmod", path)
    }

    /// lchown(2): a symbolic link is never followed.
    public static func changeOwner(_ path: String, owner: UInt32, group: UInt32) throws(SystemError) {
        try checked(path.withCString { name in systemCall { Int(lchown(name, owner, group)) } }, "chown", path)
    }

    /// Sets the time of modification, and of access with it; microseconds since 1970.
    public static func setTimes(_ path: String, modified: Int64) throws(SystemError) {
        let times = fileTimes(modified)
        let result = path.withCString { name in
            times.withUnsafeBufferPointer { buffer in systemCall { Int(utimensat(AT_FDCWD, name, buffer.baseAddress, 0)) } }
        }
        try checked(result, "utimens", path)
    }

    /// Bytes that an unprivileged process may still write to the file system that holds `path`.
    public static func freeSpace(of path: String) throws(SystemError) -> Int64 {
        Int64(try checked(path.withCString { name in Int(csk_free_bytes(name)) }, "statvfs", path))
    }

    /// The whole file; EFBIG when it is longer than `limit`.
    public static func contents(of path: String, limit: Int = 16 << 20) throws(SystemError) -> [UInt8] {
        do {
            return try FileDescriptor.open(path, .readOnly).readAll(limit: limit)
        } catch {
            throw SystemError(errno: error.errno, operation: error.operation, object: path)
        }
    }

    /// chdir(2) of the whole process.
    public static func changeDirectory(to path: String) throws(SystemError) {
        try checked(path.withCString { name in systemCall { Int(chdir(name)) } }, "chdir", path)
    }

    /// umask(2) of the whole process; returns the previous mask.
    @discardableResult
    public static func setCreationMask(_ mask: UInt32) -> UInt32 { umask(mask) }
}
