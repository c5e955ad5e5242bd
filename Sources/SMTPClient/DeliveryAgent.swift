// Serves delivery requests of qmgr: many at a time in one process, each a straight-line function on the event loop.
//
// Security: a request that cannot be decoded ends its stream, which defers its recipients; it never ends the service.

import MailIPC
import MailLog
import MailModel
import NIOCore
import SMTPProtocol
import ServiceKit
import SystemKit

/// What all deliveries of the process share.
@ServiceActor
final class DeliveryAgent {
    let parameters: ClientParameters
    let finder: HostFinder
    let connector: any PeerConnector
    let cache: ConversationCache
    let log: any DeliveryLogging
    let clock: @Sendable () -> Int64

    init(
        parameters: ClientParameters, finder: HostFinder, connector: any PeerConnector, log: any DeliveryLogging,
        clock: @escaping @Sendable () -> Int64 = { SystemClock.now() }
    ) {
        self.parameters = parameters
        self.finder = finder
        self.connector = connector
        self.log = log
        self.clock = clock
        cache = ConversationCache(parameters.reuse, clock: clock)
    }

    /// One attempt.
    func deliver(_ request: DeliveryRequest, _ source: MessageContent) async -> DeliveryReply {
        await Delivery(request, source: source, agent: self).run()
    }

    /// Answers one stream of the delivery protocol.
    func serve(_ stream: IPCStream) async {
        do {
            guard let frame = try await stream.receive(deadline: .now() + .seconds(60)) else { return }
            guard frame.type == DeliveryFrame.deliver else { throw IPCError.violation("frame type \(frame.type)") }
            let request = try DeliveryRequest(decoding: frame.payload[...])
            let reply: DeliveryReply
            if let content = request.content {
                reply = await deliver(request, .memory(content))
            } else {
                guard let raw = stream.takeDescriptor() else { throw IPCError.violation("no descriptor came with the request") }
                defer { _ = FileDescriptor(owning: raw) }
                reply = await deliver(
                    request, .file(descriptor: raw, offset: request.contentOffset, length: request.contentLength))
            }
            try await stream.send(DeliveryFrame.delivered, reply.encoded)
        } catch {
            log.warning("delivery request: \(error)")
            stream.reset()
        }
    }
}

/// Where the lines go; a list in tests.
protocol DeliveryLogging: Sendable {
    func info(_ line: String)
    func info(_ line: String, fields: @autoclosure () -> LogFields)
    func warning(_ line: String)
}

extension DeliveryLogging {
    /// For those who take lines only.
    func info(_ line: String, fields: @autoclosure () -> LogFields) { info(line) }
}

extension MailLog: DeliveryLogging {}
