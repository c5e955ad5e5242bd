// Facts beside a line: named values for those who read the log by program (DESIGN.md, section 7).
//
// Security: values may hold anything; each form of the log encodes them. Names are constants of the code.

/// The value of a fact.
public enum LogValue: Hashable, Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    case text(String)
    case number(Int64)
    /// A time span in microseconds; written in seconds.
    case duration(Int64)

    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .number(value) }
}

/// Facts in the order in which they are written.
public struct LogFields: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    /// One fact. Names are lower-case letters, digits and `_`.
    public struct Field: Hashable, Sendable {
        public let name: String
        public let value: LogValue
    }

    public private(set) var list: [Field] = []

    public init(dictionaryLiteral elements: (String, LogValue)...) {
        list = elements.map { Field(name: $0.0, value: $0.1) }
    }

    public mutating func add(_ name: String, _ value: LogValue) { list.append(Field(name: name, value: value)) }

    /// Adds a text unless there is none.
    public mutating func add(_ name: String, ifAny text: String?) {
        if let text, !text.isEmpty { add(name, .text(text)) }
    }

    /// These facts and more.
    public func adding(_ name: String, _ value: LogValue) -> LogFields {
        var more = self
        more.add(name, value)
        return more
    }

    public static func + (a: LogFields, b: LogFields) -> LogFields {
        var both = a
        both.list += b.list
        return both
    }

    var hasQueueID: Bool { list.contains { $0.name == "queue_id" } }
}
