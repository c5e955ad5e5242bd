// What a configuration parameter is: one typed declaration from which values, checks, `martlet config` and main.cf(5) are made.
//
// Security: values come from the administrator's files, which are trusted for intent and never for form: each is parsed and bounded here.
// Limits: a time is a whole number of seconds; the only fractions are those of concurrency feedbacks.

/// The type of a parameter's value, with its bounds.
public enum ParameterKind: Hashable, Sendable {
    /// Any text.
    case string
    /// Text that may not be empty.
    case nonEmptyString
    /// A decimal number within bounds.
    case integer(ClosedRange<Int>)
    /// A number with an optional unit `s m h d w`; the value is in seconds, the bounds too.
    case time(defaultUnit: TimeUnit, ClosedRange<Int>)
    /// `yes` or `no`.
    case boolean
    /// Words separated by commas and white space; text within braces stays together.
    case list
    /// One of the given words, compared without case.
    case words([String])
    /// A number of 0 to 1, alone or `/ concurrency` or `/ sqrt_concurrency`; the value is text.
    case feedback
}

/// The unit letters of time parameters, as in Postfix.
public enum TimeUnit: String, Hashable, Sendable, CaseIterable {
    case seconds = "s"
    case minutes = "m"
    case hours = "h"
    case days = "d"
    case weeks = "w"

    /// How many seconds one unit has.
    public var inSeconds: Int {
        switch self {
        case .seconds: 1
        case .minutes: 60
        case .hours: 3600
        case .days: 86_400
        case .weeks: 604_800
        }
    }
}

/// Everything about a parameter except the Swift type of its value.
public struct ParameterDeclaration: Sendable {
    /// The name in main.cf.
    public let name: String
    public let kind: ParameterKind
    /// The default as it would be written in main.cf; `$name` is expanded. Empty for the few whose default the system determines.
    public let defaultText: String
    /// In words, where the default depends on the system.
    public let defaultNote: String
    /// Whether `$name` stays unexpanded, because the reader expands it for each delivery (`forward_path`).
    public let isRaw: Bool
    /// What a number counts: `bytes`, `recipients`; empty where that is clear.
    public let unit: String
    /// One sentence.
    public let summary: String
    /// Further sentences, or empty.
    public let discussion: String
    /// The version of Martlet that first had it.
    public let since: String
    /// The programs that read it.
    public let programs: [String]
}

/// A declared parameter whose value is a `Value`.
public struct Parameter<Value: ParameterValue>: Sendable {
    public let declaration: ParameterDeclaration
    public var name: String { declaration.name }
}

/// The Swift types that parameter values have.
public protocol ParameterValue: Sendable {
    init?(_ value: ParsedValue)
}

/// A parsed value, before the static type of its parameter is applied.
public enum ParsedValue: Hashable, Sendable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case words([String])
}

extension String: ParameterValue {
    public init?(_ value: ParsedValue) {
        guard case .text(let text) = value else { return nil }
        self = text
    }
}

extension Int: ParameterValue {
    public init?(_ value: ParsedValue) {
        guard case .number(let number) = value else { return nil }
        self = number
    }
}

extension Bool: ParameterValue {
    public init?(_ value: ParsedValue) {
        guard case .flag(let flag) = value else { return nil }
        self = flag
    }
}

extension [String]: ParameterValue {
    public init?(_ value: ParsedValue) {
        guard case .words(let words) = value else { return nil }
        self = words
    }
}

extension Parameter {
    init(
        _ name: String, _ kind: ParameterKind, _ defaultText: String, note: String, raw: Bool, unit: String, programs: String,
        summary: String, discussion: String
    ) {
        declaration = ParameterDeclaration(
            name: name, kind: kind, defaultText: defaultText, defaultNote: note, isRaw: raw, unit: unit, summary: summary,
            discussion: discussion, since: "0.1", programs: programs.split(separator: " ").map(String.init))
    }
}

extension Parameter<String> {
    static func string(
        _ name: String, _ defaultText: String, note: String = "", required: Bool = false, raw: Bool = false, programs: String,
        _ summary: String, discussion: String = ""
    ) -> Self {
        Self(
            name, required ? .nonEmptyString : .string, defaultText, note: note, raw: raw, unit: "", programs: programs, summary: summary,
            discussion: discussion)
    }

    static func words(
        _ name: String, _ defaultText: String, of words: [String], programs: String, _ summary: String, discussion: String = ""
    ) -> Self {
        Self(
            name, .words(words), defaultText, note: "", raw: false, unit: "", programs: programs, summary: summary, discussion: discussion)
    }
}

extension Parameter<String> {
    static func feedback(
        _ name: String, _ defaultText: String, programs: String, _ summary: String, discussion: String = ""
    ) -> Self {
        Self(
            name, .feedback, defaultText, note: "", raw: false, unit: "", programs: programs, summary: summary, discussion: discussion)
    }
}

extension Parameter<Int> {
    static func integer(
        _ name: String, _ defaultText: String, in bounds: ClosedRange<Int>, unit: String = "", programs: String, _ summary: String,
        discussion: String = ""
    ) -> Self {
        Self(
            name, .integer(bounds), defaultText, note: "", raw: false, unit: unit, programs: programs, summary: summary,
            discussion: discussion)
    }

    static func time(
        _ name: String, _ defaultText: String, in bounds: ClosedRange<Int> = 1...ParameterBounds.longestTime, unit: TimeUnit = .seconds,
        programs: String, _ summary: String, discussion: String = ""
    ) -> Self {
        Self(
            name, .time(defaultUnit: unit, bounds), defaultText, note: "", raw: false, unit: "", programs: programs, summary: summary,
            discussion: discussion)
    }
}

extension Parameter<Bool> {
    static func flag(_ name: String, _ defaultValue: Bool, programs: String, _ summary: String, discussion: String = "") -> Self {
        Self(
            name, .boolean, defaultValue ? "yes" : "no", note: "", raw: false, unit: "", programs: programs, summary: summary,
            discussion: discussion)
    }
}

extension Parameter<[String]> {
    static func list(
        _ name: String, _ defaultText: String, note: String = "", raw: Bool = false, programs: String, _ summary: String,
        discussion: String = ""
    ) -> Self {
        Self(name, .list, defaultText, note: note, raw: raw, unit: "", programs: programs, summary: summary, discussion: discussion)
    }
}

/// Bounds that several parameters share.
enum ParameterBounds {
    /// A hundred years: far from overflow in every computation with times in microseconds.
    static let longestTime = 3_155_760_000
    /// What a count may reach.
    static let count = 0...2_147_483_647
    static let positive = 1...2_147_483_647
    /// Sizes in bytes.
    static let size = 0...Int.max / 4
}
