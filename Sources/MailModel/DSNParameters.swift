// The parameters of RFC 3461 that travel with an envelope.

/// NOTIFY (RFC 3461 section 4.1). An empty set means that the client gave no NOTIFY: failure (and delay) are reported by default.
public struct DSNNotify: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let never = DSNNotify(rawValue: 1)
    public static let success = DSNNotify(rawValue: 2)
    public static let failure = DSNNotify(rawValue: 4)
    public static let delay = DSNNotify(rawValue: 8)

    /// Whether a failure is to be reported: by default, or because it was asked for.
    public var reportsFailure: Bool { isEmpty || contains(.failure) }
    /// Whether a delay may be reported: by default, or because it was asked for.
    public var reportsDelay: Bool { isEmpty || contains(.delay) }
    public var reportsSuccess: Bool { contains(.success) }

    /// The value as written after `NOTIFY=`; nil where the client gave none.
    public var parameterText: String? {
        if isEmpty { return nil }
        if contains(.never) { return "NEVER" }
        var words: [String] = []
        if contains(.success) { words.append("SUCCESS") }
        if contains(.failure) { words.append("FAILURE") }
        if contains(.delay) { words.append("DELAY") }
        return words.joined(separator: ",")
    }
}

/// RET (RFC 3461 section 4.3): how much of the message a failure report carries.
public enum DSNReturn: UInt8, Sendable, Hashable {
    case unspecified = 0
    case full = 1
    case headers = 2
}

/// BODY (RFC 6152, RFC 3030).
public enum BodyType: UInt8, Sendable, Hashable {
    case unspecified = 0
    case sevenBit = 1
    case eightBitMIME = 2
    case binaryMIME = 3
}
