// The connection to a peer as a conversation uses it: NIO's in the program, a scripted one in tests.

import NIOCore
import SMTPProtocol
import ServiceKit
import TLS

/// A byte stream with deadlines.
@ServiceActor
protocol PeerConnection: AnyObject {
    /// Adds bytes to what the next flush sends.
    func write(_ bytes: [UInt8])
    func write(_ bytes: ByteBuffer)
    /// Whether ``send(file:from:count:patience:)`` can be used now.
    var sendsFiles: Bool { get }
    /// Sends a part of an open file after what was written, and waits until it is out of our hands. When this throws, the connection is closed.
    func send(file: Int32, from offset: Int, count: Int, patience: TimeAmount) async throws(ConnectionError)
    func flush(deadline: NIODeadline) async throws(ConnectionError)
    /// Sends without waiting.
    func flushNow()
    /// nil at the end.
    func read(deadline: NIODeadline) async throws(ConnectionError) -> [UInt8]?
    /// Puts TLS under the stream; answers with what the log says of it.
    func startTLS(serverName: String, deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts
    /// Closes after what was written is sent.
    func close()
    /// Closes at once: nothing that is still waiting goes out.
    func abort()
}

/// Makes connections.
@ServiceActor
protocol PeerConnector: AnyObject {
    func connect(to endpoint: Endpoint) async throws(ConnectionError) -> any PeerConnection
}

/// Connects with NIO.
@ServiceActor
final class NetworkConnector: PeerConnector {
    private let parameters: ClientParameters
    private let tls: TLSClientContext
    /// Until the file system of the queue turns out to be none for it: then the next attempt goes the other way.
    fileprivate var sendsFiles = true

    init(parameters: ClientParameters, tls: TLSClientContext) {
        self.parameters = parameters
        self.tls = tls
    }

    func connect(to endpoint: Endpoint) async throws(ConnectionError) -> any PeerConnection {
        let remote: SocketAddress
        var local: SocketAddress?
        do {
            if endpoint.port == 0 {
                let path = endpoint.address.hasPrefix("/") ? endpoint.address : "\(parameters.queueDirectory)/\(endpoint.address)"
                remote = try SocketAddress(unixDomainSocketPath: path)
            } else {
                remote = try SocketAddress(ipAddress: endpoint.address, port: Int(endpoint.port))
                let source = endpoint.isIPv6 ? parameters.bindAddress6 : parameters.bindAddress
                if !source.isEmpty { local = try SocketAddress(ipAddress: source, port: 0) }
            }
        } catch {
            throw .unreachable("\(error)")
        }
        // 0 leaves it to the system, whose patience is about two minutes.
        let timeout = parameters.connectTimeout > 0 ? TimeAmount.seconds(Int64(parameters.connectTimeout)) : .seconds(130)
        let stream = try await StreamConnection.connect(to: remote, from: local, timeout: timeout)
        return NetworkPeer(stream: stream, tls: tls, connector: self)
    }
}

@ServiceActor
private final class NetworkPeer: PeerConnection {
    private let stream: StreamConnection
    private let tls: TLSClientContext
    private let connector: NetworkConnector
    /// What goes through TLS must be read and encrypted here.
    private var isPlain = true
    var sendsFiles: Bool { isPlain && connector.sendsFiles }

    init(stream: StreamConnection, tls: TLSClientContext, connector: NetworkConnector) {
        self.stream = stream
        self.tls = tls
        self.connector = connector
    }

    func write(_ bytes: [UInt8]) { stream.write(bytes) }
    func write(_ bytes: ByteBuffer) { stream.write(bytes) }
    func send(file: Int32, from offset: Int, count: Int, patience: TimeAmount) async throws(ConnectionError) {
        do throws(ConnectionError) {
            try await stream.send(file: file, from: offset, count: count, patience: patience)
        } catch {
            if case .unsendable = error { connector.sendsFiles = false }
            throw error
        }
    }
    func flush(deadline: NIODeadline) async throws(ConnectionError) { try await stream.flush(deadline: deadline) }
    func flushNow() { stream.flushNow() }

    func read(deadline: NIODeadline) async throws(ConnectionError) -> [UInt8]? {
        guard let buffer = try await stream.read(deadline: deadline) else { return nil }
        return Array(buffer.readableBytesView)
    }

    func startTLS(serverName: String, deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts {
        isPlain = false
        let timer = ServiceActor.loop.scheduleTask(deadline: deadline) { [stream] in ServiceActor.assumeIsolated { stream.abort() } }
        defer { timer.cancel() }
        do {
            // RFC 3207 section 4.2, CVE-2011-0411: what came before TLS is not heard after it.
            let handshake = try stream.encrypt { channel in
                defer { channel.read() }
                return try tls.startTLS(on: channel, serverName: serverName)
            }
            return try await handshake.get()
        } catch {
            throw .handshakeFailed("\(error)")
        }
    }

    func close() { stream.close() }
    func abort() { stream.abort() }
}
