// The client's connection as it really is, and the clock as it really is.

import NIOCore
import ServiceKit
import SystemKit
import TLS

@ServiceActor
final class NetworkTransport: SessionTransport {
    private let stream: StreamConnection
    private let tls: TLSServerContext?

    init(_ stream: StreamConnection, tls: TLSServerContext?) {
        self.stream = stream
        self.tls = tls
    }

    func read(deadline: NIODeadline) async throws(ConnectionError) -> ByteBuffer? { try await stream.read(deadline: deadline) }
    func write(_ bytes: [UInt8]) { stream.write(bytes) }
    func flush(deadline: NIODeadline) async throws(ConnectionError) { try await stream.flush(deadline: deadline) }

    /// A client that does not read must not hold its socket: the last words have a bounded time.
    func close() {
        let channel = stream.channel
        stream.close()
        guard channel.isActive else { return }
        let timer = channel.eventLoop.scheduleTask(in: .seconds(NetworkTransport.lastWordsTime)) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
    }
    private static let lastWordsTime: Int64 = 10

    func startTLS(deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts {
        guard let tls else { throw .handshakeFailed("no certificate") }
        stream.discardReceived()
        let channel = stream.channel
        let timer = channel.eventLoop.scheduleTask(deadline: deadline) { channel.close(promise: nil) }
        defer { timer.cancel() }
        do {
            return try await tls.startTLS(on: channel).get()
        } catch {
            throw .handshakeFailed("\(error)")
        }
    }
}

@ServiceActor
final class SystemSessionClock: SessionClock {
    init() {}
    func now() -> Int64 { SystemClock.now() }
    func deadline(after seconds: Int) -> NIODeadline { .now() + .seconds(Int64(seconds)) }
    func pause(seconds: Int) async {
        await withCheckedContinuation { continuation in
            _ = ServiceActor.loop.scheduleTask(in: .seconds(Int64(seconds))) { continuation.resume() }
        }
    }
}
