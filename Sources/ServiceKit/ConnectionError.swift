// What can become of a stream of bytes (StreamConnection), in words that logs and replies can use.

/// Why a stream is of no use any more.
public enum ConnectionError: Error, Hashable, Sendable, CustomStringConvertible {
    case timedOut
    /// The peer closed it, or the network lost it; the reason.
    case closed(String)
    /// Could not be made; the reason as of strerror.
    case unreachable(String)
    /// The TLS handshake failed; the reason.
    case handshakeFailed(String)
    /// A file that was to be sent cannot be read, or has become shorter; the reason.
    case unreadable(String)
    /// Files like that cannot be sent to sockets by the kernel; the reason.
    case unsendable(String)

    public var description: String {
        switch self {
        case .timedOut: "Connection timed out"
        case .closed(let text), .unreachable(let text), .handshakeFailed(let text), .unreadable(let text), .unsendable(let text): text
        }
    }
}
