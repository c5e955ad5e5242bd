// Tables without a file: static, inline, fail.

import MailModel

/// `static:value`: the same value for every key.
struct StaticTable: LookupTable {
    let value: String
    let name: String

    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? { Array(value.utf8) }
}

/// A table that always fails: `fail:`, an unknown type, a name that is not understood.
struct FailingTable: LookupTable {
    let name: String
    let reason: String

    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? { throw LookupError(table: name, reason: reason) }
}

/// `inline:{ key=value, { key = text, with commas } }`.
enum InlineTable {
    static func open(_ text: String, table: String) -> any LookupTable {
        guard let inside = Braces.inside(text) else {
            return FailingTable(name: table, reason: "an inline table is written inline:{ key=value, ... }")
        }
        var entries: [[UInt8]: [UInt8]] = [:]
        for item in Braces.items(inside) {
            let pair = Array((Braces.inside(item) ?? item).utf8)
            guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else {
                return FailingTable(name: table, reason: "\"\(item)\" is not key=value")
            }
            let key = TableSource.trim(pair[..<equals])
            if key.isEmpty { return FailingTable(name: table, reason: "\"\(item)\" has no key") }
            entries[key.map(ASCII.lowercased)] = TableSource.trim(pair[(equals + 1)...])
        }
        if entries.isEmpty { return FailingTable(name: table, reason: "the table is empty") }
        return FixedTable(content: TextTable(entries: entries), name: table, isPatternTable: false)
    }
}

/// Keys and values in memory; keys in lower case.
struct TextTable: TableContent {
    let entries: [[UInt8]: [UInt8]]

    init(entries: [[UInt8]: [UInt8]]) { self.entries = entries }

    /// The content of a texthash table. A line without a value fails the table: half a table would refuse mail for the other half.
    init(source bytes: [UInt8], name: String) throws(LookupError) {
        let source = TableSource(bytes, format: .table)
        if let error = source.errors.first { throw LookupError(table: name, reason: error.description) }
        entries = Dictionary(source.entries.map { ($0.key, $0.value) }) { first, _ in first }
    }

    func value(of key: [UInt8], table: String) throws(LookupError) -> [UInt8]? { entries[key.map(ASCII.lowercased)] }
}
