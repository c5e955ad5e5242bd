// A daemon that serves programs of ours over MailIPC: what cleanup, qmgr, bounce, smtp and resolver have in common.

public import MailIPC
public import MailLog
import SystemKit

/// Serves one protocol: each stream that a client opens becomes one call of `serve`.
@ServiceActor
public final class IPCService: ServiceHandler {
    private let spoken: IPCProtocol
    private let capacity: Int
    private let mostPerUser: Int
    private let users: Set<UInt32>?
    private let log: MailLog
    private let serve: @ServiceActor (IPCStream) async -> Void
    private let onWakeUp: @ServiceActor () -> Void
    private let onDrain: @ServiceActor () async -> Void
    private var connections: [ObjectIdentifier: IPCConnection] = [:]
    /// Connections of users that are counted.
    private var connectionsOfUser: [UInt32: Int] = [:]
    private var active = 0
    private let memory = MemoryRelief()
    private var isDraining = false
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []

    /// - Parameters:
    ///   - capacity: streams that a client may have open at a time on one connection.
    ///   - mostPerUser: connections that a user may have at a time who is neither root nor the user of this process; one more is closed at
    ///     once.
    ///   - users: who may connect besides root and the user of this process; nil is whoever the socket's permissions admit.
    ///   - serve: answers one stream; when it returns the stream is finished.
    ///   - onDrain: finishes what goes on beyond the streams.
    public init(
        protocol spoken: IPCProtocol, capacity: Int, mostPerUser: Int = .max, users: Set<UInt32>? = nil, log: MailLog,
        serve: @escaping @ServiceActor (IPCStream) async -> Void,
        onWakeUp: @escaping @ServiceActor () -> Void = {}, onDrain: @escaping @ServiceActor () async -> Void = {}
    ) {
        self.spoken = spoken
        self.capacity = capacity
        self.mostPerUser = mostPerUser
        self.users = users
        self.log = log
        self.serve = serve
        self.onWakeUp = onWakeUp
        self.onDrain = onDrain
    }

    /// Counts a connection of a user that is to be counted: who that is, or nil for others. False where it is one too many.
    private func admit(_ descriptor: Int32) -> (isAdmitted: Bool, user: UInt32?) {
        guard mostPerUser < .max || users != nil else { return (true, nil) }
        // A peer that cannot be told is nobody of ours.
        guard let user = (try? Sockets.peerCredentials(of: descriptor))?.uid else { return (false, nil) }
        if user == 0 || user == Privileges.effectiveUser { return (true, nil) }
        if let users, !users.contains(user) {
            log.warning("\(spoken.name): connection of user \(user) refused")
            return (false, nil)
        }
        guard connectionsOfUser[user, default: 0] < mostPerUser else { return (false, nil) }
        connectionsOfUser[user, default: 0] += 1
        return (true, user)
    }

    private func leave(_ user: UInt32?) {
        guard let user, let count = connectionsOfUser[user] else { return }
        connectionsOfUser[user] = count > 1 ? count - 1 : nil
    }

    public func accept(_ accepted: AcceptedConnection) {
        let (isAdmitted, user) = admit(accepted.descriptor)
        guard isAdmitted else {
            _ = FileDescriptor(owning: accepted.descriptor)
            accepted.beside.close()
            return
        }
        ServiceActor.start { [self] in
            do {
                let connection = try await IPCConnection.serve(
                    descriptor: accepted.descriptor, beside: accepted.beside, protocol: spoken, capacity: capacity
                ) { [weak self] stream in self?.begin(stream) }
                guard connection.closed == nil else { return leave(user) }
                // Accepted in the moment in which the end began: drain() has not seen it.
                if isDraining { connection.drain() }
                let key = ObjectIdentifier(connection)
                connections[key] = connection
                connection.onClose = { [weak self] in
                    self?.connections[key] = nil
                    self?.leave(user)
                    self?.wakeIfIdle()
                }
            } catch {
                leave(user)
                log.warning("\(spoken.name): \(error)")
            }
        }
    }

    public func wakeUp() { onWakeUp() }

    public func drain() async {
        isDraining = true
        for connection in connections.values { connection.drain() }
        while active > 0 || !connections.isEmpty {
            await withCheckedContinuation { continuation in
                guard active > 0 || !connections.isEmpty else { return continuation.resume() }
                idleWaiters.append(continuation)
            }
        }
        await onDrain()
    }

    private func begin(_ stream: IPCStream) {
        active += 1
        memory.note(active)
        ServiceActor.start { [self] in
            await serve(stream)
            stream.finish()
            active -= 1
            memory.note(active)
            wakeIfIdle()
        }
    }

    private func wakeIfIdle() {
        let waiters = idleWaiters
        idleWaiters = []
        for waiter in waiters { waiter.resume() }
    }
}
