// master.cf as text: entries with their words, for listing and editing also what Martlet itself would refuse (a chroot, a type it lacks).
//
// Known limits: a comment inside an entry that is replaced stays behind the entry.

import MailConfiguration
import MailModel

/// The entries of a master.cf, and the file's lines.
struct MasterText {
    /// One service.
    struct Entry {
        /// The line it begins at, from 1.
        let line: Int
        /// All fields and arguments; text in braces is one word.
        var words: [String]

        var service: String { words[0] }
        var type: String { words[1] }

        /// What `-o` sets before the first word that is no option, in order; with the index of the word.
        var parameters: [(index: Int, name: String, value: String)] {
            var found: [(index: Int, name: String, value: String)] = []
            var index = MasterText.fieldNames.count
            while index < words.count, words[index].hasPrefix("-"), words[index] != "--" {
                if words[index] == "-o", index + 1 < words.count {
                    if case .success(let assignment) = Assignment.parse(words[index + 1]) {
                        found.append((index + 1, assignment.name, assignment.value))
                    }
                    index += 1
                }
                index += 1
            }
            return found
        }

        /// Where the first word stands that is no option.
        var optionsEnd: Int {
            var index = MasterText.fieldNames.count
            while index < words.count, words[index].hasPrefix("-"), words[index] != "--" { index += words[index] == "-o" ? 2 : 1 }
            return min(index, words.count)
        }
    }

    /// The names of the fields as `postconf -F` has them.
    static let fieldNames = ["service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command"]

    private(set) var entries: [Entry]
    /// Lines that are no entry.
    let problems: [ConfigurationProblem]
    private let lines: [[UInt8]]

    init(_ bytes: [UInt8], file: String = "master.cf") {
        var entries: [Entry] = []
        var problems: [ConfigurationProblem] = []
        for line in LogicalLine.split(bytes) {
            let words = MasterWords.split(String(decoding: line.text, as: UTF8.self)) ?? []
            if line.isOrphan || words.count < Self.fieldNames.count {
                problems.append(ConfigurationProblem(file: file, line: line.number, text: "bad field count"))
            } else {
                entries.append(Entry(line: line.number, words: words.map(Self.normalized)))
            }
        }
        self.entries = entries
        self.problems = problems
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
        if lines.last == [] { lines.removeLast() }
        self.lines = lines
    }

    /// `name = value` as one word without white space around the `=`.
    private static func normalized(_ word: String) -> String {
        guard word.contains(where: \.isWhitespace), case .success(let assignment) = Assignment.parse(word) else { return word }
        return "\(assignment.name)=\(assignment.value)"
    }

    /// What an edit makes of an entry.
    enum Change {
        case keep
        case replace(Entry)
        case remove
        case commentOut
    }

    /// The text with every entry changed as `change` says, and new entries at the end.
    func edited(adding new: [Entry] = [], _ change: (Entry) -> Change) -> [UInt8] {
        var changes: [Int: Change] = [:]
        for entry in entries { changes[entry.line] = change(entry) }
        var out: [[UInt8]] = []
        var current = Change.keep
        for (index, line) in lines.enumerated() {
            let first = line.first { !ASCII.isSpace($0) }
            if first == nil || first == UInt8(ascii: "#") {
                out.append(line)
                continue
            }
            let isStart = !(line.first.map(ASCII.isSpace) ?? false)
            if isStart {
                current = changes[index + 1] ?? .keep
                if case .replace(let entry) = current { out.append(Array(Self.line(entry, isFolding: true).utf8)) }
            }
            switch current {
            case .keep: out.append(line)
            case .commentOut: out.append([UInt8(ascii: "#")] + line)
            case .replace, .remove: continue
            }
        }
        out += new.map { Array(Self.line($0, isFolding: true).utf8) }
        return Array(out.joined(separator: [UInt8(ascii: "\n")])) + (out.isEmpty ? [] : [UInt8(ascii: "\n")])
    }

    /// Where the columns begin.
    private static let columns = [0, 11, 17, 25, 33, 41, 49, 57]

    /// An entry as `postconf -M` prints it.
    static func line(_ entry: Entry, isFolding: Bool) -> String {
        var out = ""
        var length = 0
        func add(_ text: String) {
            out += text
            length += text.utf8.count
        }
        for (index, goal) in columns.enumerated() {
            if length > 0 { repeat { add(" ") } while length < goal }
            add(entry.words[index])
        }
        var index = columns.count
        var areOptions = true
        while index < entry.words.count {
            var text = braced(entry.words[index])
            var hasValue = false
            if areOptions {
                if !text.hasPrefix("-") || text == "--" {
                    areOptions = false
                } else if text == "-o", index + 1 < entry.words.count {
                    // An option and its value are a line of their own.
                    length = PostconfLine.limit
                    index += 1
                    text += " " + braced(entry.words[index])
                    hasValue = true
                }
            }
            if !isFolding || length + 1 + text.utf8.count < PostconfLine.limit {
                add(" ")
            } else {
                out += "\n" + PostconfLine.indent
                length = PostconfLine.indent.utf8.count
            }
            add(text)
            if hasValue { length = PostconfLine.limit }
            index += 1
        }
        return out
    }

    private static func braced(_ word: String) -> String { word.contains(where: \.isWhitespace) || word.isEmpty ? "{\(word)}" : word }

    /// The command with its arguments.
    static func command(_ entry: Entry) -> String { entry.words[7...].map(braced).joined(separator: " ") }
}
