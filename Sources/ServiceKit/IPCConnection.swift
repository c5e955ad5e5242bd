// One connection between programs on the event loop: frames in, frames out, streams with credit.
//
// Security: a frame that cannot be decoded or does not fit the state of its stream ends this connection, never the program.
// A connection that breaks tells every stream on it; who waits there sees `broken` and defers.

public import MailIPC
import MailModel
import NIOCore
import SystemKit

/// Either end of a connection.
@ServiceActor
public final class IPCConnection {
    let stream: StreamConnection
    private var decoder = IPCFrameDecoder()
    private var streams: [UInt32: IPCStream] = [:]
    private var nextStream: UInt32 = 1
    var sideChannel: IPCSideChannel?
    var window: IPCWindow?
    let isServer: Bool
    /// Server: whether the client is root or the user of this process. Others reach a socket by a group's right, as set-gid programs do.
    var isPeerTrusted = false
    var outgoing: [UInt8] = []
    var isFlushOrdered = false
    private let timer = DeadlineTimer()
    var onOpen: ((IPCStream) -> Void)?
    var helloWaiter: CheckedContinuation<Void, Never>?
    var hello: IPCHello?
    /// Server: streams that a client may have open before it is taken for hostile.
    var streamLimit = Int.max

    /// Why it is closed; nil while it works.
    public private(set) var closed: IPCError?
    /// The server asked for no more streams.
    public private(set) var isDraining = false
    /// Called once when it closes.
    public var onClose: (() -> Void)?

    init(stream: StreamConnection, isServer: Bool) {
        self.stream = stream
        self.isServer = isServer
        timer.onTime = { [weak self] in self?.expireStreams() }
        stream.onDrained = { [weak self] in self?.letNextSend() }
    }

    /// How many streams the server takes at a time.
    public var capacity: Int { Int(hello?.capacity ?? 0) }
    /// How many streams the server works on at a time.
    public var concurrency: Int { Int(hello?.concurrency ?? 0) }
    /// Whether another stream may be opened now.
    public var hasRoom: Bool { closed == nil && !isDraining && pausedFor == nil && openStreams < capacity }
    /// The stream whose long work the server is at; nil while it takes requests.
    private var pausedFor: UInt32?
    /// Those who wait in ``awaitRoom()``, in their order.
    var congested: [CheckedContinuation<Void, Never>] = []
    /// How many streams are open.
    public var openStreams: Int { streams.count }

    // MARK: Streams

    /// Opens a stream. What is sent on it reaches the server in order.
    public func open() throws(IPCError) -> IPCStream {
        if let closed { throw closed }
        if isDraining { throw .unreachable("connection is ending") }
        let id = nextStream
        nextStream += 1
        // The numbers of this connection are used up, after four thousand million streams: the next stream gets another connection.
        if nextStream == .max { isDraining = true }
        let opened = IPCStream(id: id, connection: self)
        streams[id] = opened
        return opened
    }

    public func close(_ reason: IPCError = .broken("closed here")) {
        guard closed == nil else { return }
        // What was said goes out as far as the other end takes it now.
        flush()
        // The flush may have found the other end gone, and come here itself.
        guard closed == nil else { return }
        closed = reason
        timer.cancel()
        stream.abort()
        sideChannel?.close()
        window = nil
        helloWaiter?.resume()
        helloWaiter = nil
        for waiting in congested { waiting.resume() }
        congested = []
        let ended = streams.values
        streams = [:]
        for stream in ended { stream.fail(reason) }
        onClose?()
        onClose = nil
        onOpen = nil
    }

    /// Server: asks the client to open no more streams; what is under way is finished.
    public func drain() {
        guard !isDraining else { return }
        isDraining = true
        send(IPCFrame(stream: 0, type: MultiplexerFrame.goAway, payload: []))
    }

    /// Takes back every stream but one: the server is at something long, and does not attempt what waits behind it.
    func takeBackOthers(than id: UInt32) {
        pausedFor = id
        let others = streams.values.filter { $0.id != id }
        for other in others { streams[other.id] = nil }
        for other in others { other.fail(.givenBack) }
    }

    func forget(_ id: UInt32) {
        streams[id] = nil
        if pausedFor == id { pausedFor = nil }
        if isDraining && !isServer && streams.isEmpty { close(.givenBack) }
        sideChannel?.forget(id)
    }

    // MARK: Time

    /// Has ``IPCStream/expire(now:)`` called when the deadline has passed: one timer for all streams, which are many and short.
    func watch(_ deadline: NIODeadline) {
        if deadline < nextCheck {
            nextCheck = deadline
            timer.set(deadline)
        }
    }

    private var nextCheck = NIODeadline.distantFuture

    private func expireStreams() {
        let now = NIODeadline.now()
        nextCheck = .distantFuture
        for stream in Array(streams.values) { stream.expire(now: now) }
        for stream in streams.values where stream.deadline < nextCheck { nextCheck = stream.deadline }
        timer.set(nextCheck)
    }

    // MARK: Descriptors

    /// Sends a descriptor for a stream over the side channel; it arrives before any frame sent after it.
    func send(descriptor: Int32, for id: UInt32) throws(IPCError) {
        guard let sideChannel else { throw .violation("no side channel") }
        try sideChannel.send(descriptor, for: id)
    }

    /// The descriptor that the client passed for a stream, if it has come. It belongs to the caller.
    func takeDescriptor(for id: UInt32) -> Int32? { sideChannel?.take(for: id) }

    // MARK: Frames in

    func startReading() {
        stream.consume { [weak self] buffer in
            self?.take(buffer)
        } end: { [weak self] reason in
            self?.close(.broken(reason ?? "closed by the other end"))
        }
    }

    private func take(_ buffer: ByteBuffer) {
        guard closed == nil else { return }
        decoder.append(buffer.readableBytesView)
        var fromWindow = 0
        do {
            while closed == nil, let frame = try decoder.next() {
                guard frame.type == MultiplexerFrame.inWindow && isServer else {
                    try dispatch(frame)
                    continue
                }
                // What was read at once was sent before any slot in it was cleared here: each is in it once at most. More would be memory for
                // a few bytes, before anyone can take it.
                fromWindow += 1
                guard fromWindow <= SharedWindow.slotCount else { throw IPCError.violation("more in the window than it has slots") }
                try dispatch(IPCWindow.take(frame, from: window))
            }
        } catch let error as IPCError {
            close(error)
        } catch let error as ByteDecodingError {
            close(.violation(error.description))
        } catch {
            close(.broken("\(error)"))
        }
    }

    private func dispatch(_ frame: IPCFrame) throws {
        if frame.stream == 0 {
            if frame.type == MultiplexerFrame.goAway && !isServer {
                isDraining = true
                // A stream without an end of its own must be ended now: the server waits for it.
                for open in Array(streams.values) { open.onGoAway?() }
                if streams.isEmpty { close(.givenBack) }
                return
            }
            guard frame.type == MultiplexerFrame.hello, !isServer, hello == nil else { throw IPCError.violation("frame for stream 0") }
            hello = try IPCHello(decoding: frame.payload[...])
            helloWaiter?.resume()
            helloWaiter = nil
            return
        }
        if let known = streams[frame.stream] {
            try known.receive(frame)
            return
        }
        // A frame for a stream that is over here, or a new one from a client.
        guard isServer, frame.type >= MultiplexerFrame.firstProtocolType, frame.stream >= nextStream else { return }
        guard frame.stream < .max else { throw IPCError.violation("stream number \(frame.stream)") }
        // The client counts its streams as over a moment before they are over here; many times the agreed number is no such moment.
        guard streams.count < streamLimit else { throw IPCError.violation("\(streams.count) streams at a time") }
        nextStream = frame.stream + 1
        let opened = IPCStream(id: frame.stream, connection: self)
        streams[frame.stream] = opened
        try opened.receive(frame)
        onOpen?(opened)
    }
}
