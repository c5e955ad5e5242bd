// Connections that master makes for a program of the network, which reaches no other program by name (ARCHITECTURE.md, "Privileges").
//
// Security: the child is hostile for all that master knows. A request has one length and one meaning; what it may ask for is decided by its
// service's line in master.cf, not by the child. A malformed request, or an answer that it does not take, ends its broker; a flood is read at
// a slow, fixed rate. Only connections to master's own listeners are handed on: the mail owner may replace sockets in its directories, and
// must not have root connect somewhere else for it.
// Known limits: how many connections a child holds is bounded by its own limit of descriptors and by the services it connects to.

import MailIPC
import MailModel
import SystemKit

/// Master's end of the broker of one child.
final class ConnectionBroker {
    /// Why the child is heard no more.
    enum End: Hashable {
        /// It closed its end.
        case closed
        case violation(String)
    }

    /// So many requests are answered at once; then one at a time as the allowance grows again.
    static let allowance = 64
    /// Microseconds for one more.
    static let refill: Int64 = 62_500

    private let socket: FileDescriptor
    private let connections: [BrokeredService: String]
    /// The moment at which the whole allowance is there again.
    private var fullAt = Int64.min

    /// - Parameters:
    ///   - socket: does not block.
    ///   - connections: the sockets of the services that the child may reach.
    init(socket: consuming FileDescriptor, connections: [BrokeredService: String]) {
        self.socket = socket
        self.connections = connections
    }

    var descriptor: Int32 { socket.rawValue }

    /// When the child may be heard again; nil for now.
    func pausedUntil(now: Int64) -> Int64? {
        // Used up: the whole allowance is further away than the time it takes to grow.
        let readableAt = fullAt &- Int64(Self.allowance - 1) * Self.refill
        return fullAt > now && readableAt > now ? readableAt : nil
    }

    /// Answers what has been asked, within the allowance; returns why there will be no more.
    func serve(now: Int64) -> End? {
        while pausedUntil(now: now) == nil {
            let bytes: [UInt8]
            do throws(SystemError) {
                // One byte more than a request, so that a longer one shows. Descriptors that come along are closed by the kernel.
                bytes = try socket.read(upTo: BrokerRequest.size + 1)
            } catch {
                return error.isWouldBlock ? nil : .closed
            }
            if bytes.isEmpty { return .closed }
            fullAt = max(fullAt, now) + Self.refill
            guard let request = try? BrokerRequest(decoding: bytes[...]) else { return .violation("a malformed request") }
            guard let path = connections[request.service] else {
                return .violation("a request for \(request.service), which it may not reach")
            }
            if !answer(request, path) { return .violation("it does not take its answers") }
        }
        return nil
    }

    /// Whether the answer was taken.
    private func answer(_ request: BrokerRequest, _ path: String) -> Bool {
        do throws(SystemError) {
            let connection = try Self.connect(path)
            try Sockets.sendDescriptors(
                [connection.rawValue], with: BrokerAnswer(number: request.number, errno: 0).encoded, over: socket.rawValue)
            return true
        } catch {
            // Also where the descriptor could not be sent: if the socket is full or gone, this fails as well.
            let refusal = BrokerAnswer(number: request.number, errno: UInt32(clamping: max(1, error.errno)))
            return (try? Sockets.send(refusal.encoded, over: socket.rawValue)) != nil
        }
    }

    /// A connection to a listener that this process made at that path, and to no other.
    static func connect(_ path: String) throws(SystemError) -> FileDescriptor {
        let connection = try Sockets.connectUnix(path: path, isNonBlocking: true)
        // The kernel notes who called listen(2), and the name that the listener was bound to.
        let listener = try Sockets.peerCredentials(of: connection.rawValue)
        guard listener.pid == ProcessSpawn.currentProcessID,
            try Sockets.peerAddress(of: connection.rawValue) == SocketAddress.unix(path)
        else { throw SystemError(errno: 13, operation: "connect", object: "\(path): not a socket of this master") }
        return connection
    }
}
