// One conversation on a connection between programs: a request with its answer, or a message on its way into the queue.
//
// Flow control: a sender may have so many payload bytes on their way as the receiver granted. The receiver grants anew when its code has
// taken frames, not when they arrive, so a slow consumer slows its producer and nothing piles up between them.

public import MailIPC
import MailModel
public import NIOCore
import SystemKit

/// One end of a stream.
@ServiceActor
public final class IPCStream {
    public nonisolated let id: UInt32
    private let connection: IPCConnection
    private var inbox: [IPCFrame] = []
    private var inboxStart = 0
    private var credit = IPCFrame.initialCredit
    private var consumed = 0
    /// Payload in ``inbox``.
    private var unread = 0
    private var remoteEnded = false
    private var failure: IPCError?
    private var reader: CheckedContinuation<Void, Never>?
    private var writer: CheckedContinuation<Void, Never>?
    private var timedOut = false
    /// When the reader gives up; distant while nobody reads.
    private(set) var deadline = NIODeadline.distantFuture
    /// Client: called when the server asks for no more streams. Who keeps a stream open for long finishes it here, and opens another.
    public var onGoAway: (@ServiceActor () -> Void)?

    init(id: UInt32, connection: IPCConnection) {
        self.id = id
        self.connection = connection
    }

    /// Server: whether the client is root or the user of this process, as the kernel says.
    public var isPeerTrusted: Bool { connection.isPeerTrusted }

    /// Sends a frame, waiting for credit.
    ///
    /// - Parameters:
    ///   - descriptor: passed beside the frame; stays the caller's.
    public func send(_ type: UInt8, _ payload: [UInt8] = [], descriptor: Int32? = nil) async throws(IPCError) {
        while credit <= 0 && failure == nil && !isAnswered {
            await withCheckedContinuation { continuation in
                // Asked again: the runtime may have let other tasks run (ServiceActor).
                guard credit <= 0 && failure == nil && !isAnswered else { return continuation.resume() }
                writer = continuation
            }
        }
        if payload.count >= IPCConnection.largeSize { await connection.awaitRoom() }
        defer { connection.letNextSend() }
        if let failure { throw failure }
        // The other end has answered and may take nothing more: the caller reads the answer next.
        if credit <= 0 { return }
        if let closed = connection.closed { throw closed }
        if let descriptor { try connection.send(descriptor: descriptor, for: id) }
        credit -= payload.count
        connection.send(IPCFrame(stream: id, type: type, payload: payload))
    }

    private var isAnswered: Bool { remoteEnded || inboxStart < inbox.count }

    /// The next frame; nil when the other end has sent its last.
    public func receive(deadline: NIODeadline = .distantFuture) async throws(IPCError) -> IPCFrame? {
        if inboxStart == inbox.count && !remoteEnded && failure == nil {
            await withCheckedContinuation { continuation in
                guard inboxStart == inbox.count && !remoteEnded && failure == nil else { return continuation.resume() }
                reader = continuation
                self.deadline = deadline
                connection.watch(deadline)
            }
            self.deadline = .distantFuture
        }
        if inboxStart < inbox.count {
            timedOut = false
            // Not kept here until the last one is taken.
            var frame = IPCFrame(stream: 0, type: 0, payload: [])
            swap(&frame, &inbox[inboxStart])
            inboxStart += 1
            if inboxStart == inbox.count {
                inbox.removeAll(keepingCapacity: false)
                inboxStart = 0
            }
            unread -= frame.payload.count
            grant(frame.payload.count)
            return frame
        }
        if let failure { throw failure }
        if remoteEnded { return nil }
        throw .timedOut
    }

    /// The descriptor passed with the request, which belongs to the caller; nil where none came.
    public func takeDescriptor() -> Int32? { connection.takeDescriptor(for: id) }

    /// Client of a server that said that it is at something long: all other streams of the connection fail with ``IPCError/givenBack``, and `answer`
    /// tells the server from where on requests count again. In one step, so that no request comes between.
    public func takeBackOthers(answer: UInt8) {
        guard failure == nil else { return }
        connection.takeBackOthers(than: id)
        connection.send(IPCFrame(stream: id, type: answer, payload: []))
    }

    /// Says that no more frames come from here, and forgets the stream.
    public func finish() {
        guard failure == nil else { return }
        // A server that has said its last has forgotten the stream.
        if !remoteEnded || connection.isServer { connection.send(IPCFrame(stream: id, type: MultiplexerFrame.end, payload: [])) }
        leave()
    }

    /// Abandons the stream: the other end sees it broken.
    public func reset() {
        guard failure == nil else { return }
        connection.send(IPCFrame(stream: id, type: MultiplexerFrame.reset, payload: []))
        leave()
    }

    private func leave() {
        failure = .broken("stream finished")
        connection.forget(id)
        wakeReader()
        wakeWriter()
    }

    private func grant(_ count: Int) {
        consumed += count
        guard consumed >= IPCFrame.initialCredit / 2, failure == nil else { return }
        var encoder = ByteEncoder()
        encoder.put(UInt32(clamping: consumed))
        consumed = 0
        connection.send(IPCFrame(stream: id, type: MultiplexerFrame.credit, payload: encoder.bytes))
    }

    func receive(_ frame: IPCFrame) throws {
        switch frame.type {
        case MultiplexerFrame.credit:
            var decoder = ByteDecoder(frame.payload)
            credit += Int(try decoder.take(UInt32.self))
            wakeWriter()
        case MultiplexerFrame.reset:
            fail(.broken("abandoned by the other end"))
            connection.forget(id)
        case MultiplexerFrame.end:
            remoteEnded = true
            wakeReader()
            wakeWriter()
        case MultiplexerFrame.firstProtocolType...:
            // Credit is asked for before a frame, not for its size: one frame may go beyond it, and none comes before that is made good. More, or
            // frames of nothing without end, is an attack.
            guard unread < IPCFrame.initialCredit, inbox.count - inboxStart < IPCStream.mostUnread else {
                throw IPCError.violation("more frames than there is credit for")
            }
            unread += frame.payload.count
            inbox.append(frame)
            wakeReader()
            wakeWriter()
        default:
            throw IPCError.violation("frame type \(frame.type)")
        }
    }

    func fail(_ error: IPCError) {
        if failure == nil { failure = error }
        wakeReader()
        wakeWriter()
    }

    /// The connection's clock: gives up waiting where the deadline has passed.
    func expire(now: NIODeadline) {
        guard deadline <= now, reader != nil else { return }
        deadline = .distantFuture
        timedOut = true
        wakeReader()
    }

    private static let mostUnread = 1 << 18

    private func wakeReader() {
        reader?.resume()
        reader = nil
    }

    private func wakeWriter() {
        writer?.resume()
        writer = nil
    }
}
