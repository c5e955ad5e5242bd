// From a request of qmgr to its reply: every recipient gets an outcome, whatever happens; what is unforeseen defers.

import MailConfiguration
import MailIPC
import MailLog
import MailModel
import ServiceKit
import Synchronization
import SystemKit

/// Answers delivery requests.
final class LocalAgent {
    private let settings: LocalSettings
    private let tables: LocalTables
    private let log: MailLog
    private let gathering = LogGathering()
    private let buffers = PieceBuffers()
    private let cleanupSocket: String
    private let helperPath: String
    private let timeout: Int
    private let transportSocket: (String) -> String

    init(_ context: ServiceContext) throws(SystemError) {
        let configuration = context.configuration
        let log = context.log
        self.log = log
        log.defersWrites { [gathering] _ in gathering.isOn.load(ordering: .relaxed) }
        settings = LocalSettings(configuration)
        tables = try LocalTables(configuration) { log.warning($0) }
        cleanupSocket = context.socket(configuration[Parameters.cleanupServiceName], isPrivate: false)
        helperPath = "\(configuration[Parameters.daemonDirectory])/local"
        timeout = 600_000
        transportSocket = { context.socket($0) }
    }

    /// The lines of `work` leave in one write, before it returns.
    func gatheringLog<Result>(_ work: () -> Result) -> Result {
        gathering.isOn.store(true, ordering: .relaxed)
        defer {
            gathering.isOn.store(false, ordering: .relaxed)
            log.flush()
        }
        return work()
    }

    /// A request whose deliveries are made up to the commit of the batch.
    enum Prepared {
        case delivering(LocalDeliverer)
        /// Nothing could be done.
        case answered(DeliveryReply)
    }

    /// Makes the deliveries of one request; those into Maildirs become durable with `batch`.
    ///
    /// - Parameters:
    ///   - descriptor: the queue file; it is closed with the deliverer. nil where none was passed, or the content is in the request.
    ///   - beforeLongWork: called before anything that may take long.
    func prepare(
        _ request: DeliveryRequest, descriptor: Int32?, batch: MaildirBatch, beforeLongWork: @escaping () -> Void
    ) -> Prepared {
        let received = SystemClock.now()
        let message = DeliveryMessage(
            queueID: request.queueID, envelope: request.envelope, activated: request.activated, received: received)
        let content: MessageContent
        do throws(SystemError) {
            if let bytes = request.content {
                content = MessageContent(bytes, buffers: buffers)
            } else {
                guard let descriptor else { throw SystemError(errno: 9, operation: "receive", object: "the queue file") }
                content = try MessageContent(
                    file: FileDescriptor(owning: descriptor), offset: request.contentOffset, length: request.contentLength,
                    buffers: buffers)
            }
        } catch {
            log.warning("\(request.queueID): \(error)")
            let outcome = RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "cannot read the message", relay: "local")
            return .answered(DeliveryReply(outcomes: request.envelope.recipients.map { _ in outcome }))
        }
        let log = log
        let socket = cleanupSocket
        let timeout = timeout
        let deliverer = LocalDeliverer(
            message, content: content, settings: settings, tables: tables, transport: request.transport, helperPath: helperPath,
            now: { SystemClock.now() }, log: { log.info($0, fields: $1()) }, warn: { log.warning($0) },
            forwarder: { forwarded, content in forwarded.submit(content, to: socket, timeout: timeout) },
            handOver: { [transportSocket] handOff, content in
                // As long as qmgr waits for us.
                HandOffClient(request: request, socket: transportSocket, timeout: 3_600_000).deliver(handOff, content)
            }, batch: batch, beforeLongWork: beforeLongWork)
        deliverer.run()
        return .delivering(deliverer)
    }
}

/// Whether lines wait for the end of an answer.
private final class LogGathering: Sendable {
    let isOn = Atomic(false)
}
