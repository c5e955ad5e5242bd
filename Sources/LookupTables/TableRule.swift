// Rules of pattern tables (regexp, pcre, cidr): logical lines with `if ... endif` around some of them.

import MailConfiguration
import MailModel

/// One line of a rule table.
struct TableRule: Hashable, Sendable {
    let line: Int
    let text: [UInt8]

    static func split(_ bytes: [UInt8]) -> [TableRule] {
        LogicalLine.split(bytes).map { TableRule(line: $0.number, text: $0.text) }
    }

    /// Takes a keyword with the white space after it from the front of a line; `if/pattern/` needs no white space.
    static func take(_ keyword: String, from text: [UInt8]) -> ArraySlice<UInt8>? {
        let bytes = Array(keyword.utf8)
        guard text.count >= bytes.count, ASCII.equalsIgnoringCase(text.prefix(bytes.count), bytes) else { return nil }
        let rest = text.dropFirst(bytes.count)
        if let next = rest.first, ASCII.isAlphanumeric(next) { return nil }
        return rest.drop(while: ASCII.isSpace)
    }
}

/// A program of rules: conditions that a key matches or not, with values or with the rules they guard.
struct RuleProgram<Condition: Sendable>: Sendable {
    enum Step: Sendable {
        case rule(Condition, value: [UInt8], line: Int)
        /// Where the condition does not hold, the steps before `end` are left out.
        case when(Condition, end: Int, line: Int)
    }

    private(set) var steps: [Step] = []
    private var open: [Int] = []

    mutating func append(_ condition: Condition, value: [UInt8], line: Int) { steps.append(.rule(condition, value: value, line: line)) }

    mutating func begin(_ condition: Condition, line: Int) {
        open.append(steps.count)
        steps.append(.when(condition, end: steps.count + 1, line: line))
    }

    /// Whether there was an `if` to end.
    mutating func end() -> Bool {
        guard let index = open.popLast(), case .when(let condition, _, let line) = steps[index] else { return false }
        steps[index] = .when(condition, end: steps.count, line: line)
        return true
    }

    /// The line of an `if` without `endif`.
    var unclosedLine: Int? {
        guard let index = open.last, case .when(_, _, let line) = steps[index] else { return nil }
        return line
    }
}
