// A byte stream on the event loop: a socket of the Internet or of a program of ours, with deadlines, back-pressure and TLS.
//
// What arrives is kept until somebody reads; from ``highWater`` bytes on nothing more is taken from the kernel, so a peer that sends faster than
// we work is held by its own socket. (To read only on demand costs two epoll_ctl calls for each read.) Writing collects until `flush`, which
// waits while the peer does not read.
// What is written goes to the socket directly, past the pipeline, which gets only what the socket does not take at once. So TLS is begun by
// ``encrypt(_:)`` alone, and from then on nothing goes past it.
// Security: the peer is hostile. Every wait has a deadline given by the caller; what has been read and not yet taken is bounded.

public import NIOCore
import NIOPosix
import NIOTLS
import SystemKit

/// Why a stream is of no use any more.
public enum ConnectionError: Error, Hashable, Sendable, CustomStringConvertible {
    case timedOut
    /// The peer closed it, or the network lost it; the reason.
    case closed(String)
    /// Could not be made; the reason as of strerror.
    case unreachable(String)
    /// The TLS handshake failed; the reason.
    case handshakeFailed(String)
    /// A file that was to be sent cannot be read, or not in this way; the reason.
    case unreadable(String)

    public var description: String {
        switch self {
        case .timedOut: "Connection timed out"
        case .closed(let text), .unreachable(let text), .handshakeFailed(let text), .unreadable(let text): text
        }
    }
}

/// One connection. Not for use by two tasks at a time.
@ServiceActor
public final class StreamConnection {
    nonisolated let channel: any Channel
    /// The channel's socket, where bytes go; nil where they must go by the pipeline.
    private var socket: Int32?
    /// What the next flush sends.
    private var output = ByteBuffer()
    /// The channel has bytes that the kernel did not take.
    private(set) var hasLeftovers = false
    /// Called when the kernel has taken the leftovers.
    var onDrained: (() -> Void)?
    private var received = ByteBuffer()
    /// The task that waits for something to happen here; it looks itself whether that is what it waits for.
    private var waiter: UnsafeContinuation<Void, Never>?
    private var isTLSActive = false
    private var ended = false
    private var failure: String?
    private var isPaused = false
    private let timer: DeadlineTimer
    private var isExpired = false
    /// What became of the part of a file that was given last.
    private var fileSending = FileSending.sent
    private enum FileSending: Equatable {
        case underWay
        case sent
        case failed
        /// The file's fault, not the network's.
        case unreadable(String)
    }
    /// Takes what arrives, and the end, in place of ``read(deadline:)``: for a consumer that never waits.
    private var consumer: (bytes: (ByteBuffer) -> Void, end: (String?) -> Void)?

    /// The first buffer, where NIO is not to use it again.
    private var firstBuffer: ByteBuffer?
    private var keepsFirstBuffer = false

    /// Bytes that may wait for a reader, and as much again as one read brings. A read alone stays below: to pause costs two calls of the kernel.
    private static let highWater = 65_536
    /// What a connection between programs reads at a time.
    private static let wholesale = 131_072

    fileprivate init(channel: any Channel) {
        self.channel = channel
        timer = DeadlineTimer()
        timer.onTime = { [weak self] in self?.expire() }
    }

    /// Takes over a connected stream socket. The descriptor belongs to the connection from here, also when this throws.
    public static func adopt(descriptor: Int32) async throws(ConnectionError) -> StreamConnection {
        prepared = nil
        defer { prepared = nil }
        let future = adopting.withConnectedSocket(descriptor)
        // On the loop all of it is done already: nothing to wait for.
        guard let connection = prepared, connection.channel.isActive else { return try await make(future) }
        connection.socket = descriptor
        return connection
    }

    /// The one that ``prepare(_:)`` made last.
    private static var prepared: StreamConnection?

    /// MPTCP is not enabled by this for a socket that is connected, but two system calls for TCP_NODELAY, which it has from its listener, are left out.
    private static let adopting = ClientBootstrap(group: ServiceActor.loop).channelInitializer(prepare).enableMPTCP(true)

    /// Connects to an address of the Internet or of a Unix-domain socket.
    ///
    /// - Parameters:
    ///   - local: the address to connect from; nil lets the kernel choose.
    ///   - timeout: bounds the attempt.
    public static func connect(
        to remote: NIOCore.SocketAddress, from local: NIOCore.SocketAddress? = nil, timeout: TimeAmount
    ) async throws(ConnectionError) -> StreamConnection {
        var bootstrap = ClientBootstrap(group: ServiceActor.loop).channelInitializer(prepare).connectTimeout(timeout)
        if let local { bootstrap = bootstrap.bind(to: local) }
        return try await make(bootstrap.connect(to: remote))
    }

    /// The receiver is in the pipeline before the channel is registered: a peer that sends and closes at once is heard, not lost.
    @Sendable
    private nonisolated static func prepare(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            try ServiceActor.assumeIsolated { prepared = try assemble(channel) }
        }
    }

    private static func assemble(_ channel: any Channel) throws -> StreamConnection {
        // Set here, an option costs no future.
        try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
        let connection = StreamConnection(channel: channel)
        try channel.pipeline.syncOperations.addHandler(ByteReceiver(connection))
        return connection
    }

    private static func make(_ future: EventLoopFuture<any Channel>) async throws(ConnectionError) -> StreamConnection {
        do {
            let channel = try await future.get()
            prepared = nil
            let connection = try channel.pipeline.syncOperations.handler(type: ByteReceiver.self).connection
            connection.socket = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
            return connection
        } catch let error as ChannelError {
            if case .connectTimeout = error { throw .timedOut }
            throw .unreachable("\(error)")
        } catch let error as IOError {
            throw .unreachable(SystemError(errno: error.errnoCode, operation: "connect", object: "").reason)
        } catch {
            throw .unreachable("\(error)")
        }
    }

    /// The numeric address of this end, where it is one of the Internet.
    public var localAddress: String? { channel.localAddress?.ipAddress }

    // MARK: Reading

    /// Whether the peer has closed and everything it sent was taken.
    public var isAtEnd: Bool { ended && received.readableBytes == 0 }

    /// Some bytes, at least one; nil when the peer has closed.
    public func read(deadline: NIODeadline) async throws(ConnectionError) -> ByteBuffer? {
        if received.readableBytes == 0 && !ended { try await wait(until: deadline) { self.received.readableBytes == 0 && !self.ended } }
        if received.readableBytes > 0 { return takeReceived() }
        if let failure { throw .closed(failure) }
        return nil
    }

    /// Takes back a buffer of ``read(deadline:)`` of which nothing is needed any more, for the next read.
    public func reuse(_ buffer: consuming ByteBuffer) { SpareBuffer.give(consume buffer) }

    /// For one of thousands of sessions: while it waits it holds no buffer to read into.
    public func saveMemory() {
        keepsFirstBuffer = true
        // Both fail only for a channel that is closed.
        try? channel.syncOptions?.setOption(.maxMessagesPerRead, value: 1)
        try? channel.syncOptions?.setOption(.recvAllocator, value: TransientReadBuffers())
    }

    /// Hands everything that arrives to `bytes` at once, and tells `end` of the end, with the reason where it was no orderly one.
    func consume(bytes: @escaping (ByteBuffer) -> Void, end: @escaping (String?) -> Void) {
        consumer = (bytes, end)
        // What is consumed at once leaves the buffer to the next read.
        try? channel.syncOptions?.setOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: StreamConnection.wholesale))
        if received.readableBytes > 0 { bytes(takeReceived()) }
        if ended { end(failure) }
    }

    private func takeReceived() -> ByteBuffer {
        defer { received = ByteBuffer() }
        if isPaused { pause(false) }
        return received
    }

    private func pause(_ pausing: Bool) {
        isPaused = pausing
        // Fails only for a channel that is closed.
        try? channel.syncOptions?.setOption(.autoRead, value: !pausing)
    }

    /// Throws away what has been read and not yet taken: plaintext behind STARTTLS must not be mistaken for what came under TLS
    /// (CVE-2011-0411). Tells how many bytes there were.
    @discardableResult
    public func discardReceived() -> Int {
        takeReceived().readableBytes
    }

    // MARK: TLS

    /// Puts TLS under the stream: `start` adds it to the pipeline. What has been read and not yet taken is thrown away: plaintext behind STARTTLS
    /// must not be mistaken for what came under TLS (CVE-2011-0411).
    public func encrypt<Result>(_ start: (any Channel) throws -> Result) rethrows -> Result {
        discardReceived()
        push()
        socket = nil
        return try start(channel)
    }

    // MARK: Writing

    /// Adds bytes to what the next ``flush(deadline:)`` sends.
    public func write(_ bytes: some Sequence<UInt8>) { output.writeBytes(bytes) }

    public func write(_ buffer: ByteBuffer) {
        if output.readableBytes == 0 {
            output = buffer
        } else {
            output.writeImmutableBuffer(buffer)
        }
    }

    /// Sends what was written and waits until the peer has taken so much that more may be written.
    public func flush(deadline: NIODeadline) async throws(ConnectionError) {
        push()
        if hasLeftovers || socket == nil {
            try await wait(until: deadline) { !self.channel.isWritable && !self.ended && self.channel.isActive }
        }
        if let failure { throw .closed(failure) }
        if !channel.isActive { throw .closed("Connection closed") }
    }

    /// Sends a part of an open file, after what was written, and waits until the kernel has all of it: sendfile(2), without a copy here.
    ///
    /// Not under TLS. The file must have that part, and must not change there: the network may still be sending it when this returns.
    /// When this throws, the connection is closed.
    ///
    /// - Parameter patience: within which a good piece (``leastProgress``) must go, again and again.
    public func send(file: Int32, from offset: Int, count: Int, patience: TimeAmount) async throws(ConnectionError) {
        let handle: NIOFileHandle
        do throws(SystemError) {
            // One of its own, because the caller's may be closed before the last write is given up.
            let own = try FileDescriptor.borrowing(file) { file throws(SystemError) in try file.duplicate().release() }
            handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: own)
        } catch {
            abort()
            throw .unreadable(error.reason)
        }
        let sent = channel.eventLoop.makePromise(of: Void.self)
        fileSending = .underWay
        sent.futureResult.whenComplete { [weak self] result in
            // It is open, and nobody else closes it.
            try? handle.close()
            ServiceActor.assumeIsolated { self?.didSendFile(result) }
        }
        push(joined: true)
        channel.writeAndFlush(FileRegion(fileHandle: handle, readerIndex: offset, endIndex: offset + count), promise: sent)
        do throws(ConnectionError) {
            while fileSending == .underWay && !ended {
                let goal = max(unsentBytes - StreamConnection.leastProgress, 0)
                try await wait(until: .now() + patience) { self.fileSending == .underWay && !self.ended && self.unsentBytes > goal }
            }
            switch fileSending {
            case .sent: return
            case .unreadable(let reason): throw .unreadable(reason)
            case .underWay, .failed: throw .closed(failure ?? "Connection closed")
            }
        } catch {
            abort()
            throw error
        }
    }

    /// Octets of a file that must go while somebody waits for them.
    private static let leastProgress = 131_072

    private var unsentBytes: Int { (try? channel.syncOptions?.getOption(.bufferedWritableBytes)).flatMap { $0 } ?? 0 }

    /// Sends what was written, without waiting.
    ///
    /// - Returns: whether all of it was sent; who wants to wait for that, or to know why it is not, calls ``flush(deadline:)``.
    @discardableResult
    public func flushNow() -> Bool {
        push()
        return (socket == nil ? channel.isWritable : !hasLeftovers) && channel.isActive && failure == nil
    }

    /// Hands what was written to the socket, and to the channel what the socket does not take.
    ///
    /// - Parameter joined: more is sent next, or the end, and may leave together with this.
    private func push(joined: Bool = false) {
        guard output.readableBytes > 0 else { return }
        let written = output
        output = ByteBuffer()
        var sent = 0
        // The channel closes its socket on this loop, and says so from then on.
        if let socket, channel.isActive, !hasLeftovers {
            // What is wrong with the socket the channel finds out, and tells.
            sent = written.withUnsafeReadableBytes { Sockets.sendNow($0, over: socket, more: joined) } ?? 0
        }
        if sent < written.readableBytes { leave(written.getSlice(at: written.readerIndex + sent, length: written.readableBytes - sent)) }
    }

    /// Sends both now as far as the kernel takes them, uncopied and past the channel, and the rest through the channel.
    func send(_ first: [UInt8], _ second: [UInt8]) {
        push()
        var sent = 0
        if let socket, channel.isActive, !hasLeftovers { sent = (try? Sockets.sendNow(first, second, over: socket)) ?? 0 }
        guard sent < first.count + second.count else { return }
        var rest = ByteBuffer()
        rest.reserveCapacity(first.count + second.count - sent)
        if sent < first.count { rest.writeBytes(first[sent...]) }
        rest.writeBytes(second[max(0, sent - first.count)...])
        leave(rest)
    }

    /// Leaves bytes to the channel.
    private func leave(_ rest: ByteBuffer?) {
        guard let rest else { return }
        guard !hasLeftovers, socket != nil else { return channel.writeAndFlush(rest, promise: nil) }
        hasLeftovers = true
        let written = channel.eventLoop.makePromise(of: Void.self)
        channel.writeAndFlush(rest, promise: written)
        written.futureResult.whenComplete { _ in ServiceActor.assumeIsolated { self.drained() } }
    }

    private func drained() {
        // More came behind it meanwhile.
        if let more = try? channel.syncOptions?.getOption(.bufferedWritableBytes), more > 0 {
            let written = channel.eventLoop.makePromise(of: Void.self)
            channel.writeAndFlush(ByteBuffer(), promise: written)
            return written.futureResult.whenComplete { _ in ServiceActor.assumeIsolated { self.drained() } }
        }
        hasLeftovers = false
        onDrained?()
    }

    /// Closes after what was written is sent.
    public func close() {
        push(joined: true)
        // Without TLS, which has last words of its own, most have nothing left to wait for.
        if !isTLSActive, (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) == 0 { return abort() }
        let channel = channel
        channel.writeAndFlush(ByteBuffer()).whenComplete { _ in channel.close(promise: nil) }
    }

    /// Closes after what was written is sent, or when the peer has not taken it in time.
    public func close(within time: TimeAmount) {
        close()
        guard channel.isActive else { return }
        let channel = channel
        let timer = channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
    }

    /// Closes at once.
    public func abort() { channel.close(promise: nil) }

    // MARK: Waiting

    /// Waits while `isWanted` says so.
    ///
    /// It is asked again when the continuation is there, because the runtime may let other tasks run before that (see ``ServiceActor``).
    private func wait(until deadline: NIODeadline, while isWanted: @ServiceActor () -> Bool) async throws(ConnectionError) {
        isExpired = false
        while isWanted() {
            if isExpired { throw .timedOut }
            // Whoever takes the waiter resumes it, once (``wake()``): a checked one would be an allocation for each wait.
            await withUnsafeContinuation { continuation in
                guard isWanted() else { return continuation.resume() }
                waiter = continuation
                timer.set(deadline)
            }
        }
    }

    private func wake() {
        guard let waiter else { return }
        self.waiter = nil
        waiter.resume()
    }

    private func expire() {
        guard waiter != nil else { return }
        isExpired = true
        wake()
    }

    // MARK: What the channel tells

    fileprivate func didReceive(_ buffer: inout ByteBuffer) {
        if let consumer { return consumer.bytes(buffer) }
        if keepsFirstBuffer && firstBuffer == nil { firstBuffer = buffer }
        if received.readableBytes == 0 { received = buffer } else { received.writeBuffer(&buffer) }
        if received.readableBytes > StreamConnection.highWater && !isPaused { pause(true) }
        wake()
    }

    fileprivate func didHandshake() { isTLSActive = true }

    fileprivate func didBecomeWritable() { wake() }

    private func didSendFile(_ result: Result<Void, any Error>) {
        switch result {
        case .success: fileSending = .sent
        // EIO, and what a file system says that cannot do this: EINVAL, ENOSYS, EOPNOTSUPP. No stream socket gives any of them.
        case .failure(let error as IOError) where [5, 22, 38, 95].contains(error.errnoCode): fileSending = .unreadable(error.description)
        case .failure: fileSending = .failed
        }
        wake()
    }

    fileprivate func didEnd(_ reason: String?) {
        if failure == nil { failure = reason }
        ended = true
        wake()
        timer.cancel()
        consumer?.end(failure)
        consumer = nil
    }
}

/// The end of the pipeline: hands what arrives to the connection. Runs on the loop.
private final class ByteReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    let connection: StreamConnection

    init(_ connection: StreamConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        ServiceActor.assumeIsolated { [connection] in connection.didReceive(&buffer) }
    }
    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { ServiceActor.assumeIsolated { [connection] in connection.didBecomeWritable() } }
    }
    func channelInactive(context: ChannelHandlerContext) { ServiceActor.assumeIsolated { [connection] in connection.didEnd(nil) } }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            ServiceActor.assumeIsolated { [connection] in connection.didEnd(nil) }
        } else if let event = event as? TLSUserEvent, case .handshakeCompleted = event {
            ServiceActor.assumeIsolated { [connection] in connection.didHandshake() }
        }
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason: String
        if let error = error as? IOError {
            reason = SystemError(errno: error.errnoCode, operation: "read", object: "").reason
        } else {
            reason = "\(error)"
        }
        ServiceActor.assumeIsolated { [connection] in connection.didEnd(reason) }
        context.close(promise: nil)
    }
}
