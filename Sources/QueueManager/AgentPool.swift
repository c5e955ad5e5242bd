// Connections to the delivery agents: `private/TRANSPORT`, the delivery protocol, the queue file passed beside a request that has not the content in it.
//
// An agent says in its greeting how many deliveries it takes at a time: 1 for a synchronous program, many for one with an event loop.
// Connections are made when those there are are full, by the scheduler's leave at most as many as the transport may have processes. A
// transport that has had nothing to do for `max_idle` loses its connections, so that its processes can end.
// Security: what an agent answers is decoded strictly; an answer that does not decode breaks the connection and defers.

import MailIPC
import MailModel
import NIOCore
import ServiceKit
import SystemKit

@ServiceActor
final class AgentPool: DeliveryAgents {
    @ServiceActor
    private final class Transport {
        let client: IPCClient
        var inFlight = 0
        var idleTimer: Scheduled<Void>?
        init(_ client: IPCClient) { self.client = client }
    }

    private let socket: @Sendable (String) -> String
    private let idleTime: TimeAmount
    private let deliveryTimeout: TimeAmount
    private var transports: [String: Transport] = [:]
    var onCapacity: (@ServiceActor (_ transport: String, _ capacity: Int) -> Void)?

    /// - Parameters:
    ///   - socket: the path of a transport's socket.
    ///   - idleTime: how long unused connections are kept.
    ///   - deliveryTimeout: the longest wait for a reply; an agent has its own, shorter limits.
    init(socket: @escaping @Sendable (String) -> String, idleTime: TimeAmount, deliveryTimeout: TimeAmount) {
        self.socket = socket
        self.idleTime = idleTime
        self.deliveryTimeout = deliveryTimeout
    }

    func deliver(_ request: DeliveryRequest, path: String) async -> AgentAnswer {
        let name = request.transport
        // The name goes into a path. Names of services in master.cf have no slash.
        guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")), name != ".", name != ".." else {
            return .unreachable("bad transport name \(ASCII.printable(name.utf8))")
        }
        let transport = transports[name] ?? Transport(IPCClient(path: socket(name), protocol: .delivery))
        transports[name] = transport
        transport.inFlight += 1
        transport.idleTimer?.cancel()
        transport.idleTimer = nil
        defer {
            transport.inFlight -= 1
            if transport.inFlight == 0 { closeWhenIdle(transport) }
        }
        return await exchange(request, path: path, transport)
    }

    private func exchange(_ request: DeliveryRequest, path: String, _ transport: Transport) async -> AgentAnswer {
        // A connection that its agent closed a moment ago fails before the request is on its way; the second attempt makes a new one.
        var failure = ""
        var failures = 0
        while failures < 2 {
            let stream: IPCStream
            do {
                stream = try await transport.client.open()
            } catch {
                return .unreachable("\(error)")
            }
            onCapacity?(request.transport, transport.client.concurrency)
            do {
                try await send(request, path: path, on: stream)
            } catch let error as SystemError {
                stream.reset()
                return .noFile("\(error)")
            } catch {
                stream.reset()
                failure = "\(error)"
                // Given back before it was on its way: the next attempt finds another connection.
                if (error as? IPCError) != .givenBack { failures += 1 }
                continue
            }
            if let answer = await receive(on: stream, deadline: .now() + deliveryTimeout) { return answer }
        }
        return .unreachable(failure)
    }

    private func send(_ request: DeliveryRequest, path: String, on stream: IPCStream) async throws {
        guard request.content == nil else { return try await stream.send(DeliveryFrame.deliver, request.encoded) }
        // Once sent, the descriptor is the agent's; ours is closed at once, so that many deliveries need few of them.
        let file = try FileDescriptor.open(path, [.readOnly, .noFollow])
        try await stream.send(DeliveryFrame.deliver, request.encoded, descriptor: file.rawValue)
    }

    /// The agent's answer; nil where it gave the request back without an attempt.
    private func receive(on stream: IPCStream, deadline: NIODeadline) async -> AgentAnswer? {
        do {
            guard var frame = try await stream.receive(deadline: deadline) else { throw IPCError.broken("stream ended without a reply") }
            if frame.type == DeliveryFrame.busy {
                stream.takeBackOthers(answer: DeliveryFrame.paused)
                guard let next = try await stream.receive(deadline: deadline) else { throw IPCError.broken("stream ended without a reply") }
                frame = next
            }
            guard frame.type == DeliveryFrame.delivered else { throw IPCError.violation("frame type \(frame.type)") }
            let reply = try DeliveryReply(decoding: frame.payload[...])
            stream.finish()
            return .reply(reply)
        } catch IPCError.givenBack {
            return nil
        } catch {
            stream.reset()
            return .broken("\(error)")
        }
    }

    private func closeWhenIdle(_ transport: Transport) {
        transport.idleTimer = ServiceActor.loop.scheduleTask(in: idleTime) {
            ServiceActor.assumeIsolated {
                if transport.inFlight == 0 { transport.client.close() }
            }
        }
    }
}
