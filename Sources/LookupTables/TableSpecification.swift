// `type:name` of main.cf, and the table types there are.

import MailModel
import SystemKit

/// A table as main.cf names it.
public struct TableSpecification: Hashable, Sendable, CustomStringConvertible {
    /// The type without the prefix `proxy:`, which has no effect here: tables are opened by the programs that use them.
    public let type: String
    public let name: String
    public let description: String

    public init(_ text: String) {
        description = text
        var rest = text[...]
        if rest.hasPrefix("proxy:") { rest = rest.dropFirst("proxy:".count) }
        if let colon = rest.firstIndex(of: ":") {
            type = String(rest[..<colon])
            name = String(rest[rest.index(after: colon)...])
        } else {
            type = ""
            name = String(rest)
        }
    }

    /// The names of the types.
    public static let types = [
        "lmdb", "hash", "btree", "cdb", "texthash", "regexp", "pcre", "cidr", "inline", "static", "unix", "fail",
    ]

    /// The type of the built index file beside the source; nil where there is none. `hash` and `btree` are other names of `lmdb`.
    public var indexType: IndexType? {
        switch type {
        case "lmdb", "hash", "btree": .lmdb
        case "cdb": .cdb
        default: nil
        }
    }

    /// Whether the type has a built index file beside its source.
    public var isIndexed: Bool { indexType != nil }

    /// The index file of an indexed table.
    public var indexPath: String { indexType?.path(of: name) ?? name }

    /// Makes the table; it is opened at the first lookup, or at once by a program that is going to be jailed.
    public func open(allowsSubstitution: Bool = true) -> any LookupTable {
        let table = make(allowsSubstitution: allowsSubstitution)
        // What is wrong with it, each lookup says again.
        if FileWatch.ofProcess.isNoting { try? table.check() }
        return table
    }

    private func make(allowsSubstitution: Bool) -> any LookupTable {
        switch type {
        case "lmdb", "hash", "btree": return IndexedTable(path: indexPath, name: description)
        case "cdb": return CDBTable(path: indexPath, name: description)
        case "texthash":
            return FileTable(path: name, name: description, isPatternTable: false) { bytes throws(LookupError) in
                try TextTable(source: bytes, name: description)
            }
        case "regexp", "pcre":
            let syntax: PatternSyntax = type == "pcre" ? .pcre : .regexp
            return ruleTable { rules throws(LookupError) in
                try PatternTable(rules: rules, syntax: syntax, allowsSubstitution: allowsSubstitution, name: description)
            }
        case "cidr": return ruleTable { rules throws(LookupError) in try CIDRTable(rules: rules, name: description) }
        case "inline": return InlineTable.open(name, table: description)
        case "static": return StaticTable(value: Braces.inside(name) ?? name, name: description)
        case "unix": return SystemTable(database: name, name: description)
        case "fail": return FailingTable(name: description, reason: name.isEmpty ? "the table always fails" : name)
        case "": return FailingTable(name: description, reason: "a table is written type:name")
        default:
            return FailingTable(
                name: description, reason: "there is no table type \(type) (there are: \(Self.types.joined(separator: ", ")))")
        }
    }

    /// A table of rules, in a file or between braces: `cidr:{ {10.0.0.0/8 OK}, {rule} }`.
    private func ruleTable<Content: TableContent>(
        parse: @escaping @Sendable ([TableRule]) throws(LookupError) -> Content
    ) -> any LookupTable {
        guard name.hasPrefix("{") else {
            return FileTable(path: name, name: description, isPatternTable: true) { bytes throws(LookupError) in
                try parse(TableRule.split(bytes))
            }
        }
        do throws(LookupError) {
            guard let inside = Braces.inside(name) else { throw LookupError(table: description, reason: "the closing brace is missing") }
            let rules = Braces.items(inside).enumerated().map { index, item in
                TableRule(line: index + 1, text: Array((Braces.inside(item) ?? item).utf8))
            }
            return FixedTable(content: try parse(rules), name: description, isPatternTable: true)
        } catch {
            return FailingTable(name: description, reason: error.reason)
        }
    }
}

/// Text between braces in table names.
enum Braces {
    /// The inside of `{ text }` without surrounding white space, or nil where the text is not of that form.
    static func inside(_ text: String) -> String? {
        var bytes = Array(text.utf8)[...]
        guard bytes.popFirst() == UInt8(ascii: "{"), bytes.popLast() == UInt8(ascii: "}") else { return nil }
        let start = bytes.drop(while: ASCII.isSpace)
        return String(decoding: start.lastIndex { !ASCII.isSpace($0) }.map { start[...$0] } ?? [], as: UTF8.self)
    }

    /// Items separated by commas and white space; braces keep an item together.
    static func items(_ text: String) -> [String] {
        var items: [String] = []
        var item: [UInt8] = []
        var depth = 0
        for byte in Array(text.utf8) + [UInt8(ascii: ",")] {
            if byte == UInt8(ascii: "{") { depth += 1 }
            if byte == UInt8(ascii: "}") { depth -= 1 }
            if depth <= 0 && (byte == UInt8(ascii: ",") || ASCII.isSpace(byte)) {
                if !item.isEmpty { items.append(String(decoding: item, as: UTF8.self)) }
                item = []
            } else {
                item.append(byte)
            }
        }
        if !item.isEmpty { items.append(String(decoding: item, as: UTF8.self)) }
        return items
    }
}
