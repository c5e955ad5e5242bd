// The queue manager as a daemon: its protocol, its timer, its start and end.
//
// SECURITY: talks only to programs of ours, over sockets in the queue directory; opens queue files, never their content; needs no rights
// but those of the mail owner. Requests are decoded strictly; one that does not decode ends that stream and nothing else. Who may list and
// flush the queue is decided by the permissions of public/qmgr, which the set-gid `postqueue` has for its callers; notices and all other orders
// are taken from root and the mail owner only, as the kernel names the peer.
// There is one queue manager for a queue: it holds a lock on `incoming`, so that a second one waits instead of delivering everything twice.

import AddressRouting
import MailConfiguration
import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
public import ServiceKit
import SystemKit

/// What is opened before privileges are dropped.
public struct QueueManagerResources: Sendable {
    let router: AddressRouter
    let settings: QueueManagerSettings
    /// Held until the process ends.
    let lock: Int32
}

/// The daemon's parts that differ from other daemons'.
public enum QueueManagerService {
    /// Opens tables and takes the lock, waiting for a predecessor that still finishes its deliveries.
    public static func prepare(_ context: ServiceContext) throws -> QueueManagerResources {
        // master has looked, too; but nobody is to move a file of a newer queue, however this program was started.
        try QueueFormat.check(context.queueDirectory)
        var lock: Int32 = -1
        if !context.options.checksOnly {
            let directory = try FileDescriptor.open(
                QueueDirectories(root: context.queueDirectory).path(.incoming), [.readOnly, .directory])
            try directory.lockExclusive()
            lock = directory.release()
        }
        let log = context.log
        return QueueManagerResources(
            router: AddressRouter(configuration: context.configuration, warn: { log.warning($0) }),
            // Errors of master.cf are the master's to report; without it every transport has the default limits.
            settings: QueueManagerSettings(context.configuration, master: context.services), lock: lock)
    }

    /// Connections of one user who is neither root nor the owner of the queue: they come by the set-gid `postqueue`, which its caller may
    /// stop at any point.
    private static let mostConnectionsPerUser = 10

    /// How long deliveries under way may go on after a reload.
    private static let drainPatience = TimeAmount.seconds(30)

    /// Starts the queue manager.
    @ServiceActor
    public static func start(
        _ context: ServiceContext, _ resources: QueueManagerResources, _ status: ServiceStatus
    ) async throws -> any ServiceHandler {
        let router = resources.router
        let idle = TimeAmount.seconds(Int64(context.configuration[Parameters.maxIdle]))
        let manager = QueueManager(
            settings: resources.settings, directories: QueueDirectories(root: context.queueDirectory),
            route: { router.resolve($0) },
            agents: AgentPool(
                socket: { context.socket($0) }, idleTime: idle,
                deliveryTimeout: .seconds(Int64(context.configuration[Parameters.ipcTimeout]))),
            bounce: BounceClient(
                path: context.socket("bounce"), timeout: .seconds(Int64(resources.settings.requestTimeout)), log: context.log),
            clock: QueueClock(now: { SystemClock.now() }, random: { UInt64.random(in: 0...UInt64.max) }),
            log: QueueManagerLog(context.log, decimals: context.configuration[Parameters.delayLoggingResolutionLimit]))
        let alarm = Alarm(manager)
        let service = IPCService(
            protocol: .queueManager, capacity: 256, mostPerUser: mostConnectionsPerUser, log: context.log,
            serve: { stream in await serve(stream, manager, context.log) },
            onWakeUp: { manager.run { await manager.wakeUp() } },
            onDrain: { await manager.drain(patience: drainPatience) })
        manager.run {
            await manager.recover()
            alarm.set()
        }
        return service
    }

    @ServiceActor
    private static func serve(_ stream: IPCStream, _ manager: QueueManager, _ log: MailLog) async {
        do {
            while let frame = try await stream.receive() {
                switch frame.type {
                case QueueManagerFrame.arrived:
                    // It would name recipients for a message of somebody else.
                    guard stream.isPeerTrusted else { throw IPCError.violation("a notice of a user") }
                    manager.arrived(try ArrivalNotice(decoding: frame.payload[...]))
                case QueueManagerFrame.list:
                    try await manager.list { try await stream.send(QueueManagerFrame.entries, QueueEntry.encoded($0)) }
                    return
                case QueueManagerFrame.command:
                    let command = try QueueCommand(decoding: frame.payload[...])
                    var encoder = ByteEncoder()
                    guard stream.isPeerTrusted || command.verb == .flush else {
                        encoder.put("only root and the owner of the queue may give this order")
                        try await stream.send(QueueManagerFrame.failed, encoder.bytes)
                        return
                    }
                    let count = await manager.execute(command)
                    encoder.put(UInt32(clamping: count))
                    try await stream.send(QueueManagerFrame.count, encoder.bytes)
                    return
                default:
                    throw IPCError.violation("frame type \(frame.type)")
                }
            }
        } catch IPCError.broken {
            // The client went away: a cleanup that was restarted, a command that was interrupted.
        } catch {
            log.warning("request dropped: \(error)")
            stream.reset()
        }
    }
}

/// Wakes the queue manager at exactly the time at which something is due.
@ServiceActor
private final class Alarm {
    private let manager: QueueManager
    private var timer: Scheduled<Void>?
    private var setFor = Int64.max

    init(_ manager: QueueManager) {
        self.manager = manager
        manager.onWakeUpChange = { [weak self] in self?.set() }
    }

    func set() {
        let next = manager.nextWakeUp
        if timer != nil && next == setFor { return }
        timer?.cancel()
        setFor = next
        // An hour at most, so that a clock that was set does not stop the queue.
        let delay = min(max(next - SystemClock.now(), 0), 3_600_000_000)
        timer = ServiceActor.loop.scheduleTask(in: .microseconds(delay)) {
            ServiceActor.assumeIsolated { self.ring() }
        }
    }

    private func ring() {
        timer = nil
        manager.run {
            await self.manager.tick()
            self.set()
        }
    }
}
