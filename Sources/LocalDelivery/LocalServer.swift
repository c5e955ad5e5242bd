// The synchronous end of the delivery protocol: one client at a time; its requests in batches (RequestBatch).
//
// While it has a client it is not available to others, and master starts further processes. It ends when master goes, when it is told to,
// and when it has been idle for long; never in the middle of a delivery.

import MailConfiguration
import MailIPC
import MailLog
import MailModel
import ServiceKit
import SystemKit

/// Serves qmgr.
struct LocalServer {
    private let context: ServiceContext
    private let agent: LocalAgent
    private let signals: FileDescriptorBox
    private let listeners: [Int32]

    /// Milliseconds without a request after which the process ends: the burst that needed it is over.
    private let idleLimit: Int

    init(_ context: ServiceContext, agent: LocalAgent) throws(SystemError) {
        self.context = context
        self.agent = agent
        signals = FileDescriptorBox(try SignalWait.descriptor(for: [.terminate, .interrupt, .hangUp]))
        idleLimit = context.configuration[Parameters.maxIdle] * 1000
        listeners = Daemon.findListeners(context.options)
        for listener in listeners {
            // Several processes share a listener: who comes late to a connection must not block.
            try FileDescriptor.borrowing(listener) { open throws(SystemError) in try open.setNonBlocking(true) }
        }
    }

    func run() throws(SystemError) -> Never {
        while true {
            setAvailable(true)
            let waited = try wait(for: listeners)
            guard case .ready(let listener) = waited else { ProcessSpawn.exit(0) }
            // Another process was faster, or the client is gone: not worth a word.
            guard let socket = (try? Sockets.accept(listener)) ?? nil else { continue }
            setAvailable(false)
            guard let connection = BlockingIPCConnection.accept(socket, protocol: .delivery, capacity: RequestBatch.limit, timeout: 0)
            else { continue }
            let isOver = try serve(connection)
            if isOver { ProcessSpawn.exit(0) }
        }
    }

    private enum Waited {
        case ready(Int32)
        /// Told to end, or idle for long, or master is gone.
        case end
    }

    private func wait(for descriptors: [Int32]) throws(SystemError) -> Waited {
        var interests = [signals.rawValue, ServiceOptions.lifetimeDescriptor].map { Polling.Interest($0, .read) }
        let first = interests.count
        interests += descriptors.map { Polling.Interest($0, .read) }
        let ready = try Polling.wait(interests, milliseconds: idleLimit)
        guard let lowest = ready.first, lowest >= first else { return .end }
        return .ready(descriptors[lowest - first])
    }

    /// Serves one client until it closes; true where the process is to end.
    private func serve(_ connection: BlockingIPCConnection) throws(SystemError) -> Bool {
        let batch = RequestBatch(connection, agent: agent)
        while true {
            do throws(IPCError) {
                // Without a timeout: a frame that has arrived already, or `timedOut`.
                connection.timeout = 0
                guard let frame = try connection.receive() else {
                    try batch.finish()
                    return false
                }
                if frame.type == DeliveryFrame.deliver { try batch.take(frame) }
            } catch .timedOut {
                var isEnd = false
                if batch.isFinished || batch.endOfRound != nil {
                    switch try wait(for: [connection.descriptor] + (batch.endOfRound.map { [$0] } ?? [])) {
                    case .ready(connection.descriptor): continue
                    case .ready: break
                    case .end: isEnd = true
                    }
                }
                do throws(IPCError) {
                    if isEnd { try batch.finish() } else { try batch.advance() }
                } catch {
                    context.log.warning("delivery request: \(error)")
                    return false
                }
                if isEnd {
                    sayGoodbye(connection, batch)
                    return true
                }
            } catch {
                context.log.warning("delivery request: \(error)")
                return false
            }
        }
    }

    /// Ends a conversation: a request that crosses the farewell is still answered.
    private func sayGoodbye(_ connection: BlockingIPCConnection, _ batch: RequestBatch) {
        connection.goAway()
        do throws(IPCError) {
            while true {
                connection.timeout = 1000
                guard let frame = try connection.receive() else { return }
                if frame.type == DeliveryFrame.deliver {
                    try batch.take(frame)
                    try batch.finish()
                }
            }
        } catch {
            // The client has nothing more to say, or is gone.
        }
    }

    /// Tells master whether this process takes a client.
    private func setAvailable(_ available: Bool) {
        let byte = available ? UInt8(ascii: "A") : UInt8(ascii: "T")
        // The other end is gone only when master is, which the lifetime descriptor tells.
        try? FileDescriptor.borrowing(ServiceOptions.statusDescriptor) { pipe throws(SystemError) in try pipe.writeAll([byte]) }
    }
}

/// Keeps a descriptor open as long as its owner lives.
private final class FileDescriptorBox {
    private let descriptor: FileDescriptor
    var rawValue: Int32 { descriptor.rawValue }
    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}
