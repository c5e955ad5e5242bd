// A daemon that serves programs of ours over MailIPC: what cleanup, qmgr, bounce, smtp and resolver have in common.

public import MailIPC
public import MailLog
import SystemKit

/// Serves one protocol: each stream that a client opens becomes one call of `serve`.
@ServiceActor
public final class IPCService: ServiceHandler {
    private let spoken: IPCProtocol
    private let capacity: Int
    private let log: MailLog
    private let serve: @ServiceActor (IPCStream) async -> Void
    private let onWakeUp: @ServiceActor () -> Void
    private let onDrain: @ServiceActor () async -> Void
    private var connections: [ObjectIdentifier: IPCConnection] = [:]
    private var active = 0
    private var isDraining = false
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []

    /// - Parameters:
    ///   - capacity: streams that a client may have open at a time on one connection.
    ///   - serve: answers one stream; when it returns the stream is finished.
    ///   - onDrain: finishes what goes on beyond the streams.
    public init(
        protocol spoken: IPCProtocol, capacity: Int, log: MailLog, serve: @escaping @ServiceActor (IPCStream) async -> Void,
        onWakeUp: @escaping @ServiceActor () -> Void = {}, onDrain: @escaping @ServiceActor () async -> Void = {}
    ) {
        self.spoken = spoken
        self.capacity = capacity
        self.log = log
        self.serve = serve
        self.onWakeUp = onWakeUp
        self.onDrain = onDrain
    }

    public func accept(_ accepted: AcceptedConnection) {
        ServiceActor.start { [self] in
            do {
                let connection = try await IPCConnection.serve(
                    descriptor: accepted.descriptor, sideChannel: accepted.sideChannel, protocol: spoken, capacity: capacity
                ) { [weak self] stream in self?.begin(stream) }
                guard connection.closed == nil else { return }
                // Accepted in the moment in which the end began: drain() has not seen it.
                if isDraining { connection.drain() }
                let key = ObjectIdentifier(connection)
                connections[key] = connection
                connection.onClose = { [weak self] in
                    self?.connections[key] = nil
                    self?.wakeIfIdle()
                }
            } catch {
                log.warning("\(spoken.name): \(error)")
            }
        }
    }

    public func wakeUp() { onWakeUp() }

    public func drain() async {
        isDraining = true
        for connection in connections.values { connection.drain() }
        while active > 0 || !connections.isEmpty {
            await withCheckedContinuation { idleWaiters.append($0) }
        }
        await onDrain()
    }

    private func begin(_ stream: IPCStream) {
        active += 1
        ServiceActor.start { [self] in
            await serve(stream)
            stream.finish()
            active -= 1
            wakeIfIdle()
        }
    }

    private func wakeIfIdle() {
        let waiters = idleWaiters
        idleWaiters = []
        for waiter in waiters { waiter.resume() }
    }
}
