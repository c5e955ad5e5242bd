// Counts the traces that a loop leaves in a header (RFC 5321 section 6.3).

/// How often a message has already passed through a mail system.
public struct HopCount: Hashable, Sendable {
    /// Number of Received fields.
    public private(set) var received = 0
    /// Number of Delivered-To fields.
    public private(set) var deliveredTo = 0

    public init() {}

    public init(_ fields: some Sequence<HeaderField>) {
        for field in fields { note(field) }
    }

    public mutating func note(_ field: HeaderField) {
        if field.isNamed("received") { received += 1 } else if field.isNamed("delivered-to") { deliveredTo += 1 }
    }

    /// Whether the message is taken to loop: `limit` Received fields or more (`hopcount_limit`, as Postfix's `cleanup` counts).
    public func reaches(_ limit: Int) -> Bool { received >= limit }
}
