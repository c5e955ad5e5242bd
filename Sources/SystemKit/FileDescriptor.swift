// An owned file descriptor: closed exactly once, by whoever holds it last.
//
// Security: every descriptor is close-on-exec, so that no child gets what was not meant for it.
// Known limits: close(2) is not retried and its error is dropped; whoever needs to know that bytes arrived calls `synchronizeData` first.

import CSystemKit
import Glibc

/// How a file is opened. Close-on-exec is always set.
public struct OpenFlags: OptionSet, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let readOnly = OpenFlags([])
    public static let writeOnly = OpenFlags(rawValue: O_WRONLY)
    public static let readWrite = OpenFlags(rawValue: O_RDWR)
    public static let create = OpenFlags(rawValue: O_CREAT)
    public static let exclusive = OpenFlags(rawValue: O_EXCL)
    public static let append = OpenFlags(rawValue: O_APPEND)
    public static let truncate = OpenFlags(rawValue: O_TRUNC)
    public static let noFollow = OpenFlags(rawValue: O_NOFOLLOW)
    public static let directory = OpenFlags(rawValue: O_DIRECTORY)
    public static let nonBlocking = OpenFlags(rawValue: O_NONBLOCK)
    public static let noControllingTerminal = OpenFlags(rawValue: O_NOCTTY)
    /// O_PATH: good for looking at the file's attributes, not for reading or writing it.
    public static let attributesOnly = OpenFlags(rawValue: csk_path_flag)
}

/// An owned file descriptor.
public struct FileDescriptor: ~Copyable, Sendable {
    public let rawValue: Int32

    /// Takes ownership of an open descriptor.
    public init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = Glibc.close(rawValue) }

    /// Gives the descriptor up without closing it.
    public consuming func release() -> Int32 {
        let value = rawValue
        discard self
        return value
    }

    /// Opens a file. `mode` is used only with `.create`, and the umask applies.
    public static func open(_ path: String, _ flags: OpenFlags, mode: UInt32 = 0o600) throws(SystemError) -> FileDescriptor {
        let result = path.withCString { name in shimCall { Int(csk_open(name, flags.rawValue, mode)) } }
        return FileDescriptor(owning: Int32(try checked(result, "open", path)))
    }

    /// A second, close-on-exec descriptor of the same open file.
    public func duplicate() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: Int32(try checked(shimCall { Int(csk_duplicate_above(rawValue, 3)) }, "dup", name)))
    }

    /// Makes `number` another descriptor of this open file, closing what it was. It is not close-on-exec: for 0, 1 and 2.
    public func replace(_ number: Int32) throws(SystemError) {
        try checked(systemCall { Int(dup2(rawValue, number)) }, "dup2", name)
    }

    /// A pipe; both ends are close-on-exec.
    public static func pipe() throws(SystemError) -> PipeEnds {
        var ends: [Int32] = [-1, -1]
        try checked(Int(csk_pipe(&ends)), "pipe", "")
        return PipeEnds(read: FileDescriptor(owning: ends[0]), write: FileDescriptor(owning: ends[1]))
    }

    var name: String { "descriptor \(rawValue)" }

    // MARK: Reading

    /// Reads at most `count` bytes from the current position; empty means end of file.
    public func read(upTo count: Int) throws(SystemError) -> [UInt8] {
        var result = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: max(count, 0)) { buffer, initialized in
            result = systemCall { Glibc.read(rawValue, buffer.baseAddress, buffer.count) }
            initialized = max(result, 0)
        }
        try checked(result, "read", name)
        return bytes
    }

    /// Reads to the end of file, but not more than `limit` bytes; a longer file is EFBIG.
    public func readAll(limit: Int) throws(SystemError) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let part = try read(upTo: min(65536, limit - all.count + 1))
            if part.isEmpty { return all }
            all.append(contentsOf: part)
            if all.count > limit { throw SystemError(errno: EFBIG, operation: "read", object: name) }
        }
    }

    /// Reads at most `count` bytes at an offset, without moving the position; empty means at or beyond the end of file.
    public func pread(upTo count: Int, at offset: Int64) throws(SystemError) -> [UInt8] {
        var result = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: max(count, 0)) { buffer, initialized in
            result = systemCall { Glibc.pread(rawValue, buffer.baseAddress, buffer.count, Int(offset)) }
            initialized = max(result, 0)
        }
        try checked(result, "pread", name)
        return bytes
    }

    /// Reads into memory of the caller's at an offset, without moving the position; 0 means at or beyond the end of file.
    public func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemError) -> Int {
        try checked(systemCall { Glibc.pread(rawValue, buffer.baseAddress, buffer.count, Int(offset)) }, "pread", name)
    }

    // MARK: Writing

    /// One write(2), which may be partial on a pipe or socket; returns the count.
    public func write(_ bytes: some Collection<UInt8>) throws(SystemError) -> Int {
        let result = withBytes(of: bytes) { buffer in systemCall { Glibc.write(rawValue, buffer.baseAddress, buffer.count) } }
        return try checked(result, "write", name)
    }

    /// Writes all bytes, over as many calls as it takes.
    public func writeAll(_ bytes: some Collection<UInt8>) throws(SystemError) {
        let result = withBytes(of: bytes) { buffer in
            var done = 0
            while done < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
                let count = systemCall { Glibc.write(rawValue, rest.baseAddress, rest.count) }
                if count < 0 { return count }
                if count == 0 { return -Int(EIO) }
                done += count
            }
            return done
        }
        try checked(result, "write", name)
    }

    /// Writes all bytes at an offset, without moving the position.
    public func pwriteAll(_ bytes: some Collection<UInt8>, at offset: Int64) throws(SystemError) {
        let result = withBytes(of: bytes) { buffer in
            var done = 0
            while done < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
                let count = systemCall { Glibc.pwrite(rawValue, rest.baseAddress, rest.count, Int(offset) + done) }
                if count < 0 { return count }
                if count == 0 { return -Int(EIO) }
                done += count
            }
            return done
        }
        try checked(result, "pwrite", name)
    }

    /// Writes all pieces one after the other at an offset, in one call where the kernel takes them all, without moving the position.
    public func pwriteAll(_ pieces: [ArraySlice<UInt8>], at offset: Int64) throws(SystemError) {
        var rest = pieces.drop { $0.isEmpty }
        var position = offset
        while !rest.isEmpty {
            // Where only a part is written the disk is full, mostly: the next call says so.
            let done = try checked(gather(rest.prefix(FileDescriptor.mostPieces), [], at: position), "pwritev", name)
            if done == 0 { throw SystemError(errno: EIO, operation: "pwritev", object: name) }
            rest = FileDescriptor.rest(of: rest, after: done)
            position += Int64(done)
        }
    }

    private static let mostPieces = 64

    /// What is left of pieces when so many bytes are gone from their beginning; it does not begin with an empty piece.
    static func rest(of pieces: ArraySlice<ArraySlice<UInt8>>, after count: Int) -> ArraySlice<ArraySlice<UInt8>> {
        var rest = pieces
        var count = count
        while let first = rest.first, first.count <= count {
            count -= first.count
            rest = rest.dropFirst()
        }
        if count > 0, let first = rest.first { rest[rest.startIndex] = first.dropFirst(count) }
        return rest
    }

    /// pwritev(2) of all pieces: each is pinned by a call of this function.
    private func gather(_ pieces: ArraySlice<ArraySlice<UInt8>>, _ vector: [iovec], at offset: Int64) -> Int {
        guard let piece = pieces.first else {
            return vector.withUnsafeBufferPointer { parts in
                systemCall { Glibc.pwritev(rawValue, parts.baseAddress, Int32(parts.count), Int(offset)) }
            }
        }
        return piece.withUnsafeBytes { bytes in
            // Nothing is written to where the vector points.
            let part = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
            return gather(pieces.dropFirst(), vector + [part], at: offset)
        }
    }

    /// Moves the position to an offset from the start.
    public func seek(to offset: Int64) throws(SystemError) {
        try checked(systemCall { Glibc.lseek(rawValue, Int(offset), SEEK_SET) }, "seek", name)
    }

    // MARK: Durability

    /// fdatasync(2): content and size are on stable storage.
    public func synchronizeData() throws(SystemError) { try checked(systemCall { Int(fdatasync(rawValue)) }, "fdatasync", name) }

    /// fsync(2): content and all attributes are on stable storage.
    public func synchronize() throws(SystemError) { try checked(systemCall { Int(fsync(rawValue)) }, "fsync", name) }

    /// Starts writing the whole file out without waiting. A hint to the kernel: it promises nothing about durability.
    public func startWriteback() throws(SystemError) {
        try checked(shimCall { Int(csk_start_writeback(rawValue)) }, "sync_file_range", name)
    }
}

/// The two ends of a pipe.
public struct PipeEnds: ~Copyable, Sendable {
    public let read: FileDescriptor
    public let write: FileDescriptor

    init(read: consuming FileDescriptor, write: consuming FileDescriptor) {
        self.read = read
        self.write = write
    }

    /// Gives both ends up without closing them.
    public consuming func release() -> (read: Int32, write: Int32) {
        (read.release(), write.release())
    }
}

/// The bytes of any collection as one buffer: without a copy where the collection is contiguous.
func withBytes<R>(of bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    if let result = bytes.withContiguousStorageIfAvailable({ body(UnsafeRawBufferPointer($0)) }) { return result }
    return Array(bytes).withUnsafeBytes(body)
}

/// Writing to a descriptor that somebody else owns: standard error, a status pipe handed down by master.
public enum RawDescriptor {
    /// Whether somebody may be reading along: isatty(3).
    public static func isTerminal(_ fd: Int32) -> Bool { isatty(fd) == 1 }

    /// One write(2); returns the count, which may be partial on a pipe or socket.
    @discardableResult
    public static func write(_ bytes: some Collection<UInt8>, to fd: Int32) throws(SystemError) -> Int {
        let result = withBytes(of: bytes) { buffer in systemCall { Glibc.write(fd, buffer.baseAddress, buffer.count) } }
        return try checked(result, "write", "descriptor \(fd)")
    }

    /// Sets or clears close-on-exec.
    public static func setCloseOnExec(_ on: Bool, of fd: Int32) throws(SystemError) {
        try checked(shimCall { Int(csk_set_close_on_exec(fd, on ? 1 : 0)) }, "fcntl", "descriptor \(fd)")
    }
}
