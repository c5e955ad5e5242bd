// A jailed process hears that a file which it has read was changed: then it accepts no more, finishes what is under way and ends, and master starts
// another.
//
// Notices come by the event loop's epoll, in order: what was renamed before a client connected is heard before the client.
// Known limits: those of FileWatch; without notices a change is found within seconds, not before the next client.

import MailLog
import NIOCore
import NIOPosix
import SystemKit

/// Looks after the files of this process.
@ServiceActor
final class FileNotices {
    private let log: MailLog
    private let status: ServiceStatus
    private var isOver = false

    /// How often files are looked at that no notice may tell of.
    private static let lookInterval = TimeAmount.seconds(10)

    init(log: MailLog, status: ServiceStatus) {
        self.log = log
        self.status = status
    }

    /// Begins; does nothing where no file was noted.
    func listen() async throws {
        guard !FileWatch.ofProcess.isEmpty else { return }
        var interval = Self.lookInterval
        if let notices = FileWatch.ofProcess.notices() {
            _ = try await NIOPipeBootstrap(group: ServiceActor.loop)
                .channelInitializer { [self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        try ServiceActor.assumeIsolated { try channel.pipeline.syncOperations.addHandler(NoticeReceiver(self)) }
                    }
                }
                .takingOwnershipOfDescriptor(input: notices).get()
        } else {
            interval = .seconds(1)
        }
        ServiceActor.loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in
            ServiceActor.assumeIsolated { look() }
        }
        look()
    }

    fileprivate func look() {
        guard !isOver, let path = FileWatch.ofProcess.change() else { return }
        isOver = true
        log.info("\(path) has changed -- restarting")
        NetworkListeners.current?.close()
        status.requestDrain()
    }
}

/// What a notice says is of no account.
private final class NoticeReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let notices: FileNotices

    init(_ notices: FileNotices) { self.notices = notices }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { ServiceActor.assumeIsolated { [notices] in notices.look() } }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
