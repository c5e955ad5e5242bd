// The program's end of the broker: connections to other programs, made by master and passed here (MailIPC/BrokerProtocol.swift).
//
// A thread of its own asks and waits, because an event loop's reads would lose descriptors; it comes into being with the first question, after
// the jail. Questions are rare: one for each connection, which then carries all streams.
// Security: an answer that does not fit is dropped with what came along.

public import MailIPC
import MailModel
import NIOCore
import NIOPosix
import Synchronization
import SystemKit

/// Asks master for connections.
public final class MasterBroker: Sendable {
    private let descriptor: Int32
    private let pool = NIOThreadPool(numberOfThreads: 1)
    /// The number of the last question; only the pool's thread uses it.
    private let counter = Counter()

    /// - Parameter descriptor: does not have to be non-blocking; it is used until the process ends.
    init(descriptor: Int32) { self.descriptor = descriptor }

    /// A connection that does not block; it belongs to the caller.
    func connect(to service: BrokeredService, deadline: NIODeadline) async throws(IPCError) -> Int32 {
        let answer: Result<Int32, IPCError>
        do {
            pool.start()
            answer = try await pool.runIfActive { [descriptor, counter] in
                Self.ask(service, number: counter.next(), over: descriptor, deadline: deadline)
            }
        } catch {
            throw .unreachable("\(service): \(error)")
        }
        return try answer.get()
    }

    private static func ask(
        _ service: BrokeredService, number: UInt32, over socket: Int32, deadline: NIODeadline
    ) -> Result<Int32, IPCError> {
        do throws(SystemError) {
            _ = try Sockets.send(BrokerRequest(number: number, service: service).encoded, over: socket)
            while true {
                let patience = max(0, (deadline - .now()).nanoseconds / 1_000_000)
                guard try Polling.isReadable(socket, within: Int(patience)) else { return .failure(.timedOut) }
                let received = try Sockets.receiveDescriptors(over: socket, limit: 64)
                if received.bytes.isEmpty { return .failure(.unreachable("\(service): master makes no more connections")) }
                // An answer to a question that was given up, or none at all: closed.
                guard let answer = try? BrokerAnswer(decoding: received.bytes[...]), answer.number == number else {
                    for descriptor in received.descriptors { _ = FileDescriptor(owning: descriptor) }
                    continue
                }
                guard answer.errno == 0, let connection = received.descriptors.first else {
                    let error = SystemError(errno: Int32(clamping: answer.errno), operation: "connect", object: "\(service)")
                    return .failure(.unreachable("\(error)"))
                }
                return .success(connection)
            }
        } catch {
            return .failure(.unreachable("\(service): \(error)"))
        }
    }
}

/// Numbers of questions.
private final class Counter: Sendable {
    private let value = Atomic<UInt32>(0)
    func next() -> UInt32 { value.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// Where another program of ours is reached.
public enum ServiceAddress: Sendable, CustomStringConvertible {
    /// By the path of its socket.
    case path(String)
    /// By asking master.
    case brokered(BrokeredService, MasterBroker)

    public var description: String {
        switch self {
        case .path(let path): path
        case .brokered(let service, _): "\(service)"
        }
    }

    /// A connected socket that does not block; it belongs to the caller.
    func connect(deadline: NIODeadline) async throws(IPCError) -> Int32 {
        switch self {
        case .path(let path):
            do throws(SystemError) {
                // Never waits for room in the listener's queue: that would stop the whole event loop for the sake of one service that hangs.
                return try Sockets.connectUnix(path: path, isNonBlocking: true).release()
            } catch {
                throw .unreachable("\(error)")
            }
        case .brokered(let service, let broker): return try await broker.connect(to: service, deadline: deadline)
        }
    }
}
