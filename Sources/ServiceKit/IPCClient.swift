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
    /// Who waits for the connection that is being made; they are told why there is none.
    private var connecting: [CheckedContinuation<IPCError?, Never>]?
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
        let deadline = NIODeadline.now() + connectTimeout
        while true {
            connections.removeAll { $0.closed != nil }
            if let free = connections.first(where: { $0.hasRoom }) { return try free.open() }
            if connecting != nil {
                let failure = await withCheckedContinuation { (continuation: CheckedContinuation<IPCError?, Never>) in
                    guard connecting != nil else { return continuation.resume(returning: nil) }
                    connecting?.append(continuation)
                }
                if let failure { throw failure }
                continue
            }
            connecting = []
            var failure: IPCError?
            defer {
                let waiters = connecting ?? []
                connecting = nil
                for waiter in waiters { waiter.resume(returning: failure) }
            }
            do throws(IPCError) {
                let made = try await IPCConnection.connect(to: address, protocol: spoken, deadline: deadline)
                let stream = try made.open()
                connections.append(made)
                return stream
            } catch {
                // A process that is told to end has greeted whoever waited at its socket, and given the connection up before its first stream
                // (a reload under load). The next one takes over the socket.
                if error == .givenBack && .now() < deadline { continue }
                failure = error == .givenBack ? .timedOut : error
            }
            if let failure { throw failure }
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
