// martlet queue and martlet flush: what is in the queue, and orders about it.

import ArgumentParser
import MailConfiguration
import MailIPC
import MailModel
import SystemKit

struct QueueCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Show the mail queue and change it.",
        subcommands: [
            QueueListCommand.self, QueueShowCommand.self, QueueHoldCommand.self, QueueReleaseCommand.self, QueueRequeueCommand.self,
            QueueDeleteCommand.self, QueueCheckCommand.self,
        ],
        defaultSubcommand: QueueListCommand.self)
}

struct QueueListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the messages in the queue, as mailq does.")

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Print one JSON object for each message.")
    var json = false

    func run() throws {
        let main = try common.loadMain()
        try Control.reporting {
            // postqueue has the right to ask the queue manager, whoever calls.
            let pid = try ProcessSpawn.spawn(
                path: main[Parameters.commandDirectory] + "/postqueue",
                arguments: ["postqueue", "-c", common.directory, json ? "-j" : "-p"], environment: nil,
                descriptors: [(0, 0), (1, 1), (2, 2)])
            switch try ProcessSpawn.wait(for: pid) {
            case .exited(0): return
            case .exited(let status): throw ExitCode(status)
            case .killed: throw SystemExit.system
            }
        }
    }
}

/// Messages as arguments: queue ids, `-` for ids on standard input, `ALL`.
struct MessageSelection: ParsableArguments {
    @Argument(help: "Queue ids; - reads them from standard input; ALL takes every message.")
    var messages: [String]

    func selections() throws -> [QueueCommand.Selection] {
        var selections: [QueueCommand.Selection] = []
        for word in messages {
            switch word {
            case "ALL": selections.append(.all)
            case "-":
                while let line = readLine() {
                    let text = line.split(separator: " ").first.map(String.init) ?? ""
                    if !text.isEmpty { selections.append(.message(try Self.id(text))) }
                }
            default: selections.append(.message(try Self.id(word)))
            }
        }
        return selections
    }

    static func id(_ text: String) throws -> QueueID {
        // mailq marks active and held messages behind their ids.
        let bare = text.hasSuffix("*") || text.hasSuffix("!") ? text.dropLast() : text[...]
        guard let id = QueueID(bare) else { throw ValidationError("\"\(ASCII.printable(Array(text.utf8)))\" is not a queue id") }
        return id
    }
}

/// A subcommand that gives one order about some messages.
protocol QueueOrder: ParsableCommand {
    static var verb: QueueCommand.Verb { get }
    /// What was done, in words.
    static var past: String { get }
    var common: CommonOptions { get }
    var json: Bool { get }
    var selection: MessageSelection { get }
}

extension QueueOrder {
    func run() throws { try QueueOrders.give(Self.verb, try selection.selections(), past: Self.past, common: common, json: json) }
}

/// Orders to the queue manager with their report.
enum QueueOrders {
    static func give(
        _ verb: QueueCommand.Verb, _ selections: [QueueCommand.Selection], past: String, common: CommonOptions, json: Bool
    ) throws {
        let client = try QueueClient(try common.loadMain())
        var count = 0
        var missing: [String] = []
        for selection in selections {
            let touched = try client.order(verb, selection)
            count += touched
            if touched == 0, case .message(let id) = selection { missing.append(id.text) }
        }
        if json {
            print(JSONText.object([("count", .number(Int64(count))), ("missing", .list(missing.map { .text($0) }))]).encoded)
        } else {
            Diagnostics.note("\(past): \(count) \(count == 1 ? "message" : "messages")")
            for id in missing { Diagnostics.error("no message \(id) of which this could be done") }
        }
        if !missing.isEmpty { throw SystemExit.negative }
    }
}

struct QueueHoldCommand: QueueOrder {
    static let configuration = CommandConfiguration(commandName: "hold", abstract: "Leave messages alone until they are released.")
    static let verb = QueueCommand.Verb.hold
    static let past = "on hold"
    @OptionGroup var common: CommonOptions
    @Flag(name: .long, help: "Print one JSON object.")
    var json = false
    @OptionGroup var selection: MessageSelection
}

struct QueueReleaseCommand: QueueOrder {
    static let configuration = CommandConfiguration(commandName: "release", abstract: "Let messages on hold go on.")
    static let verb = QueueCommand.Verb.release
    static let past = "released"
    @OptionGroup var common: CommonOptions
    @Flag(name: .long, help: "Print one JSON object.")
    var json = false
    @OptionGroup var selection: MessageSelection
}

struct QueueRequeueCommand: QueueOrder {
    static let configuration = CommandConfiguration(
        commandName: "requeue", abstract: "Resolve and try messages afresh, as if they had just arrived.")
    static let verb = QueueCommand.Verb.requeue
    static let past = "requeued"
    @OptionGroup var common: CommonOptions
    @Flag(name: .long, help: "Print one JSON object.")
    var json = false
    @OptionGroup var selection: MessageSelection
}

struct QueueDeleteCommand: QueueOrder {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove messages; nobody is told.")
    static let verb = QueueCommand.Verb.delete
    static let past = "deleted"
    @OptionGroup var common: CommonOptions
    @Flag(name: .long, help: "Print one JSON object.")
    var json = false
    @OptionGroup var selection: MessageSelection
}

struct FlushCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flush", abstract: "Try deferred messages now: all, those named, or those for one domain.")

    @OptionGroup var common: CommonOptions

    @Option(name: .long, help: "Only messages with a recipient in this domain.")
    var site: String?

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    @Argument(help: "Queue ids; none for all messages.")
    var messages: [String] = []

    func validate() throws {
        if site != nil && !messages.isEmpty { throw ValidationError("--site and queue ids exclude each other") }
    }

    func run() throws {
        var selections: [QueueCommand.Selection] = try messages.map { .message(try MessageSelection.id($0)) }
        if let site { selections = [.site(site)] }
        if selections.isEmpty { selections = [.all] }
        try QueueOrders.give(.flush, selections, past: "to be tried now", common: common, json: json)
    }
}
