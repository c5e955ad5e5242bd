// The client of one service: keeps connections to its socket, opens streams on them, and connects anew after the service went away.
//
// A request that was under way when a connection broke fails with `broken`; it is never repeated here, because only the caller knows whether
// it may be (DESIGN.md, section 3: a request in flight on a connection that breaks is deferred).

public import MailIPC
public import NIOCore

/// Streams to one service.
@ServiceActor
public final class IPCClient {
    private nonisolated let address: ServiceAddress
    private nonisolated let spoken: IPCProtocol
    private var connections: [IPCConnection] = []
    private var connecting: [CheckedContinuation<Void, Never>]?
    /// Bounds the wait for a service that `master` may have to start.
    public var connectTimeout = TimeAmount.seconds(30)

    /// How many streams one connection takes at a time, as the service says; 0 while there is no connection.
    public var capacity: Int { connections.map(\.capacity).max() ?? 0 }

    /// How many of them it works on at a time; 0 while there is no connection.
    public var concurrency: Int { connections.map(\.concurrency).max() ?? 0 }

    public init(_ address: ServiceAddress, protocol spoken: IPCProtocol) {
        self.address = address
        self.spoken = spoken
    }

    public convenience init(path: String, protocol spoken: IPCProtocol) { self.init(.path(path), protocol: spoken) }

    /// Opens a stream on a connection with room, making one if there is none.
    public func open() async throws(IPCError) -> IPCStream {
        while true {
            connections.removeAll { $0.closed != nil }
            if let free = connections.first(where: { $0.hasRoom }) { return try free.open() }
            if connecting != nil {
                await withCheckedContinuation { continuation in
                    guard connecting != nil else { return continuation.resume() }
                    connecting?.append(continuation)
                }
                if connections.isEmpty { throw .unreachable(address.description) }
                continue
            }
            connecting = []
            defer {
                let waiters = connecting ?? []
                connecting = nil
                for waiter in waiters { waiter.resume() }
            }
            let made = try await IPCConnection.connect(to: address, protocol: spoken, deadline: .now() + connectTimeout)
            connections.append(made)
            return try made.open()
        }
    }

    /// Sends one frame and awaits one. Anything else is an error.
    public func request(_ type: UInt8, _ payload: [UInt8], timeout: TimeAmount) async throws(IPCError) -> IPCFrame {
        let stream = try await open()
        do throws(IPCError) {
            try await stream.send(type, payload)
            guard let frame = try await stream.receive(deadline: .now() + timeout) else { throw IPCError.broken("no answer") }
            stream.finish()
            return frame
        } catch {
            stream.reset()
            throw error
        }
    }

    /// Closes every connection.
    public func close() {
        for connection in connections { connection.close() }
        connections = []
    }
}
