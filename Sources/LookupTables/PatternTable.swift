// regexp and pcre: patterns to values, in order: `/pattern/flags value`, `!/pattern/ value`, `if /pattern/` ... `endif`, `$1` in values.
//
// Security: a rule that is not understood fails the whole table (Postfix leaves the rule out), so that a typing error in a rejecting rule
// never lets mail pass. Where substitution is not allowed, `$1` is an error.

import MailModel

/// The rules of a regexp or pcre table.
struct PatternTable: TableContent {
    struct Condition: Sendable {
        let pattern: Pattern
        let isNegated: Bool

        /// The groups where the condition holds; none for a negated one.
        func holds(_ key: [UInt8]) throws(PatternError) -> [[UInt8]]? {
            let groups = try pattern.match(key)
            if isNegated { return groups == nil ? [] : nil }
            return groups
        }
    }

    private let program: RuleProgram<Condition>

    init(rules: [TableRule], syntax: PatternSyntax, allowsSubstitution: Bool, name: String) throws(LookupError) {
        var program = RuleProgram<Condition>()
        for rule in rules {
            do throws(PatternError) {
                try Self.add(rule, to: &program, syntax: syntax, allowsSubstitution: allowsSubstitution)
            } catch {
                throw LookupError(table: name, reason: "line \(rule.line): \(error.text)")
            }
        }
        if let line = program.unclosedLine { throw LookupError(table: name, reason: "line \(line): if without endif") }
        self.program = program
    }

    private static func add(
        _ rule: TableRule, to program: inout RuleProgram<Condition>, syntax: PatternSyntax, allowsSubstitution: Bool
    ) throws(PatternError) {
        if let rest = TableRule.take("endif", from: rule.text) {
            guard rest.isEmpty, program.end() else { throw PatternError(text: "endif without if, or with text after it") }
            return
        }
        let guarded = TableRule.take("if", from: rule.text)
        var rest = guarded ?? rule.text[...]
        let isNegated = rest.first == UInt8(ascii: "!")
        if isNegated { rest = rest.dropFirst().drop(while: ASCII.isSpace) }
        guard let delimiter = rest.popFirst(), !ASCII.isAlphanumeric(delimiter), delimiter != UInt8(ascii: "\\"),
            ASCII.isPrintable(delimiter)
        else { throw PatternError(text: "a pattern is written /pattern/flags") }
        var pattern: [UInt8] = []
        var isClosed = false
        while let byte = rest.popFirst() {
            if byte == delimiter {
                isClosed = true
                break
            }
            pattern.append(byte)
            if byte == UInt8(ascii: "\\"), let next = rest.popFirst() { pattern.append(next) }
        }
        guard isClosed else { throw PatternError(text: "the pattern has no closing \"\(Character(UnicodeScalar(delimiter)))\"") }
        if pattern.isEmpty { throw PatternError(text: "the pattern is empty") }
        var options = syntax.defaults
        while let flag = rest.first, !ASCII.isSpace(flag) {
            rest = rest.dropFirst()
            if syntax == .regexp && flag == UInt8(ascii: "x") { continue }
            guard let option = syntax.option(flag) else {
                throw PatternError(text: "\"\(ASCII.printable([flag]))\" is no flag of a pattern")
            }
            options ^= option
        }
        let condition = Condition(pattern: try Pattern(pattern, options: options), isNegated: isNegated)
        let value = TableSource.trim(rest)
        if guarded != nil {
            if !value.isEmpty { throw PatternError(text: "text after the condition") }
            program.begin(condition, line: rule.line)
            return
        }
        if value.isEmpty { throw PatternError(text: "no value") }
        let highest = try Substitution.highestGroup(value)
        if highest > 0 && !allowsSubstitution {
            throw PatternError(text: "$number is not allowed in this table, because its values name commands, files or users")
        }
        if highest > 0 && isNegated { throw PatternError(text: "$number in the value of a negated pattern") }
        let groups = condition.pattern.groupCount
        if highest > groups { throw PatternError(text: "$\(highest) in the value, but the pattern has \(groups) groups") }
        program.append(condition, value: value, line: rule.line)
    }

    func value(of key: [UInt8], table: String) throws(LookupError) -> [UInt8]? {
        var index = 0
        while index < program.steps.count {
            let step = program.steps[index]
            do throws(PatternError) {
                switch step {
                case .rule(let condition, let value, _):
                    if let groups = try condition.holds(key) { return Substitution.apply(value, groups: groups) }
                    index += 1
                case .when(let condition, let end, _): index = try condition.holds(key) == nil ? end : index + 1
                }
            } catch {
                throw LookupError(table: table, reason: "line \(Self.line(of: step)): \(error.text)")
            }
        }
        return nil
    }

    private static func line(of step: RuleProgram<Condition>.Step) -> Int {
        switch step {
        case .rule(_, _, let line), .when(_, _, let line): line
        }
    }
}

/// `$1`, `${1}`, `$(1)` and `$$` in the values of pattern tables.
enum Substitution {
    /// The highest group a value names; 0 for none.
    static func highestGroup(_ value: [UInt8]) throws(PatternError) -> Int {
        var highest = 0
        var isWellFormed = true
        walk(value, group: { highest = max(highest, $0) }, byte: { _ in }, malformed: { isWellFormed = false })
        if !isWellFormed {
            throw PatternError(text: "\"$\" in the value is not followed by a number (write \"$$\" for the character itself)")
        }
        return highest
    }

    static func apply(_ value: [UInt8], groups: [[UInt8]]) -> [UInt8] {
        var out: [UInt8] = []
        walk(value, group: { if $0 < groups.count { out += groups[$0] } }, byte: { out.append($0) }, malformed: {})
        return out
    }

    private static func walk(_ value: [UInt8], group: (Int) -> Void, byte: (UInt8) -> Void, malformed: () -> Void) {
        var rest = value[...]
        while let next = rest.popFirst() {
            guard next == UInt8(ascii: "$") else {
                byte(next)
                continue
            }
            if rest.first == UInt8(ascii: "$") {
                rest = rest.dropFirst()
                byte(UInt8(ascii: "$"))
                continue
            }
            let closing: UInt8? =
                switch rest.first {
                case UInt8(ascii: "{"): UInt8(ascii: "}")
                case UInt8(ascii: "("): UInt8(ascii: ")")
                default: nil
                }
            if closing != nil { rest = rest.dropFirst() }
            let digits = rest.prefix(while: ASCII.isDigit)
            rest = rest.dropFirst(digits.count)
            guard let number = ASCII.decimal(digits, maximum: 1000) else {
                malformed()
                continue
            }
            if let closing, rest.popFirst() != closing { malformed() }
            group(number)
        }
    }
}
