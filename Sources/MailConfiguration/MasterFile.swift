// The grammar of master.cf: one service per logical line, in eight columns, as in Postfix.
//
// Security: the file belongs to the administrator; still every field is checked, and all errors are reported with their lines.
// Known limits: of the service types, inet and unix are offered; fifo, pass and unix-dgram are errors.

import MailModel

/// One service of master.cf.
public struct MasterEntry: Hashable, Sendable {
    public enum ServiceType: String, Hashable, Sendable, CaseIterable {
        case inet, unix
    }

    /// The line it begins at, from 1.
    public let line: Int
    /// The service name: `smtp`, `127.0.0.1:10025` or `[::1]:587` for inet; a name without a slash for unix.
    public let service: String
    public let type: ServiceType
    /// Whether the socket is under `private/` (only mail programs may connect) instead of `public/`. Without meaning for inet.
    public let isPrivate: Bool
    /// Whether the program runs without root's privileges.
    public let isUnprivileged: Bool
    /// Whether the program runs in an empty root directory.
    public let isChrooted: Bool
    /// Seconds between two wake-ups; 0 for none.
    public let wakeup: Int
    /// Whether wake-ups begin only once the service has been used (`?`).
    public let wakesOnlyAfterUse: Bool
    /// How many processes at most; nil for `default_process_limit`, 0 for no limit.
    public let processLimit: Int?
    /// The program's file name in `daemon_directory`.
    public let command: String
    /// What `-o` gives, in order.
    public let overrides: [Assignment]
    /// The program's other arguments, in order.
    public let arguments: [String]

    /// The host part of an inet service; empty for all interfaces of `inet_interfaces`.
    public var inetHost: String { Self.splitInet(service)?.host ?? "" }
    /// The port or port name of an inet service.
    public var inetPort: String { Self.splitInet(service)?.port ?? service }

    /// Whether its program talks to the Internet: it runs as network_owner, and gets its connections to other programs from master.
    public var isNetworkProgram: Bool { ["smtpd", "smtp", "lmtp", "resolver"].contains(command) }

    /// Whether its program can do its work in an empty root directory.
    public var canBeJailed: Bool { isNetworkProgram }

    /// Whether it is a service of Postfix that has no part in Martlet, because another program does its work (`rewrite`: cleanup and qmgr; `tlsmgr`:
    /// each program; `showq`: qmgr ...). A master.cf of Postfix may name it; it is left alone.
    public var isNeedless: Bool {
        let words = [
            "tlsmgr", "trivial-rewrite", "proxymap", "scache", "anvil", "showq", "flush", "verify", "postlogd", "tlsproxy", "dnsblog",
            "error",
            "discard",
        ]
        return words.contains(command)
    }

    static func splitInet(_ name: String) -> (host: String, port: String)? {
        guard let colon = name.lastIndex(of: ":") else { return name.isEmpty ? nil : ("", name) }
        var host = name[..<colon]
        let port = name[name.index(after: colon)...]
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() } else if host.contains(":") { return nil }
        return port.isEmpty ? nil : (String(host), String(port))
    }
}

/// master.cf.
public struct MasterFile: Hashable, Sendable {
    public let entries: [MasterEntry]

    /// Reads the whole file; throws every error in it.
    public static func parse(text: String, file: String = "master.cf") throws(ConfigurationErrors) -> MasterFile {
        try parse(bytes: Array(text.utf8), file: file)
    }

    static func parse(bytes: [UInt8], file: String) throws(ConfigurationErrors) -> MasterFile {
        let (whole, problems) = read(bytes: bytes, file: file)
        if !problems.isEmpty { throw ConfigurationErrors(problems) }
        return whole
    }

    /// The entries that can be read, and every error: for who goes on looking for more of them.
    public static func read(bytes: [UInt8], file: String) -> (file: MasterFile, problems: [ConfigurationProblem]) {
        var entries: [MasterEntry] = []
        var problems: [ConfigurationProblem] = []
        var seen: [String: Int] = [:]
        for line in LogicalLine.split(bytes) {
            var parser = MasterLineParser(line: line, file: file)
            if let entry = parser.parse() {
                let key = "\(entry.service)/\(entry.type.rawValue)"
                if let earlier = seen[key] {
                    parser.problem("the service \(entry.service) of type \(entry.type.rawValue) is already in line \(earlier)")
                } else {
                    seen[key] = line.number
                    entries.append(entry)
                }
            }
            problems += parser.problems
        }
        return (MasterFile(entries: entries), problems)
    }
}

/// The reading of one line, gathering its errors.
private struct MasterLineParser {
    let line: LogicalLine
    let file: String
    var problems: [ConfigurationProblem] = []

    init(line: LogicalLine, file: String) {
        self.line = line
        self.file = file
    }

    mutating func problem(_ text: String) { problems.append(ConfigurationProblem(file: file, line: line.number, text: text)) }

    mutating func parse() -> MasterEntry? {
        if line.isOrphan {
            problem("the line begins with white space, but there is no line before it that it could continue")
            return nil
        }
        if line.text.contains(0) {
            problem("the line has a NUL byte")
            return nil
        }
        guard let words = MasterWords.split(String(decoding: line.text, as: UTF8.self)) else {
            problem("a \"{\" has no \"}\"")
            return nil
        }
        guard words.count >= 8 else {
            problem("\(words.count) fields where 8 are needed: service type private unpriv chroot wakeup maxproc command")
            return nil
        }
        let before = problems.count
        let type = MasterEntry.ServiceType(rawValue: words[1])
        if type == nil { problem("the type \"\(words[1])\" is not one of: inet, unix") }
        checkName(words[0], type: type)
        let isPrivate = flag(words[2], "private", default: true)
        let isUnprivileged = flag(words[3], "unpriv", default: true)
        let isChrooted = flag(words[4], "chroot", default: false)
        let wakesOnlyAfterUse = words[5].hasSuffix("?")
        let wakeup = number(words[5].hasSuffix("?") ? String(words[5].dropLast()) : words[5], "wakeup") ?? 0
        let processLimit = number(words[6], "maxproc")
        if words[7].contains("/") || words[7].hasPrefix(".") || words[7].isEmpty {
            problem("the command \"\(words[7])\" is not a file name in daemon_directory")
        }
        let (overrides, arguments) = options(Array(words.dropFirst(8)))
        guard problems.count == before, let type else { return nil }
        return MasterEntry(
            line: line.number, service: words[0], type: type, isPrivate: isPrivate, isUnprivileged: isUnprivileged,
            isChrooted: isChrooted, wakeup: wakeup, wakesOnlyAfterUse: wakesOnlyAfterUse, processLimit: processLimit, command: words[7],
            overrides: overrides, arguments: arguments)
    }

    private mutating func checkName(_ name: String, type: MasterEntry.ServiceType?) {
        switch type {
        case .inet:
            guard let (_, port) = MasterEntry.splitInet(name) else {
                problem("\"\(name)\" is not a port, host:port or [address]:port")
                return
            }
            if let first = port.utf8.first, ASCII.isDigit(first), ASCII.decimal(Array(port.utf8), maximum: 65_535) == nil {
                problem("the port \"\(port)\" is not a number up to 65535")
            }
        case .unix:
            if name.contains("/") || name.hasPrefix(".") {
                problem("the service name \"\(name)\" may not have a slash or begin with a dot")
            }
        case nil: break
        }
    }

    private mutating func flag(_ word: String, _ column: String, default value: Bool) -> Bool {
        switch word {
        case "-": return value
        case "y": return true
        case "n": return false
        default:
            problem("the field \(column) is \"\(word)\", not y, n or -")
            return value
        }
    }

    private mutating func number(_ word: String, _ column: String) -> Int? {
        if word == "-" { return nil }
        guard let value = ASCII.decimal(Array(word.utf8), maximum: 1_000_000_000) else {
            problem("the field \(column) is \"\(word)\", not a number or -")
            return nil
        }
        return value
    }

    private mutating func options(_ words: [String]) -> (overrides: [Assignment], arguments: [String]) {
        var overrides: [Assignment] = []
        var arguments: [String] = []
        var index = 0
        while index < words.count {
            defer { index += 1 }
            let word = words[index]
            guard word.hasPrefix("-o") else {
                arguments.append(word)
                continue
            }
            var text = String(word.dropFirst(2))
            if text.isEmpty {
                index += 1
                guard index < words.count else {
                    problem("-o is not followed by name=value")
                    break
                }
                text = words[index]
            }
            switch Assignment.parse(text) {
            case .success(let assignment): overrides.append(assignment)
            case .failure(let error): problem("-o: \(error.description)")
            }
        }
        return (overrides, arguments)
    }
}
