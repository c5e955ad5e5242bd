// pid/configuration in the queue directory: what became of the configuration that master read last, for `martlet status` and `reload`.
//
// Known limits: it is a note for people and commands; nothing depends on it, and one that cannot be read counts as none.

import MailModel
public import SystemKit

/// What master says about the configuration in use.
public struct ReloadReport: Hashable, Sendable {
    /// The process that wrote it: a report of an earlier master says nothing.
    public var processID: Int
    /// How often this master has read its files; the start is 1.
    public var attempt: Int
    /// Seconds since 1970 at which the configuration in use was read.
    public var inUseSince: Int
    /// Why the files that were read last are not in use; empty when they are.
    public var refusals: [String]

    public init(processID: Int, attempt: Int, inUseSince: Int, refusals: [String]) {
        self.processID = processID
        self.attempt = attempt
        self.inUseSince = inUseSince
        self.refusals = refusals
    }

    private static func path(_ queueDirectory: String) -> String { queueDirectory + "/pid/configuration" }
    private static let limit = 1 << 20

    /// Writes the report in place of the one before.
    public func write(queueDirectory: String) throws(SystemError) {
        let path = Self.path(queueDirectory)
        let file = try FileDescriptor.open(path + ".new", [.writeOnly, .create, .truncate, .noFollow], mode: 0o644)
        try file.writeAll(text)
        try Files.changeMode(path + ".new", 0o644)
        try Files.rename(path + ".new", path)
    }

    /// The report of a master, or nil where there is none.
    public static func read(queueDirectory: String) -> ReloadReport? {
        guard let bytes = try? Files.contents(of: path(queueDirectory), limit: limit) else { return nil }
        return ReloadReport(text: bytes)
    }

    /// Lines of `name value`.
    var text: [UInt8] {
        var lines = "pid \(processID)\nattempt \(attempt)\nsince \(inUseSince)\n"
        for refusal in refusals where lines.utf8.count < Self.limit / 2 {
            lines += "refused \(String(refusal.prefix(1000).map { $0 == "\n" ? " " : $0 }))\n"
        }
        return Array(lines.utf8)
    }

    init?(text: [UInt8]) {
        var numbers: [String: Int] = [:]
        var refusals: [String] = []
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let name = String(decoding: line.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
            let value = Array(line.dropFirst(name.utf8.count + 1))
            if name == "refused" {
                refusals.append(String(decoding: value, as: UTF8.self))
            } else {
                numbers[name] = ASCII.decimal(value, maximum: Int.max / 2)
            }
        }
        guard let pid = numbers["pid"], let attempt = numbers["attempt"], let since = numbers["since"] else { return nil }
        self.init(processID: pid, attempt: attempt, inUseSince: since, refusals: refusals)
    }
}
