// A byte stream on the event loop: a socket of the Internet or of a program of ours, with deadlines, back-pressure and TLS.
//
// What arrives is kept until somebody reads; from ``highWater`` bytes on nothing more is taken from the kernel, so a peer that sends faster than
// we work is held by its own socket. (To read only on demand costs two epoll_ctl calls for each read.) Writing collects until `flush`, which
// waits while the peer does not read.
// Writing is in StreamConnection+Writing.swift. What is written goes to the socket directly, past the pipeline, so TLS is begun by ``encrypt(_:)`` alone,
// and from then on nothing goes past it.
// Security: the peer is hostile. Every wait has a deadline given by the caller; what has been read and not yet taken is bounded.

public import NIOCore
import NIOPosix
import SystemKit

/// One connection. Not for use by two tasks at a time.
@ServiceActor
public final class StreamConnection {
    nonisolated let channel: any Channel
    /// The channel's socket, where bytes go; nil where they must go by the pipeline.
    var socket: Int32?
    /// What the next flush sends.
    var output = ByteBuffer()
    /// The channel has bytes that the kernel did not take.
    var hasLeftovers = false
    /// Called when the kernel has taken the leftovers.
    var onDrained: (() -> Void)?
    private(set) var received = ByteBuffer()
    /// The task that waits for something to happen here; it looks itself whether that is what it waits for.
    private var waiter: UnsafeContinuation<Void, Never>?
    private(set) var isTLSActive = false
    private(set) var ended = false
    private(set) var failure: String?
    private(set) var isPaused = false
    private let timer: DeadlineTimer
    private var isExpired = false
    /// What became of the part of a file that was given last.
    var fileSending = FileSending.sent
    /// Takes what arrives, and the end, in place of ``read(deadline:)``: for a consumer that never waits.
    private var consumer: (bytes: (ByteBuffer) -> Void, end: (String?) -> Void)?

    /// The first buffer, where NIO is not to use it again.
    private var firstBuffer: ByteBuffer?
    private var keepsFirstBuffer = false

    /// Bytes that may wait for a reader, and as much again as one read brings. A read alone stays below: to pause costs two calls of the kernel.
    private static let highWater = 65_536
    /// What a connection between programs reads at a time.
    private static let wholesale = 131_072

    init(channel: any Channel) {
        self.channel = channel
        timer = DeadlineTimer()
        timer.onTime = { [weak self] in self?.expire() }
    }

    /// Takes over a connected stream socket. The descriptor belongs to the connection from here, also when this throws.
    public static func adopt(descriptor: Int32) async throws(ConnectionError) -> StreamConnection {
        do throws(SystemError) {
            // NIO does this, too; where it fails there, the descriptor stays open, and nobody can tell whether it is still ours to close.
            try FileDescriptor.borrowing(descriptor) { open throws(SystemError) in try open.setNonBlocking(true) }
        } catch {
            _ = FileDescriptor(owning: descriptor)
            throw .unreachable(error.description)
        }
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

    // MARK: Waiting

    /// Waits while `isWanted` says so.
    ///
    /// It is asked again when the continuation is there, because the runtime may let other tasks run before that (see ``ServiceActor``).
    func wait(until deadline: NIODeadline, while isWanted: @ServiceActor () -> Bool) async throws(ConnectionError) {
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

    func wake() {
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

    func didReceive(_ buffer: inout ByteBuffer) {
        if let consumer { return consumer.bytes(buffer) }
        if keepsFirstBuffer && firstBuffer == nil { firstBuffer = buffer }
        if received.readableBytes == 0 { received = buffer } else { received.writeBuffer(&buffer) }
        if received.readableBytes > StreamConnection.highWater && !isPaused { pause(true) }
        wake()
    }

    func didHandshake() { isTLSActive = true }

    func didBecomeWritable() { wake() }

    func didEnd(_ reason: String?) {
        if failure == nil { failure = reason }
        ended = true
        wake()
        timer.cancel()
        consumer?.end(failure)
        consumer = nil
    }
}
