// An ordered list of tables, as `alias_maps` and its like name them: the first table that has the key answers.

import MailConfiguration

/// The tables of one parameter.
public struct TableSet: Sendable {
    public let tables: [any LookupTable]

    /// Names the tables. Nothing is opened yet and nothing fails here: a table that is missing or of an unknown type fails each lookup.
    ///
    /// - Parameter allowsSubstitution: whether patterns may put parts of the key into the result (`$1`). False where the result names
    ///   commands, files or users (`alias_maps`), because then the sender of mail would choose them.
    public init(specifications: [String], allowsSubstitution: Bool = true) {
        tables = specifications.map { TableSpecification($0).open(allowsSubstitution: allowsSubstitution) }
    }

    public var isEmpty: Bool { tables.isEmpty }

    /// The first value found for a key.
    ///
    /// - Parameter isPart: whether the key is only a part of an address (`user`, `@domain`), for which pattern tables are not asked.
    /// - Throws: as soon as a table fails; a later table is not asked then, because it might answer what an earlier one overrules.
    public func lookup(_ key: [UInt8], isPart: Bool = false) throws(LookupError) -> [UInt8]? {
        for table in tables where !(isPart && table.isPatternTable) {
            if let value = try table.lookup(key) { return value }
        }
        return nil
    }

    /// As ``lookup(_:isPart:)`` for a key and a value that are text.
    public func lookup(_ key: String, isPart: Bool = false) throws(LookupError) -> String? {
        try lookup(Array(key.utf8), isPart: isPart).map { String(decoding: $0, as: UTF8.self) }
    }

    /// What is wrong with each table.
    public func problems() -> [LookupError] {
        var problems: [LookupError] = []
        for table in tables {
            do throws(LookupError) { try table.check() } catch { problems.append(error) }
        }
        return problems
    }
}
