// The source of a table: lines of `key value` (postmap format) or of `name: value` (aliases format).
//
// Known limits: the value of an alias stays as it is written; `local` reads it.

import MailConfiguration
import MailModel

/// A parsed table source.
public struct TableSource: Sendable {
    public enum Format: Hashable, Sendable {
        /// `key whitespace value`.
        case table
        /// `name: value, value, ...`, aliases(5).
        case aliases
    }

    /// One entry; the key is in lower case.
    public struct Entry: Hashable, Sendable {
        public let line: Int
        public let key: [UInt8]
        public let value: [UInt8]

        public init(line: Int, key: [UInt8], value: [UInt8]) {
            self.line = line
            self.key = key
            self.value = value
        }
    }

    /// What is wrong with a line.
    public struct Problem: Hashable, Sendable, CustomStringConvertible {
        public let line: Int
        public let text: String
        public var description: String { "line \(line): \(text)" }
    }

    /// The entries in the order of the source; where a key comes twice, its first entry only.
    public let entries: [Entry]
    /// Lines that are no entry.
    public let errors: [Problem]
    /// Keys that come twice.
    public let warnings: [Problem]
    /// The entries whose key came before, in order: for who wants the last one of a key, or names the keys in its own words.
    public let duplicates: [Entry]

    public init(_ bytes: some Collection<UInt8>, format: Format) {
        var entries: [Entry] = []
        var errors: [Problem] = []
        var warnings: [Problem] = []
        var duplicates: [Entry] = []
        var lines: [[UInt8]: Int] = [:]
        for line in LogicalLine.split(bytes) {
            if line.isOrphan {
                errors.append(Problem(line: line.number, text: "the line begins with white space, but there is no line before it"))
                continue
            }
            switch format == .table ? Self.tableEntry(line) : Self.aliasEntry(line) {
            case .failure(let problem): errors.append(problem)
            case .success(let entry):
                if let first = lines[entry.key] {
                    let key = ASCII.printable(entry.key)
                    warnings.append(Problem(line: line.number, text: "\"\(key)\" is already in line \(first); this entry is left out"))
                    duplicates.append(entry)
                } else {
                    lines[entry.key] = line.number
                    entries.append(entry)
                }
            }
        }
        self.entries = entries
        self.errors = errors
        self.warnings = warnings
        self.duplicates = duplicates
    }

    static func trim(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let start = bytes.drop(while: ASCII.isSpace)
        return start.lastIndex { !ASCII.isSpace($0) }.map { Array(start[...$0]) } ?? []
    }

    private static func tableEntry(_ line: LogicalLine) -> ParsedLine {
        // White space within double quotes belongs to the key: "a b"@example.org.
        var isQuoted = false
        var isEscaped = false
        let end = line.text.firstIndex { byte in
            defer { isEscaped = isQuoted && byte == UInt8(ascii: "\\") && !isEscaped }
            if byte == UInt8(ascii: "\"") && !isEscaped { isQuoted.toggle() }
            return !isQuoted && ASCII.isSpace(byte)
        }
        guard let end else {
            return .failure(Problem(line: line.number, text: "a key without a value (the form is: key white-space value)"))
        }
        return .success(Entry(line: line.number, key: line.text[..<end].map(ASCII.lowercased), value: trim(line.text[end...])))
    }

    private static func aliasEntry(_ line: LogicalLine) -> ParsedLine {
        var isQuoted = false
        var isEscaped = false
        var key: [UInt8] = []
        var colon: Int?
        for (index, byte) in line.text.enumerated() {
            if isEscaped {
                key.append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if byte == UInt8(ascii: ":") && !isQuoted {
                colon = index
                break
            } else {
                key.append(byte)
            }
        }
        guard let colon else { return .failure(Problem(line: line.number, text: "no \":\" after a name (the form is: name: value, ...)")) }
        let name = trim(key[...])
        if name.isEmpty { return .failure(Problem(line: line.number, text: "no name before \":\"")) }
        if name.contains(UInt8(ascii: "@")) {
            return .failure(Problem(line: line.number, text: "\"\(ASCII.printable(name))\": an alias is a local name, without @domain"))
        }
        let value = trim(line.text[(colon + 1)...])
        if value.isEmpty { return .failure(Problem(line: line.number, text: "\"\(ASCII.printable(name))\" has no value")) }
        return .success(Entry(line: line.number, key: name.map(ASCII.lowercased), value: value))
    }
}

extension TableSource.Problem: Error {}

private typealias ParsedLine = Result<TableSource.Entry, TableSource.Problem>
