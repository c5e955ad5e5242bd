// The grammar of main.cf: logical lines of `name = value`.

import MailModel

/// One assignment of main.cf as it stands in the file.
public struct MainFileEntry: Hashable, Sendable {
    public let name: String
    /// The value without expansion; where the value was continued, physical lines are joined as they stand.
    public let value: String
    /// The line it begins at, from 1.
    public let line: Int
}

/// main.cf before its values are interpreted.
public struct MainFile: Sendable {
    public let entries: [MainFileEntry]
    public let problems: [ConfigurationProblem]

    /// Reads all entries; whatever is no entry becomes a problem, and reading goes on.
    public init(_ bytes: some Collection<UInt8>, file: String) {
        var entries: [MainFileEntry] = []
        var problems: [ConfigurationProblem] = []
        for line in LogicalLine.split(bytes) {
            func problem(_ text: String) { problems.append(ConfigurationProblem(file: file, line: line.number, text: text)) }
            if line.isOrphan {
                problem("the line begins with white space, but there is no line before it that it could continue")
                continue
            }
            if line.text.contains(0) {
                problem("the line has a NUL byte")
                continue
            }
            switch Assignment.parse(String(decoding: line.text, as: UTF8.self)) {
            case .success(let assignment):
                entries.append(MainFileEntry(name: assignment.name, value: assignment.value, line: line.number))
            case .failure(let error): problem(error.description)
            }
        }
        self.entries = entries
        self.problems = problems
    }
}

/// `name = value`, as in main.cf and in the -o options of master.cf.
public struct Assignment: Hashable, Sendable {
    public let name: String
    public let value: String

    public static func parse(_ text: String) -> Result<Assignment, ExpansionError> {
        let bytes = Array(text.utf8)
        guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else {
            return .failure(ExpansionError("\"\(text.prefix(60))\" has no \"=\" (a parameter is written name = value)"))
        }
        func trimmed(_ slice: ArraySlice<UInt8>) -> String {
            let start = slice.drop(while: ASCII.isSpace)
            let end = start.lastIndex { !ASCII.isSpace($0) }.map { start[...$0] } ?? []
            return String(decoding: end, as: UTF8.self)
        }
        let name = trimmed(bytes[..<equals])
        if name.isEmpty { return .failure(ExpansionError("there is no name before \"=\"")) }
        if name.utf8.contains(where: { ASCII.isSpace($0) || "${}".utf8.contains($0) }) {
            return .failure(ExpansionError("\"\(name.prefix(60))\" is not a parameter name"))
        }
        return .success(Assignment(name: name, value: trimmed(bytes[(equals + 1)...])))
    }
}
