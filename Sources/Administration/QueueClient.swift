// The administrator's end of qmgr's protocol: orders about messages.
//
// Security: qmgr decides what a caller may do; a bad answer ends the command and changes nothing here.

import MailConfiguration
import MailIPC
import MailModel
import MailQueue

/// One conversation with the queue manager.
struct QueueClient {
    private let connection: BlockingIPCConnection
    /// Milliseconds in which an order is carried out: one about many messages has no answer before the last of them is done.
    private static let patience = 600_000

    /// Connects.
    init(connecting configuration: Configuration) throws(IPCError) {
        let directories = QueueDirectories(root: configuration[Parameters.queueDirectory])
        let path = directories.socket(configuration[Parameters.queueServiceName], isPrivate: false)
        connection = try BlockingIPCConnection.connect(path: path, protocol: .queueManager)
    }

    /// Connects, or ends the command with status 69, or 77 where the caller may not.
    init(_ configuration: Configuration) throws {
        do throws(IPCError) {
            try self.init(connecting: configuration)
        } catch {
            if case .unreachable(let reason) = error, reason.contains("Permission denied") {
                Diagnostics.error("you may not give orders to the queue manager (\(reason))")
                throw SystemExit.noPermission
            }
            Diagnostics.error("the queue manager cannot be reached, the mail system may be down (\(error))")
            throw SystemExit.unavailable
        }
    }

    /// Sends one order and returns how many messages it touched; a failure ends the command with status 69.
    func order(_ verb: QueueCommand.Verb, _ selection: QueueCommand.Selection) throws -> Int {
        do throws(IPCError) {
            return try send(QueueCommand(verb, selection))
        } catch {
            Diagnostics.error(QueueClient.explanation(error))
            throw SystemExit.unavailable
        }
    }

    /// What to say of an order that has no good answer: one that was sent may be carried out all the same.
    static func explanation(_ error: IPCError) -> String {
        switch error {
        case .timedOut: "the queue manager has not answered yet, and may still be doing it: mailq shows what is in the queue"
        case .broken: "the queue manager went away, and may have done it in part: mailq shows what is in the queue (\(error))"
        case .violation, .unreachable, .givenBack: "the queue manager did not do it: \(error)"
        }
    }

    /// Sends one order and returns how many messages it touched.
    func send(_ command: QueueCommand) throws(IPCError) -> Int {
        connection.timeout = QueueClient.patience
        let stream = connection.open()
        try connection.send(QueueManagerFrame.command, command.encoded, stream: stream)
        while let frame = try connection.receive() {
            if frame.stream != stream { continue }
            switch frame.type {
            case QueueManagerFrame.count:
                var decoder = ByteDecoder(frame.payload)
                guard let count = try? decoder.take(UInt32.self) else {
                    throw IPCError.violation("a count of \(frame.payload.count) bytes")
                }
                return Int(count)
            case QueueManagerFrame.failed: throw IPCError.violation(frame.reason)
            default: throw IPCError.violation("frame type \(frame.type) where a count is due")
            }
        }
        throw IPCError.broken("closed without an answer")
    }

    /// Every message the queue manager knows.
    func list(_ body: (QueueEntry) -> Void) throws(IPCError) { try connection.listQueue { $0.forEach(body) } }
}
