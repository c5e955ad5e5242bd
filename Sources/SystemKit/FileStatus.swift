// What stat(2) says about a file, and the changes of attributes of an open file.

import CSystemKit
import Glibc

/// The attributes of a file.
public struct FileStatus: Hashable, Sendable {
    /// Size in bytes.
    public let size: Int64
    /// Permission bits with set-id and sticky bits (07777), without the file type.
    public let mode: UInt32
    /// Time of the last change of content, microseconds since 1970.
    public let modified: Int64
    public let owner: UInt32
    public let group: UInt32
    public let inode: UInt64
    public let device: UInt64
    /// Number of hard links.
    public let links: UInt64
    public let isRegularFile: Bool
    public let isDirectory: Bool
    public let isSymbolicLink: Bool
    public let isSocket: Bool

    init(_ facts: stat) {
        size = Int64(facts.st_size)
        mode = facts.st_mode & 0o7777
        modified = Int64(facts.st_mtim.tv_sec) &* 1_000_000 &+ Int64(facts.st_mtim.tv_nsec) / 1000
        owner = facts.st_uid
        group = facts.st_gid
        inode = UInt64(facts.st_ino)
        device = UInt64(facts.st_dev)
        links = UInt64(facts.st_nlink)
        let type = facts.st_mode & S_IFMT
        isRegularFile = type == S_IFREG
        isDirectory = type == S_IFDIR
        isSymbolicLink = type == S_IFLNK
        isSocket = type == S_IFSOCK
    }
}

extension FileDescriptor {
    /// fstat(2).
    public func status() throws(SystemError) -> FileStatus {
        var facts = stat()
        try checked(systemCall { Int(fstat(rawValue, &facts)) }, "stat", name)
        return FileStatus(facts)
    }

    /// Takes the exclusive flock(2) if it is free; false when somebody else holds it.
    public func tryLockExclusive() throws(SystemError) -> Bool {
        let result = systemCall { Int(flock(rawValue, LOCK_EX | LOCK_NB)) }
        if result == -Int(EWOULDBLOCK) { return false }
        try checked(result, "lock", name)
        return true
    }

    /// Takes the exclusive flock(2), waiting for it.
    public func lockExclusive() throws(SystemError) { try checked(systemCall { Int(flock(rawValue, LOCK_EX)) }, "lock", name) }

    /// Takes the lock of a range of bytes, waiting for it. It belongs to the open file, and excludes other openings of the file, also those of this process.
    public func lockRange(at offset: Int64, count: Int64) throws(SystemError) {
        try checked(shimCall { Int(csk_lock_range(rawValue, offset, count)) }, "lock", name)
    }

    public func unlockRange(at offset: Int64, count: Int64) throws(SystemError) {
        try checked(shimCall { Int(csk_unlock_range(rawValue, offset, count)) }, "unlock", name)
    }

    /// Gives the flock(2) back before the descriptor is closed.
    public func unlock() throws(SystemError) { try checked(systemCall { Int(flock(rawValue, LOCK_UN)) }, "unlock", name) }

    /// Takes an exclusive POSIX record lock on the whole file if it is free (the `fcntl` mailbox lock); false when it is held.
    public func tryRecordLock() throws(SystemError) -> Bool {
        let result = shimCall { Int(csk_try_record_lock(rawValue)) }
        if result == -Int(EAGAIN) || result == -Int(EACCES) { return false }
        try checked(result, "lock", name)
        return true
    }

    /// Has the file system find room for so many bytes from the start, without the file becoming longer. What it does not have it finds later, or not.
    public func reserve(_ bytes: Int64) { _ = csk_reserve(rawValue, bytes) }

    public func truncate(to size: Int64) throws(SystemError) {
        try checked(systemCall { Int(ftruncate(rawValue, Int(size))) }, "truncate", name)
    }

    public func setOwner(_ owner: UInt32, group: UInt32) throws(SystemError) {
        try checked(systemCall { Int(fchown(rawValue, owner, group)) }, "chown", name)
    }

    public func setMode(_ mode: UInt32) throws(SystemError) { try checked(systemCall { Int(fchmod(rawValue, mode)) }, "chmod", name) }

    /// Sets the time of modification, and of access with it; microseconds since 1970.
    public func setTimes(modified: Int64) throws(SystemError) {
        let times = fileTimes(modified)
        try checked(times.withUnsafeBufferPointer { buffer in systemCall { Int(futimens(rawValue, buffer.baseAddress)) } }, "utimens", name)
    }

    /// Whether reads and writes pass by the kernel's cache (O_DIRECT): EINVAL where the file system has no such thing.
    public func setDirect(_ on: Bool) throws(SystemError) {
        try checked(shimCall { Int(csk_set_direct(rawValue, on ? 1 : 0)) }, "fcntl", name)
    }

    /// Whether reads and writes return EAGAIN rather than wait.
    public func setNonBlocking(_ on: Bool) throws(SystemError) {
        try checked(shimCall { Int(csk_set_nonblocking(rawValue, on ? 1 : 0)) }, "fcntl", name)
    }
}

/// Access and modification time for utimensat(2) and futimens(2).
func fileTimes(_ microseconds: Int64) -> [timespec] {
    let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    // timespec wants a fraction that is not negative, also before 1970.
    let seconds = remainder < 0 ? quotient - 1 : quotient
    let fraction = remainder < 0 ? remainder + 1_000_000 : remainder
    let time = timespec(tv_sec: Int(seconds), tv_nsec: Int(fraction) * 1000)
    return [time, time]
}
