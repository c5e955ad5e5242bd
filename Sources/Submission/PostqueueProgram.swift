// postqueue(1): shows the queue and asks for attempts. It asks qmgr, which alone knows the queue.
//
// Security: set-group-id, for the one right to connect to qmgr's public socket. What it sends is a queue id or a domain name that has been
// checked here and is checked again there.
// Where qmgr is down, whoever may read the queue sees its files, as with Postfix.

import MailConfiguration
import MailIPC
import MailModel
import MailQueue
import SystemKit

/// The program.
public enum PostqueueProgram {
    enum Action: Hashable, Sendable {
        case list
        case listJSON
        case flush(QueueCommand.Selection)
    }

    private static let usage = "usage: postqueue [-c config_dir] -f | -i queue_id | -j | -p | -s site"

    public static func main() -> Never {
        CommandSurroundings.makeSafe()
        var configuration: Configuration?
        do throws(CommandFailure) {
            let (action, option) = try parse(Array(CommandSurroundings.words().dropFirst()))
            let directory = try CommandSurroundings.configurationDirectory(option: option)
            let loaded = try CommandSurroundings.load(directory: directory)
            configuration = loaded
            CommandSurroundings.cleanEnvironment(loaded)
            try authorize(action, loaded)
            try perform(action, queueDirectory: loaded[Parameters.queueDirectory])
            ProcessSpawn.exit(CommandStatus.ok.rawValue)
        } catch {
            CommandSurroundings.fail("postqueue", error, configuration: error.status == .unavailable ? nil : configuration)
        }
    }

    static func parse(_ words: [[UInt8]]) throws(CommandFailure) -> (action: Action, configuration: [UInt8]?) {
        var scanner = OptionScanner(words) { letter in
            switch letter {
            case UInt8(ascii: "c"), UInt8(ascii: "i"), UInt8(ascii: "s"): .required
            case UInt8(ascii: "f"), UInt8(ascii: "j"), UInt8(ascii: "p"), UInt8(ascii: "v"): OptionArgument.none
            default: nil
            }
        }
        var actions: [Action] = []
        var configuration: [UInt8]?
        while let (letter, argument) = try scanner.next() {
            switch letter {
            case UInt8(ascii: "c"): configuration = argument
            case UInt8(ascii: "p"): actions.append(.list)
            case UInt8(ascii: "j"): actions.append(.listJSON)
            case UInt8(ascii: "f"): actions.append(.flush(.all))
            case UInt8(ascii: "i"):
                guard let id = QueueID(String(decoding: argument, as: UTF8.self)) else {
                    throw CommandFailure(.usage, "invalid queue id: \(ASCII.printable(argument, limit: 64))")
                }
                actions.append(.flush(.message(id)))
            case UInt8(ascii: "s"): actions.append(.flush(.site(try site(argument))))
            default: break
            }
        }
        guard actions.count == 1, scanner.operands.isEmpty else { throw CommandFailure(.usage, usage) }
        return (actions[0], configuration)
    }

    /// A domain, or an address literal in brackets; the grammar that matters is qmgr's comparison, this keeps rubbish out of it.
    private static func site(_ argument: [UInt8]) throws(CommandFailure) -> String {
        let allowed = argument.allSatisfy { ASCII.isAlphanumeric($0) || ".-_[]:".utf8.contains($0) || $0 >= 0x80 }
        guard !argument.isEmpty, argument.count <= 255, allowed, let text = String(validating: argument, as: UTF8.self) else {
            throw CommandFailure(.usage, "Cannot flush mail queue - invalid destination: \"\(ASCII.printable(argument, limit: 100))\"")
        }
        return text
    }

    private static func authorize(_ action: Action, _ configuration: Configuration) throws(CommandFailure) {
        switch action {
        case .list, .listJSON: try AuthorizedUsers(Parameters.authorizedMailqUsers, configuration).requireCaller(to: "view the mail queue")
        case .flush: try AuthorizedUsers(Parameters.authorizedFlushUsers, configuration).requireCaller(to: "flush the mail queue")
        }
    }

    private static func perform(_ action: Action, queueDirectory: String) throws(CommandFailure) {
        let connection: BlockingIPCConnection
        let path = QueueDirectories(root: queueDirectory).socket("qmgr", isPrivate: false)
        do throws(IPCError) {
            connection = try BlockingIPCConnection.connect(path: path, protocol: .queueManager)
        } catch {
            if action == .list || action == .listJSON, let offline = OfflineQueue(queueDirectory: queueDirectory) {
                CommandSurroundings.say("postqueue: warning: Mail system is down -- accessing queue directly (\(error))")
                var listing = Listing(asJSON: action == .listJSON)
                do throws(SystemError) {
                    try offline.visit { listing.add($0) }
                } catch {
                    throw CommandFailure(.temporaryFailure, "\(error)")
                }
                return listing.finish()
            }
            throw CommandFailure(.unavailable, "Queue report unavailable - mail system is down (\(error))")
        }
        do throws(IPCError) {
            switch action {
            case .list: try list(connection, asJSON: false)
            case .listJSON: try list(connection, asJSON: true)
            case .flush(let selection): try flush(connection, selection)
            }
        } catch {
            throw CommandFailure(.unavailable, "the queue manager did not answer: \(error)")
        }
    }

    private static func list(_ connection: BlockingIPCConnection, asJSON: Bool) throws(IPCError) {
        var listing = Listing(asJSON: asJSON)
        try connection.listQueue { listing.add($0) }
        listing.finish()
    }

    private static func flush(_ connection: BlockingIPCConnection, _ selection: QueueCommand.Selection) throws(IPCError) {
        let stream = connection.open()
        try connection.send(QueueManagerFrame.command, QueueCommand(.flush, selection).encoded, stream: stream)
        guard let frame = try connection.receive() else { throw .broken("closed without an answer") }
        switch frame.type {
        case QueueManagerFrame.count: return
        case QueueManagerFrame.failed: throw .broken(frame.reason)
        default: throw .violation("frame type \(frame.type) where a count is due")
        }
    }
}

/// A listing on its way out.
private struct Listing {
    let asJSON: Bool
    private var output = StandardOutput()
    private var count = 0
    private var bytes: UInt64 = 0

    init(asJSON: Bool) { self.asJSON = asJSON }

    /// Writes some messages at once, so that the first ones are seen while the others are read.
    mutating func add(_ entries: [QueueEntry]) {
        for entry in entries {
            if asJSON {
                output.write(QueueListing.json(entry) + "\n")
            } else {
                if count == 0 { output.write(QueueListing.heading + "\n") }
                output.write(QueueListing.text(entry, date: Self.date))
            }
            count += 1
            bytes &+= entry.size
        }
        output.flush()
    }

    mutating func finish() {
        if !asJSON { output.write((count == 0 ? QueueListing.empty : QueueListing.trailer(bytes: bytes, count: count)) + "\n") }
        output.flush()
    }

    private static func date(_ microseconds: Int64) -> String {
        let seconds = microseconds / 1_000_000
        return LocalDate.text(seconds: seconds, offset: SystemClock.localOffset(at: seconds))
    }
}

/// Standard output, gathered so that a listing of a million messages is not a million writes.
private struct StandardOutput {
    private var buffer: [UInt8] = []

    mutating func write(_ text: String) {
        buffer += text.utf8
        if buffer.count >= 64 << 10 { flush() }
    }

    mutating func flush() {
        do throws(SystemError) {
            try FileDescriptor.borrowing(1) { output throws(SystemError) in try output.writeAll(buffer) }
        } catch {
            // A reader that went away (`mailq | head`) is no failure, and nobody needs the rest.
            if error.isBrokenPipe { ProcessSpawn.exit(CommandStatus.ok.rawValue) }
            CommandSurroundings.fail("postqueue", CommandFailure(.ioError, "\(error)"), configuration: nil)
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
