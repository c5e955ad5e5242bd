// Putting TLS at the front of a channel and learning how the handshake ended. The same code serves STARTTLS and implicit TLS, both sides.
//
// Security: the caller must have thrown away every byte that came in plain text after STARTTLS (CVE-2011-0411) before it calls this; from
// here on the channel delivers only what came through the TLS layer. A handshake that fails never falls back to plain text.

import NIOCore
import NIOSSL
import NIOTLS

/// Why there is no TLS session.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// Installs the handlers and answers with a future that ends with the handshake.
///
/// - Returns: the facts of the session, or a failure with ``TLSError``. The future does not end by itself when the peer is silent: the
/// caller   has the timer and closes the channel, which fails the future.
func startHandshake(
    _ tlsHandler: NIOSSLHandler, on channel: any Channel, observing direction: CipherSuiteObserver.Direction,
    verifiedStatus: TLSSessionFacts.PeerStatus
) throws(TLSError) -> EventLoopFuture<TLSSessionFacts> {
    let promise = channel.eventLoop.makePromise(of: TLSSessionFacts.self)
    let observer = CipherSuiteObserver(direction)
    let watcher = HandshakeWatcher(promise: promise, tls: tlsHandler, observer: observer, verifiedStatus: verifiedStatus)
    do {
        try channel.pipeline.syncOperations.addHandlers([observer, tlsHandler, watcher], position: .first)
        // A channel that reads only on demand has to be asked once; NIOSSL asks again until the handshake is through.
        channel.read()
    } catch {
        let failure = TLSError("cannot start TLS: \(error)")
        promise.fail(failure)
        throw failure
    }
    return promise.futureResult
}

/// Sits between the wire and NIOSSL until the ServerHello has passed, to note the cipher suite.
final class CipherSuiteObserver: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Which way the ServerHello goes.
    enum Direction { case serverHelloInbound, serverHelloOutbound }

    private(set) var suite: CipherSuite?
    private let direction: Direction
    private var seen: [UInt8] = []

    init(_ direction: Direction) { self.direction = direction }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if direction == .serverHelloInbound { note(unwrapInboundIn(data)) }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if direction == .serverHelloOutbound { note(unwrapOutboundIn(data)) }
        context.write(data, promise: promise)
    }

    private func note(_ buffer: ByteBuffer) {
        guard suite == nil, seen.count < CipherSuite.bytesNeeded else { return }
        seen.append(contentsOf: buffer.readableBytesView.prefix(CipherSuite.bytesNeeded - seen.count))
        suite = CipherSuite(serverFlight: seen)
    }
}

/// Sits behind NIOSSL until the handshake has ended, then removes itself and the observer.
private final class HandshakeWatcher: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var promise: EventLoopPromise<TLSSessionFacts>?
    private let tls: NIOSSLHandler
    private let observer: CipherSuiteObserver
    private let verifiedStatus: TLSSessionFacts.PeerStatus

    init(
        promise: EventLoopPromise<TLSSessionFacts>, tls: NIOSSLHandler, observer: CipherSuiteObserver,
        verifiedStatus: TLSSessionFacts.PeerStatus
    ) {
        self.promise = promise
        self.tls = tls
        self.observer = observer
        self.verifiedStatus = verifiedStatus
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent, let promise {
            self.promise = nil
            let version =
                switch tls.tlsVersion {
                case .tlsv1: "TLSv1"
                case .tlsv11: "TLSv1.1"
                case .tlsv12: "TLSv1.2"
                default: "TLSv1.3"
                }
            // An abbreviated handshake also has a ServerHello; without one the suite stays unknown rather than guessed.
            let (cipher, bits) = observer.suite?.nameAndBits ?? ("unknown", 0)
            let status = tls.peerCertificate == nil ? .anonymous : verifiedStatus
            let facts = TLSSessionFacts(protocolVersion: version, cipher: cipher, cipherBits: bits, peerStatus: status)
            context.pipeline.syncOperations.removeHandler(observer, promise: nil)
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
            promise.succeed(facts)
            return
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if promise != nil { fail(describe(error)) } else { context.fireErrorCaught(error) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("connection lost during the handshake")
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { fail("connection closed during the handshake") }

    private func fail(_ text: String) {
        promise?.fail(TLSError(text))
        promise = nil
    }

    private func describe(_ error: any Error) -> String {
        guard case .handshakeFailed(let reason) = error as? NIOSSLError else { return "\(error)" }
        switch reason {
        case .sslError(let stack), .unknownError(let stack), .invalidSNIName(let stack), .failedToSetALPN(let stack):
            // The text of an error ends in the place in the library's source, which tells an administrator nothing.
            let texts = stack.map { error in String(String(describing: error).split(separator: " at /", maxSplits: 1).first ?? "") }
            return "handshake failed: " + texts.joined(separator: "; ")
        default: return "handshake failed: \(reason)"
        }
    }
}
