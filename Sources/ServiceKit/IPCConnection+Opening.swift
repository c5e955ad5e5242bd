// How a connection begins, at either end: the preamble with what goes beside it (a side channel, a window), then the server's hello, before
// which a client sends nothing.
//
// Security: a server of another protocol or version is left at once. A window that is none, or that its protocol does not have, is not kept:
// the first frame that speaks of one ends the connection.

public import MailIPC
import MailModel
public import NIOCore
import SystemKit

extension IPCConnection {
    /// What a client's socket may hold, and the kernel lets it (net.core.wmem_max) without a word.
    private static let sendBuffer = 425_984

    /// Connects to a service and learns that it speaks `protocol`.
    public static func connect(
        path: String, protocol spoken: IPCProtocol, deadline: NIODeadline
    ) async throws(IPCError) -> IPCConnection {
        try await connect(to: .path(path), protocol: spoken, deadline: deadline)
    }

    /// Connects to a service and learns that it speaks `protocol`.
    ///
    /// - Parameter deadline: bounds the wait for the service's first frame; `master` may have to start it.
    static func connect(
        to address: ServiceAddress, protocol spoken: IPCProtocol, deadline: NIODeadline
    ) async throws(IPCError) -> IPCConnection {
        let raw: Int32
        var side: Int32 = -1
        var window: IPCWindow?
        let socket = FileDescriptor(owning: try await address.connect(deadline: deadline))
        // Content goes this way. What the system does not allow is not needed.
        try? Sockets.setSendBuffer(of: socket.rawValue, bytes: IPCConnection.sendBuffer)
        do {
            if spoken.hasSideChannel {
                let pair = try Sockets.socketPair(type: .seqpacket).release()
                let theirs = FileDescriptor(owning: pair.second)
                side = pair.first
                try Sockets.sendDescriptors([theirs.rawValue], with: [IPCPreamble.withSideChannel], over: socket.rawValue)
            } else if spoken.hasWindow, let made = try? SharedWindow.make() {
                window = IPCWindow(made.window)
                let theirs = FileDescriptor(owning: made.descriptor)
                try Sockets.sendDescriptors([theirs.rawValue], with: [IPCPreamble.withWindow], over: socket.rawValue)
            } else {
                try socket.writeAll([IPCPreamble.plain])
            }
            raw = socket.release()
        } catch {
            if side >= 0 { _ = FileDescriptor(owning: side) }
            throw .unreachable("\(error)")
        }
        let connection: IPCConnection
        do {
            connection = IPCConnection(stream: try await StreamConnection.adopt(descriptor: raw), isServer: false)
        } catch {
            if side >= 0 { _ = FileDescriptor(owning: side) }
            throw .unreachable("\(error)")
        }
        if side >= 0 { connection.sideChannel = IPCSideChannel(owning: side) }
        connection.window = window
        connection.startReading()
        try await connection.awaitHello(spoken, deadline: deadline)
        return connection
    }

    /// Serves a connection that was accepted, whose preamble was read. Both descriptors belong to it from here.
    public static func serve(
        descriptor: Int32, beside: IPCBeside, protocol spoken: IPCProtocol, capacity: Int, onOpen: @escaping (IPCStream) -> Void
    ) async throws(IPCError) -> IPCConnection {
        let connection: IPCConnection
        do {
            connection = IPCConnection(stream: try await StreamConnection.adopt(descriptor: descriptor), isServer: true)
        } catch {
            beside.close()
            throw .unreachable("\(error)")
        }
        switch beside {
        case .sideChannel(let side): connection.sideChannel = IPCSideChannel(owning: side)
        case .window(let memory):
            let memory = FileDescriptor(owning: memory)
            // Of a protocol without one, or no window at all: the first frame that speaks of it ends the connection.
            if spoken.hasWindow { connection.window = (try? SharedWindow(received: memory)).map(IPCWindow.init) }
        case .nothing: break
        }
        if let user = (try? Sockets.peerCredentials(of: descriptor))?.uid {
            connection.isPeerTrusted = user == 0 || user == Privileges.effectiveUser
        }
        connection.onOpen = onOpen
        connection.streamLimit = 4 * capacity + 64
        let hello = IPCHello(protocolName: spoken.name, version: spoken.version, capacity: UInt32(clamping: capacity))
        connection.send(IPCFrame(stream: 0, type: MultiplexerFrame.hello, payload: hello.encoded))
        connection.startReading()
        return connection
    }

    private func awaitHello(_ spoken: IPCProtocol, deadline: NIODeadline) async throws(IPCError) {
        if hello == nil && closed == nil {
            let timer = stream.channel.eventLoop.scheduleTask(deadline: deadline) {
                ServiceActor.assumeIsolated { self.close(.timedOut) }
            }
            await withCheckedContinuation { continuation in
                guard hello == nil && closed == nil else { return continuation.resume() }
                helloWaiter = continuation
            }
            timer.cancel()
        }
        if let closed { throw closed }
        guard let hello, hello.protocolName == spoken.name, hello.version == spoken.version else {
            let error = IPCError.violation(
                "\(spoken.name) version \(spoken.version) expected, got \(hello?.protocolName ?? "?") version \(hello?.version ?? 0)")
            close(error)
            throw error
        }
    }
}
