// martlet start, stop, reload, status: the life of the mail system as a whole.

import ArgumentParser
import MailConfiguration
import SystemKit

struct StartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Check the configuration and start the mail system.",
        discussion: "Returns when the mail system is up, or with status 78 and every error of the configuration.")

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Stay in the foreground until the mail system is stopped.")
    var foreground = false

    func run() throws {
        let main = try ConfigurationCheck.require(directory: common.directory)
        try Control.reporting {
            if let master = try MasterProcess.running(queueDirectory: main[Parameters.queueDirectory]) {
                Diagnostics.error("the mail system is already running: process \(master.pid)")
                throw SystemExit.unavailable
            }
            let path = main[Parameters.daemonDirectory] + "/master"
            // Signals that end a foreground start belong to the mail system.
            let forwarded: [Signal] = [.terminate, .hangUp, .interrupt]
            if foreground { SignalWait.block(forwarded + [.child]) }
            let pid = try ProcessSpawn.spawn(
                path: path, arguments: ["master", "-c", common.directory] + (foreground ? ["-d"] : ["-w"]), environment: nil,
                descriptors: [(0, 0), (1, 1), (2, 2)])
            var status = try ProcessSpawn.poll(pid)
            while status == nil && foreground {
                let signal = SignalWait.wait(for: forwarded + [.child])
                if signal != .child { try ProcessSpawn.kill(pid, signal) }
                status = try ProcessSpawn.poll(pid)
            }
            let ended = try status ?? ProcessSpawn.wait(for: pid)
            switch ended {
            case .exited(0): if !foreground { Diagnostics.note("the mail system is running") }
            case .exited(let status):
                Diagnostics.error("master ended with status \(status)")
                throw ExitCode(status)
            case .killed(let signal):
                Diagnostics.error("master was ended by signal \(signal)")
                throw SystemExit.system
            }
        }
    }
}

struct StopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stop the mail system; programs finish what they are doing.")

    @OptionGroup var common: CommonOptions

    func run() throws {
        let (queue, timeout) = try common.loadForControl()
        try Control.reporting {
            guard let master = try MasterProcess.running(queueDirectory: queue) else {
                Diagnostics.error("the mail system is not running")
                throw SystemExit.unavailable
            }
            try ProcessSpawn.kill(master.pid, .terminate)
            // master itself gives its programs stop_timeout; some more for itself.
            guard try MasterProcess.awaitEnd(queueDirectory: queue, seconds: timeout + 10) else {
                Diagnostics.error("process \(master.pid) still runs after \(timeout + 10) seconds")
                throw SystemExit.temporary
            }
            Diagnostics.note("the mail system has stopped")
        }
    }
}

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Check the configuration and let the mail system use it.",
        discussion: "With an error in the configuration nothing changes, for programs that are started later either, and the status is 78.")

    @OptionGroup var common: CommonOptions

    func run() throws {
        let main = try ConfigurationCheck.require(directory: common.directory)
        try Control.reporting {
            guard let master = try MasterProcess.running(queueDirectory: main[Parameters.queueDirectory]) else {
                Diagnostics.error("the mail system is not running")
                throw SystemExit.unavailable
            }
            let before = master.report?.attempt ?? 0
            try ProcessSpawn.kill(master.pid, .hangUp)
            guard let report = try master.awaitReport(after: before, seconds: 10) else {
                Diagnostics.warning("the mail system was told to read its configuration anew, but has not said yet what came of it")
                return
            }
            // What only the running master finds: an address that is taken, a queue_directory that is another one now.
            for refusal in report.refusals { Diagnostics.error(refusal) }
            if !report.refusals.isEmpty {
                Diagnostics.error("the old configuration stays in use")
                throw SystemExit.configuration
            }
            Diagnostics.note("the new configuration is in use")
        }
    }
}

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say whether the mail system runs: status 0, or 69 where it does not.")

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    func run() throws {
        let queue = try common.loadForControl().queueDirectory
        try Control.reporting {
            let master = try MasterProcess.running(queueDirectory: queue)
            let report = master?.report
            if json {
                let pid: JSONText = master.map { .number(Int64($0.pid)) } ?? .null
                let since: JSONText = report.map { .number(Int64($0.inUseSince)) } ?? .null
                print(
                    JSONText.object([
                        ("running", .flag(master != nil)), ("pid", pid), ("queue_directory", .text(queue)), ("configuration_since", since),
                        ("refused", .list((report?.refusals ?? []).map { .text($0) })),
                    ]).encoded)
            } else if let master {
                print("the mail system is running: process \(master.pid)")
                if let report, !report.refusals.isEmpty {
                    print("the last reload was refused, and the old configuration is in use:")
                    for refusal in report.refusals { print("  \(refusal)") }
                }
            } else {
                print("the mail system is not running")
            }
            if master == nil { throw SystemExit.unavailable }
        }
    }
}

/// The common end of commands that make system calls.
enum Control {
    /// Runs a body; a failed system call is printed, and ends the command with status 77 (not permitted) or 71.
    static func reporting(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SystemError {
            Diagnostics.error(error.description)
            throw error.isPermissionDenied ? SystemExit.noPermission : SystemExit.system
        }
    }
}

extension SystemError {
    /// EPERM or EACCES.
    var isPermissionDenied: Bool { errno == 1 || errno == 13 }
}
