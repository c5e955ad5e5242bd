// The frames of every connection between programs, and their sans-I/O codec.
//
// A frame is: payload length (4 bytes, little-endian), stream (4), type (1), payload. Streams multiplex a connection: the client numbers the
// streams it opens 1, 2, 3, ...; stream 0 belongs to the connection. Types below 16 belong to the multiplexer, the others to the protocol
// spoken. Before its first frame the client sends one byte: `N`; `S` with a descriptor, its side channel for passing descriptors; or `W` with the
// descriptor of memory that it has together with the server, for what is large (SharedWindow). A connection that closes before that byte is a wake-up.
//
// Security: the peer is one of our programs, perhaps taken over. Lengths are bounded before memory is taken; a bad frame ends that
// connection and nothing else (DESIGN.md, section 1.5).

public import MailModel

/// One frame.
public struct IPCFrame: Hashable, Sendable {
    public var stream: UInt32
    public var type: UInt8
    public var payload: [UInt8]

    public init(stream: UInt32, type: UInt8, payload: [UInt8]) {
        self.stream = stream
        self.type = type
        self.payload = payload
    }

    /// What a frame that says that something failed gives as the reason, fit for a log line or a terminal.
    public var reason: String {
        var decoder = ByteDecoder(payload)
        guard let text = try? decoder.takeString() else { return "no reason was given" }
        return ASCII.printable(Array(text.utf8))
    }

    /// Bytes before the payload.
    public static let headerSize = 9
    /// The largest payload: an envelope of 50,000 recipients fits; content travels in chunks of ``chunkSize``.
    public static let maximumPayload = 32 << 20
    /// The size in which content is cut into frames.
    public static let chunkSize = 64 << 10
    /// How many payload bytes a sender may have on their way in one stream before the receiver grants more.
    public static let initialCredit = 512 << 10

    /// Adds the header of a frame; the payload follows it.
    @inlinable
    public static func appendHeader(stream: UInt32, type: UInt8, payloadCount: Int, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: payloadCount).littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: stream.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(type)
    }

    public var wire: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(IPCFrame.headerSize + payload.count)
        IPCFrame.appendHeader(stream: stream, type: type, payloadCount: payload.count, to: &bytes)
        return bytes + payload
    }
}

/// The client's first byte.
public enum IPCPreamble {
    public static let plain = UInt8(ascii: "N")
    public static let withSideChannel = UInt8(ascii: "S")
    public static let withWindow = UInt8(ascii: "W")
}

/// Frame types of the multiplexer itself.
public enum MultiplexerFrame {
    /// Server to client, stream 0, first frame: ``IPCHello``.
    public static let hello: UInt8 = 1
    /// Receiver to sender: so many more payload bytes may be sent (4 bytes).
    public static let credit: UInt8 = 2
    /// Either side: the stream is abandoned; what it asked for is undefined.
    public static let reset: UInt8 = 3
    /// Either side: no further frames from here in this stream.
    public static let end: UInt8 = 4
    /// Server to client, stream 0: open no more streams here; the connection ends when those that are open are done. (A reload.)
    public static let goAway: UInt8 = 5
    /// Client to server: a frame of the protocol whose payload is in the window (``WindowFrame``).
    public static let inWindow: UInt8 = 6
    /// Protocols number their frames from here.
    public static let firstProtocolType: UInt8 = 16
}

/// The server's first frame.
public struct IPCHello: ByteCodable, Hashable {
    public var protocolName: String
    public var version: UInt16
    /// How many streams the client may have open on this connection.
    public var capacity: UInt32
    /// How many of them the server works on at a time. A synchronous program says 1, also where it takes many to do them in one go.
    public var concurrency: UInt32

    public init(protocolName: String, version: UInt16, capacity: UInt32, concurrency: UInt32? = nil) {
        self.protocolName = protocolName
        self.version = version
        self.capacity = capacity
        self.concurrency = concurrency ?? capacity
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(protocolName)
        encoder.put(version)
        encoder.put(capacity)
        encoder.put(concurrency)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(
            protocolName: try decoder.takeString(limit: 64), version: try decoder.take(UInt16.self),
            capacity: try decoder.take(UInt32.self), concurrency: try decoder.take(UInt32.self))
    }
}

/// Where the payload of a frame is that does not travel over the socket. For flow control it counts as if it did.
public struct WindowFrame: ByteCodable, Hashable {
    /// The type of the frame.
    public var type: UInt8
    /// The slot of the window.
    public var slot: UInt8
    /// How many bytes of it.
    public var count: UInt32

    public init(type: UInt8, slot: UInt8, count: UInt32) {
        self.type = type
        self.slot = slot
        self.count = count
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(type)
        encoder.put(slot)
        encoder.put(count)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(type: try decoder.takeUInt8(), slot: try decoder.takeUInt8(), count: try decoder.take(UInt32.self))
    }
}

/// Collects bytes and gives frames.
public struct IPCFrameDecoder: Sendable {
    /// What was not taken yet: part of a header, or frames.
    private var buffer: [UInt8] = []
    private var start = 0
    /// A large frame whose payload goes to its place as it comes, and the payload bytes that it lacks. ``buffer`` is empty meanwhile.
    private var partial: (frame: IPCFrame, missing: Int)?
    /// A smaller frame is cheaper to copy than to treat apart.
    private static let largeSize = 8 << 10
    /// Memory that is taken on the word of a header.
    private static let mostReserved = 1 << 20

    public init() {}

    public mutating func append(_ bytes: some Collection<UInt8>) {
        if let missing = partial?.missing, missing > 0 {
            let count = min(missing, bytes.count)
            partial?.frame.payload.append(contentsOf: bytes.prefix(count))
            partial?.missing -= count
            if count < bytes.count { buffer.append(contentsOf: bytes.dropFirst(count)) }
            return
        }
        if start > 0 && start == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 1 << 16 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame, or nil until more bytes come.
    public mutating func next() throws(ByteDecodingError) -> IPCFrame? {
        if let (frame, missing) = partial {
            guard missing == 0 else { return nil }
            partial = nil
            return frame
        }
        guard buffer.count - start >= IPCFrame.headerSize else { return nil }
        var decoder = ByteDecoder(buffer[start...])
        let count = Int(try decoder.take(UInt32.self))
        guard count <= IPCFrame.maximumPayload else { throw ByteDecodingError("frame of \(count) bytes") }
        let stream = try decoder.take(UInt32.self)
        let type = try decoder.takeUInt8()
        let begin = start + IPCFrame.headerSize
        guard decoder.remaining >= count else {
            if count >= IPCFrameDecoder.largeSize {
                var payload: [UInt8] = []
                payload.reserveCapacity(min(count, IPCFrameDecoder.mostReserved))
                payload.append(contentsOf: buffer[begin...])
                partial = (IPCFrame(stream: stream, type: type, payload: payload), count - payload.count)
                buffer.removeAll(keepingCapacity: true)
                start = 0
            }
            return nil
        }
        start = begin + count
        return IPCFrame(stream: stream, type: type, payload: Array(buffer[begin..<start]))
    }
}
