// postfix: starting, stopping and checking the mail system under its old name.
//
// As Postfix's, it is silent where all is well and standard error is no terminal, and ends with 0 or 1. Errors are always printed.
// Known limits: `abort` is `stop`; permissions are the package's and `martlet check` looks at them; logs are rotated by logrotate.

import ArgumentParser
import MailConfiguration
import SystemKit

enum PostfixCommand {
    private static let usage = "[-c config_dir] [-Dv] command"

    static func run(_ session: ClassicSession) throws(ClassicFailure) -> Int32 {
        let options = try ClassicOptions(session, "c:Dv", usage: usage)
        if let directory = options.argument(of: "c") { session.directory = directory }
        Diagnostics.printsNotes = RawDescriptor.isTerminal(2)
        guard let verb = options.operands.first else { throw ClassicFailure("usage: \(session.name) \(usage)") }
        if options.operands.count > 1 { throw ClassicFailure("usage: \(session.name) \(verb)") }
        switch verb {
        case "start": return status(StartCommand.self, [])
        case "start-fg": return status(StartCommand.self, ["--foreground"])
        case "stop", "abort": return status(StopCommand.self, [])
        case "reload": return status(ReloadCommand.self, [])
        case "check": return status(CheckCommand.self, [])
        case "status": return try running(session)
        case "flush": return try flush(session)
        // There is nothing that an upgrade would have to change in the administrator's files.
        case "upgrade-configuration": return 0
        case "set-permissions":
            throw ClassicFailure("set-permissions: the package sets the permissions; \"martlet check\" says what is wrong with them")
        case "logrotate", "tls", "post-install", "tls-clean": throw ClassicFailure("\(verb): not supported by Martlet")
        default:
            throw ClassicFailure(
                "unknown command: '\(verb)'. Usage: postfix start (or stop, reload, abort, flush, check, status, start-fg)")
        }
    }

    /// Runs a subcommand of martlet, and reduces its exit status to Postfix's.
    private static func status<Command: ParsableCommand>(_ command: Command.Type, _ words: [String]) -> Int32 {
        do {
            var command = try Command.parse(words)
            try command.run()
            return 0
        } catch let code as ExitCode {
            return code.rawValue == 0 ? 0 : 1
        } catch {
            Diagnostics.error(Command.message(for: error))
            return 1
        }
    }

    private static func running(_ session: ClassicSession) throws(ClassicFailure) -> Int32 {
        let main = try session.configuration()
        do throws(SystemError) {
            guard let master = try MasterProcess.running(queueDirectory: main[Parameters.queueDirectory]) else {
                Diagnostics.note("the mail system is not running")
                return 1
            }
            Diagnostics.note("the mail system is running: PID: \(master.pid)")
            return 0
        } catch {
            throw ClassicFailure(error)
        }
    }

    private static func flush(_ session: ClassicSession) throws(ClassicFailure) -> Int32 {
        let main = try session.configuration()
        do throws(SystemError) {
            let pid = try ProcessSpawn.spawn(
                path: main[Parameters.commandDirectory] + "/postqueue", arguments: ["postqueue", "-c", session.directory, "-f"],
                environment: nil, descriptors: [(0, 0), (1, 1), (2, 2)])
            switch try ProcessSpawn.wait(for: pid) {
            case .exited(let status): return status
            case .killed: return 1
            }
        } catch {
            throw ClassicFailure(error)
        }
    }
}
