// What is wrong with a configuration, and where: all of it at once, never only the first.

/// One defect of a configuration file, with its position.
public struct ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
    /// The file, as the reader named it; empty for an option of the command line or of master.cf.
    public let file: String
    /// The line the parameter or entry begins at, from 1; 0 where there is none.
    public let line: Int
    public let text: String

    public init(file: String, line: Int, text: String) {
        self.file = file
        self.line = line
        self.text = text
    }

    /// `/etc/martlet/main.cf:12: text`
    public var description: String {
        if file.isEmpty { return text }
        return line > 0 ? "\(file):\(line): \(text)" : "\(file): \(text)"
    }
}

/// Every error of a configuration; it prints one per line.
public struct ConfigurationErrors: Error, Hashable, Sendable, CustomStringConvertible {
    public let problems: [ConfigurationProblem]

    public init(_ problems: [ConfigurationProblem]) { self.problems = problems }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
