// Names and versions of the protocols between our programs. Both ends change in one commit; a mixed pair fails at the handshake, and what was
// asked is deferred.

/// A protocol spoken over a connection between programs.
public struct IPCProtocol: Hashable, Sendable {
    public let name: String
    public let version: UInt16
    /// Whether descriptors travel beside the frames.
    public let hasSideChannel: Bool
    /// Whether a client may have memory together with the server, for content.
    public let hasWindow: Bool

    public init(name: String, version: UInt16, hasSideChannel: Bool = false, hasWindow: Bool = false) {
        self.name = name
        self.version = version
        self.hasSideChannel = hasSideChannel
        self.hasWindow = hasWindow
    }

    /// smtpd, pickup, bounce, local -> cleanup.
    public static let cleanup = IPCProtocol(name: "cleanup", version: 5, hasWindow: true)
    /// cleanup and the queue commands -> qmgr.
    public static let queueManager = IPCProtocol(name: "qmgr", version: 4)
    /// qmgr -> smtp, local and other delivery agents.
    public static let delivery = IPCProtocol(name: "delivery", version: 3, hasSideChannel: true)
    /// qmgr -> bounce.
    public static let bounce = IPCProtocol(name: "bounce", version: 2)
    /// smtpd, smtp -> resolver.
    public static let resolver = IPCProtocol(name: "resolver", version: 1)
}

/// Why a connection between programs is of no use (any more).
public enum IPCError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Could not connect; the reason.
    case unreachable(String)
    /// The other end speaks another protocol or version, or sent what cannot be decoded.
    case violation(String)
    /// The connection broke, or the other end abandoned the stream.
    case broken(String)
    /// No answer in the time allowed.
    case timedOut
    /// The service has begun something long and gave back what waited behind it, untouched: to be asked anew, on another connection.
    case givenBack

    public var description: String {
        switch self {
        case .unreachable(let text): "cannot connect: \(text)"
        case .violation(let text): "protocol violation: \(text)"
        case .broken(let text): "connection broken: \(text)"
        case .timedOut: "timed out"
        case .givenBack: "given back"
        }
    }
}
