// What the kernel lets a process use. Children inherit it.

import CSystemKit

/// Limits of this process.
public enum ResourceLimits {
    /// Raises the soft limit of open descriptors as far as the hard limit allows, but not above `maximum`; returns what holds now.
    ///
    /// The usual soft limit of 1024 is for programs that use select(2); a server with an event loop has a descriptor for each session.
    @discardableResult
    public static func raiseOpenFiles(maximum: Int = 524_288) throws(SystemError) -> Int {
        try checked(Int(csk_raise_open_files(Int64(maximum))), "setrlimit", "open files")
    }
}
