// The listeners of a program of the network: connections are accepted on the event loop, which serves them.
//
// A thread that waits for connections and hands them over costs two changes of thread and six system calls for each. Here the loop hears of a
// connection together with all else, and takes one at a time: the rest is there at its next turn, or another process takes it.
// Security: out of descriptors (EMFILE) it pauses for a second instead of spinning. NIO accepts without close-on-exec: these programs start no
// other, and may not (SystemCallFilter).

import MailLog
import NIOCore
import NIOPosix
import SystemKit

/// The listening sockets of this process.
@ServiceActor
final class NetworkListeners {
    /// Those of this process; nil where it serves programs.
    static var current: NetworkListeners?

    private let log: MailLog
    private let status: ServiceStatus
    private var channels: [any Channel] = []
    private var isPaused = false
    private var isClosed = false

    /// How long nothing is accepted where the system has no descriptors left.
    private static let pause = TimeAmount.seconds(1)

    init(log: MailLog, status: ServiceStatus) {
        self.log = log
        self.status = status
    }

    /// Takes over the sockets; nothing is accepted before the program is available.
    func open(_ listeners: [Int32]) async throws {
        for listener in listeners {
            let channel = try await ServerBootstrap(group: ServiceActor.loop)
                .serverChannelOption(.autoRead, value: false).serverChannelOption(.maxMessagesPerRead, value: 1)
                .serverChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(AcceptedChannels()) }
                }
                .withBoundSocket(listener).get()
            // NIO has made the queue of the socket 128 long, whatever it was.
            try Sockets.setLongestQueue(listener)
            channels.append(channel)
        }
    }

    /// Accepts, or does not, as the status says.
    func update() {
        let accepts = status.isAvailable && !isPaused && !isClosed
        // Fails only for a channel that is closed.
        for channel in channels { try? channel.syncOptions?.setOption(.autoRead, value: accepts) }
    }

    /// Accepts no more, for good. Where master is gone nobody else has the sockets: who connects is refused at once, in place of waiting for one
    /// who is waiting for him.
    func close() {
        isClosed = true
        for channel in channels { channel.close(promise: nil) }
        channels = []
    }

    fileprivate func failed(_ reason: String) {
        log.warning("accept connection: \(reason)")
        isPaused = true
        update()
        ServiceActor.loop.scheduleTask(in: Self.pause) { [self] in
            ServiceActor.assumeIsolated {
                isPaused = false
                update()
            }
        }
    }

    /// A listener is of no use any more: whoever comes next needs another process.
    fileprivate func lost() {
        guard !isClosed else { return }
        close()
        status.requestDrain()
    }
}

/// Makes streams of accepted channels. Runs on the loop.
private final class AcceptedChannels: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = unwrapInboundIn(data)
        do {
            try ServiceActor.assumeIsolated { try StreamConnection.accepted(channel) { Handlers.current?.accept($0) } }
        } catch {
            return channel.close(promise: nil)
        }
        // NIO registers it at the end of the pipeline, later in this turn.
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason = (error as? IOError).map { SystemError(errno: $0.errnoCode, operation: "accept", object: "").reason } ?? "\(error)"
        ServiceActor.assumeIsolated { NetworkListeners.current?.failed(reason) }
    }

    func channelInactive(context: ChannelHandlerContext) { ServiceActor.assumeIsolated { NetworkListeners.current?.lost() } }
}
