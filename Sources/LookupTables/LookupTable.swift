// What a lookup table is: a function from a key to a value that may also fail for the moment.
//
// Security: keys hold peer data and are never expanded or parsed as file names. "Not found" and "cannot tell now" are different results:
// a table that cannot be read never looks like an empty one, so that mail is deferred, not refused.

/// A lookup failed; the same lookup may succeed later.
public struct LookupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The table as it is written in main.cf, `type:name`.
    public let table: String
    public let reason: String
    /// Nothing is wrong but that there is no such file.
    public let isFileMissing: Bool

    public init(table: String, reason: String, isFileMissing: Bool = false) {
        self.table = table
        self.reason = reason
        self.isFileMissing = isFileMissing
    }

    public var description: String { "table \(table): \(reason)" }
}

/// A table of any type.
public protocol LookupTable: Sendable {
    /// `type:name`, for messages.
    var name: String { get }

    /// Whether keys are patterns (regexp, pcre, cidr). Such tables are asked for whole addresses only, never for parts of them.
    var isPatternTable: Bool { get }

    /// The value of a key, or nil where there is none. Tables with fixed keys compare ASCII letters without case.
    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]?

    /// Opens the table now and reports what is wrong with it; a lookup would give the same error later.
    func check() throws(LookupError)
}

extension LookupTable {
    public var isPatternTable: Bool { false }
    public func check() throws(LookupError) { _ = try lookup([]) }
}
