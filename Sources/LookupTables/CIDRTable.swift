// cidr: networks and addresses to values, in order: `192.0.2.0/24 value`, `!2001:db8::/32 value`, `if network` ... `endif`.

import MailModel

/// The rules of a cidr table.
struct CIDRTable: TableContent {
    struct Condition: Sendable {
        let network: IPNetwork
        let isNegated: Bool
    }

    private let program: RuleProgram<Condition>

    init(rules: [TableRule], name: String) throws(LookupError) {
        var program = RuleProgram<Condition>()
        for rule in rules {
            func failure(_ text: String) -> LookupError { LookupError(table: name, reason: "line \(rule.line): \(text)") }
            if let rest = TableRule.take("endif", from: rule.text) {
                guard rest.isEmpty, program.end() else { throw failure("endif without if, or with text after it") }
                continue
            }
            let guarded = TableRule.take("if", from: rule.text)
            var rest = guarded ?? rule.text[...]
            let isNegated = rest.first == UInt8(ascii: "!")
            if isNegated { rest = rest.dropFirst().drop(while: ASCII.isSpace) }
            let word = rest.prefix { !ASCII.isSpace($0) }
            guard let network = IPNetwork(word) else {
                throw failure("\"\(ASCII.printable(word))\" is not a network (address/bits without bits set after them) or address")
            }
            let value = TableSource.trim(rest.dropFirst(word.count))
            let condition = Condition(network: network, isNegated: isNegated)
            if guarded != nil {
                if !value.isEmpty { throw failure("text after the condition") }
                program.begin(condition, line: rule.line)
            } else {
                if value.isEmpty { throw failure("no value") }
                program.append(condition, value: value, line: rule.line)
            }
        }
        if let line = program.unclosedLine { throw LookupError(table: name, reason: "line \(line): if without endif") }
        self.program = program
    }

    func value(of key: [UInt8], table: String) throws(LookupError) -> [UInt8]? {
        guard let address = IPAddressBits(key) else { return nil }
        var index = 0
        while index < program.steps.count {
            switch program.steps[index] {
            case .rule(let condition, let value, _):
                if condition.network.contains(address) != condition.isNegated { return value }
                index += 1
            case .when(let condition, let end, _): index = condition.network.contains(address) != condition.isNegated ? index + 1 : end
            }
        }
        return nil
    }
}
