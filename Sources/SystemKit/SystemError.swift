// The one error type of system calls, and the one place where errno is read.
//
// Security: the text names the operation and the object and never carries peer bytes other than a path; callers print it through MailLog.

import CSystemKit
import Glibc

/// A system call that failed.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The value of errno(3) after the call.
    public let errno: Int32
    /// What was tried, in the words of an administrator: `open`, `bind`, `rename`.
    public let operation: String
    /// What it was tried on: a path, an address, a user name; may be empty.
    public let object: String

    public init(errno: Int32, operation: String, object: String) {
        self.errno = errno
        self.operation = operation
        self.object = object
    }

    /// The system's own words for the errno: `No such file or directory`.
    public var reason: String { String(cString: csk_error_text(errno)) }

    /// `open /x: No such file or directory`.
    public var description: String { object.isEmpty ? "\(operation): \(reason)" : "\(operation) \(object): \(reason)" }

    /// ENOENT: the object does not exist.
    public var isNotFound: Bool { errno == ENOENT }
    /// EEXIST: the object exists already.
    public var isAlreadyThere: Bool { errno == EEXIST }
    /// EAGAIN: a non-blocking descriptor has nothing now.
    public var isWouldBlock: Bool { errno == EAGAIN }
    /// EADDRINUSE: another socket has the address.
    public var isAddressInUse: Bool { errno == EADDRINUSE }
    /// EADDRNOTAVAIL or EAFNOSUPPORT: this machine has no such address, or not its family.
    public var isAddressMissing: Bool { errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT }
    /// The error of a lock that somebody else holds.
    public static func locked(_ object: String) -> SystemError {
        SystemError(errno: EAGAIN, operation: "set exclusive lock", object: object)
    }
    /// EINVAL: not in this way, or not with this.
    public var isInvalid: Bool { errno == EINVAL }
    /// EPIPE: nobody reads any more.
    public var isBrokenPipe: Bool { errno == EPIPE }
    /// ENOSPC or EDQUOT: no room on the file system.
    public var isOutOfSpace: Bool { errno == ENOSPC || errno == EDQUOT }
}

/// Runs one system call and returns its result, or -errno; EINTR is retried (so never use it for close(2)).
///
/// Never inlined: nothing of the caller (reference counting, allocation) may run between the call and the reading of errno.
@inline(never)
func systemCall(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result != -1 { return result }
        let code = Glibc.errno
        if code != EINTR { return -Int(code) }
    }
}

/// The same for the shims of CSystemKit, which return -errno themselves.
@inline(never)
func shimCall(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result != -Int(EINTR) { return result }
    }
}

/// Turns the -errno of `systemCall` and `shimCall` into a typed error.
@discardableResult
func checked(_ result: Int, _ operation: @autoclosure () -> String, _ object: @autoclosure () -> String) throws(SystemError) -> Int {
    if result < 0 { throw SystemError(errno: Int32(truncatingIfNeeded: -result), operation: operation(), object: object()) }
    return result
}
