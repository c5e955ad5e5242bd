// The names that scripts and habits know from Postfix: links to `martlet`, told apart by the name they are called by.
//
// Each behaves as Postfix 3.7's command of that name does, in options, output, messages and exit statuses; what differs is said in its
// manual page. Options that have nothing to act on here are errors with a reason, not silence.
//
// Security: as `martlet` these run with the caller's rights and have none of their own.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

/// The dispatch by name.
enum ClassicCommands {
    /// The names, with what each runs.
    private static let table: [String: @Sendable (ClassicSession) throws(ClassicFailure) -> Int32] = [
        "postfix": { session throws(ClassicFailure) in try PostfixCommand.run(session) },
        "postconf": { session throws(ClassicFailure) in try PostconfCommand.run(session) },
        "postmap": { session throws(ClassicFailure) in try PostmapCommand.run(session, format: .table) },
        "postalias": { session throws(ClassicFailure) in try PostmapCommand.run(session, format: .aliases) },
        "postsuper": { session throws(ClassicFailure) in try PostsuperCommand.run(session) },
        "postcat": { session throws(ClassicFailure) in try PostcatCommand.run(session) },
        "qshape": { session throws(ClassicFailure) in try QueueShapeCommand.run(session) },
    ]

    static var names: [String] { table.keys.sorted() }

    /// Runs the command of that name and returns its exit status; nil where the name is none of these.
    static func run(_ words: [String]) -> Int32? {
        let name = words.first.map { String($0.split(separator: "/").last ?? "") } ?? ""
        guard let body = table[name] else { return nil }
        let session = ClassicSession(name: name, arguments: Array(words.dropFirst()))
        defer { session.output.flush() }
        do throws(ClassicFailure) {
            return try body(session)
        } catch {
            session.output.flush()
            if !error.text.isEmpty { session.say("fatal: \(error.text)") }
            return error.status
        }
    }
}

/// How these commands end when they cannot go on: `NAME: fatal: TEXT`.
struct ClassicFailure: Error {
    let text: String
    let status: Int32

    init(_ text: String, status: Int32 = 1) {
        self.text = text
        self.status = status
    }

    init(_ error: SystemError) { self.init(error.description) }
}

/// One call of a classic command: its words, its messages, its configuration.
final class ClassicSession {
    let name: String
    let arguments: [String]
    let output = ClassicOutput()
    private var option: String?

    init(name: String, arguments: [String]) {
        self.name = name
        self.arguments = arguments
    }

    /// A line on standard error behind the command's name.
    func say(_ text: String) {
        output.flush()
        // Standard error that is gone is no reason to fail.
        try? FileDescriptor.borrowing(2) { error throws(SystemError) in try error.writeAll(Array("\(name): \(text)\n".utf8)) }
    }

    func warn(_ text: String) { say("warning: \(text)") }

    /// The configuration directory, from -c, MAIL_CONFIG, or the default. Programs that are started from here get it too.
    var directory: String {
        get {
            let named = option ?? ProcessSpawn.environmentVariable(CommonOptions.variable) ?? ""
            return named.isEmpty ? ConfigurationFiles.defaultDirectory : named
        }
        set {
            option = newValue
            ProcessSpawn.setEnvironmentVariable(CommonOptions.variable, newValue)
        }
    }

    var mainPath: String { directory + "/main.cf" }
    var masterPath: String { directory + "/master.cf" }

    /// The bytes of a configuration file.
    func contents(of path: String) throws(ClassicFailure) -> [UInt8] {
        do throws(SystemError) { return try Files.contents(of: path) } catch { throw ClassicFailure(error) }
    }

    /// The configuration; a value that is wrong counts as its default, with a warning, so that a broken file can be looked at and mended.
    func configuration() throws(ClassicFailure) -> Configuration {
        _ = try contents(of: mainPath)
        let (main, problems) = Configuration.tolerant(directory: directory)
        for problem in problems { warn(problem.description) }
        guard let main else { throw ClassicFailure("\(mainPath): cannot be used", status: 1) }
        return main
    }

    /// The lines of standard input without their ends.
    func inputLines() throws(ClassicFailure) -> [[UInt8]] {
        do throws(SystemError) {
            let bytes = try FileDescriptor.borrowing(0) { input throws(SystemError) in try input.readAll(limit: 1 << 30) }
            var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
            if lines.last == [] { lines.removeLast() }
            return lines
        } catch {
            throw ClassicFailure(error)
        }
    }
}

extension Configuration {
    /// The configuration with each wrong value replaced by its default, and what was wrong; nil where that does not help either.
    static func tolerant(
        directory: String, overrides given: Overrides = []
    ) -> (main: Configuration?, problems: [ConfigurationProblem]) {
        do throws(ConfigurationErrors) {
            return (try load(directory: directory, overrides: given), [])
        } catch {
            // The texts of problems begin with the name.
            let overrides: Overrides = error.problems.compactMap { problem in
                let name = String(problem.text.prefix { $0 != ":" })
                return Parameters.byName[name].map { (name: name, value: $0.defaultText) }
            }
            return (try? load(directory: directory, overrides: given + overrides), error.problems)
        }
    }
}

/// Standard output, gathered.
final class ClassicOutput {
    private var buffer: [UInt8] = []

    func write(_ bytes: some Collection<UInt8>) {
        buffer += bytes
        if buffer.count >= 64 << 10 { flush() }
    }

    func write(_ text: String) { write(Array(text.utf8)) }

    func line(_ text: String) { write(text + "\n") }

    func flush() {
        // A reader that went away (`postconf | head`) is no failure.
        try? FileDescriptor.borrowing(1) { output throws(SystemError) in try output.writeAll(buffer) }
        buffer.removeAll(keepingCapacity: true)
    }
}
