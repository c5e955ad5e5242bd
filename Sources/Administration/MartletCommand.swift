// martlet(8): the administrator's command. This file has the command itself, what all subcommands share, and their exit statuses.
//
// Security: it runs with the caller's rights and keeps none. What it may do to the queue is decided by qmgr's socket and by file modes.

public import ArgumentParser
import MailConfiguration
import MailModel
import Synchronization
import SystemKit

/// The command `martlet`.
public struct MartletCommand: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "martlet", abstract: "Administer the Martlet mail system.", version: "Martlet \(MartletVersion.current)",
        subcommands: [
            StartCommand.self, StopCommand.self, ReloadCommand.self, StatusCommand.self, CheckCommand.self, FlushCommand.self,
            QueueCommands.self, ConfigCommand.self, MapCommands.self, ImportCommand.self,
        ])

    public init() {}

    /// The whole program, under this name or one of Postfix's. `-c DIRECTORY` may also stand before the subcommand.
    public static func run() {
        SignalWait.ignoreRefusedWrites()
        if let status = ClassicCommands.run(CommandLine.arguments) { ProcessSpawn.exit(status) }
        var arguments = CommandLine.arguments.dropFirst()
        while arguments.first == "-c", arguments.count > 1 {
            arguments = arguments.dropFirst()
            ProcessSpawn.setEnvironmentVariable(CommonOptions.variable, arguments.removeFirst())
        }
        main(Array(arguments))
    }
}

/// What every subcommand takes.
struct CommonOptions: ParsableArguments {
    static let variable = "MAIL_CONFIG"

    @Option(name: [.customShort("c"), .customLong("config-dir")], help: "The directory of main.cf and master.cf.")
    var directoryOption: String?

    /// The option, else the environment's MAIL_CONFIG, else the default.
    var directory: String {
        let named = directoryOption ?? ProcessSpawn.environmentVariable(Self.variable) ?? ""
        return named.isEmpty ? ConfigurationFiles.defaultDirectory : named
    }

    /// main.cf, or an exit with status 78 that names every error.
    func loadMain() throws -> Configuration {
        do throws(ConfigurationErrors) {
            return try Configuration.load(directory: directory)
        } catch {
            for problem in error.problems { Diagnostics.error(problem.description) }
            throw SystemExit.configuration
        }
    }
}

extension CommonOptions {
    /// The queue directory and the time a stop may take, also where another line of main.cf is wrong: a mail system must be stoppable.
    func loadForControl() throws -> (queueDirectory: String, stopTimeout: Int) {
        if let main = try? Configuration.load(directory: directory) {
            return (main[Parameters.queueDirectory], main[Parameters.stopTimeout])
        }
        guard let bytes = try? Files.contents(of: directory + "/main.cf") else {
            let main = try loadMain()
            return (main[Parameters.queueDirectory], main[Parameters.stopTimeout])
        }
        let entries = MainFile(bytes, file: "main.cf").entries
        let named = entries.last { $0.name == Parameters.queueDirectory.name }?.value
        let queue = named ?? Parameters.queueDirectory.declaration.defaultText
        if queue.isEmpty || queue.contains("$") { _ = try loadMain() }
        Diagnostics.warning("\(directory)/main.cf has errors; \"martlet check\" names them")
        return (queue, 30)
    }
}

/// Exit statuses of sysexits.h.
enum SystemExit {
    /// A negative answer: not found, not running.
    static let negative = ExitCode(1)
    static let data = ExitCode(65)
    static let noInput = ExitCode(66)
    static let unavailable = ExitCode(69)
    static let system = ExitCode(71)
    static let cannotCreate = ExitCode(73)
    static let temporary = ExitCode(75)
    static let noPermission = ExitCode(77)
    static let configuration = ExitCode(78)
}

/// Lines on standard error.
enum Diagnostics {
    /// Whether notes about what went well are printed.
    static var printsNotes: Bool {
        get { notes.load(ordering: .relaxed) }
        set { notes.store(newValue, ordering: .relaxed) }
    }
    private static let notes = Atomic(true)
    private static let program: String = {
        let name = CommandLine.arguments.first.map { String($0.split(separator: "/").last ?? "") } ?? ""
        return ClassicCommands.names.contains(name) ? name : "martlet"
    }()

    static func error(_ text: String) { write("\(program): error: \(text)\n") }
    static func warning(_ text: String) { write("\(program): warning: \(text)\n") }
    static func note(_ text: String) { if printsNotes { write("\(program): \(text)\n") } }

    private static func write(_ text: String) {
        // Standard error that is gone is no reason to fail.
        try? FileDescriptor.borrowing(2) { output throws(SystemError) in try output.writeAll(Array(text.utf8)) }
    }
}
