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
    func flushNow() -> Bool { stream.flushNow() }
    func reuse(_ bytes: consuming ByteBuffer) { stream.reuse(consume bytes) }
    func flush(deadline: NIODeadline) async throws(ConnectionError) { try await stream.flush(deadline: deadline) }

    /// A client that does not read must not hold its socket: the last words have a bounded time.
    func close() { stream.close(within: NetworkTransport.lastWordsTime) }
    private static let lastWordsTime = TimeAmount.seconds(10)

    func startTLS(deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts {
        guard let tls else { throw .handshakeFailed("no certificate") }
        let timer = ServiceActor.loop.scheduleTask(deadline: deadline) { [stream] in ServiceActor.assumeIsolated { stream.abort() } }
        defer { timer.cancel() }
        do {
            return try await stream.encrypt { try tls.startTLS(on: $0) }.get()
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
