// The same frames for programs without an event loop: `local`, `sendmail`, `postqueue`, `martlet`.
//
// One thread, one conversation at a time. Every wait has a bound. Security as in IPCFrame.swift.

import MailModel
public import SystemKit

/// One end of a connection between programs, with blocking calls.
public final class BlockingIPCConnection {
    private let socket: FileDescriptor
    private let sideChannel: Int32
    private let isServer: Bool
    private var decoder = IPCFrameDecoder()
    private var nextStream: UInt32 = 1
    private var credit: [UInt32: Int] = [:]
    /// Payload that was read and not yet granted anew.
    private var consumed: [UInt32: Int] = [:]
    private var pending: [IPCFrame] = []
    /// The longest wait for the other end, in milliseconds.
    public var timeout: Int

    private init(socket: consuming FileDescriptor, sideChannel: Int32, isServer: Bool, timeout: Int) {
        self.socket = socket
        self.sideChannel = sideChannel
        self.isServer = isServer
        self.timeout = timeout
    }

    deinit {
        if sideChannel >= 0 { _ = FileDescriptor(owning: sideChannel) }
    }

    /// The socket, for a program that waits for several things at a time.
    public var descriptor: Int32 { socket.rawValue }

    /// Connects to a service and learns that it speaks `protocol`.
    public static func connect(path: String, protocol spoken: IPCProtocol, timeout: Int = 30_000) throws(IPCError) -> BlockingIPCConnection
    {
        let connection: BlockingIPCConnection
        var side: Int32 = -1
        do {
            let socket = try Sockets.connectUnix(path: path)
            if spoken.hasSideChannel {
                let pair = try Sockets.socketPair(type: .seqpacket).release()
                let theirs = FileDescriptor(owning: pair.second)
                side = pair.first
                try Sockets.sendDescriptors([theirs.rawValue], with: [IPCPreamble.withSideChannel], over: socket.rawValue)
            } else {
                try socket.writeAll([IPCPreamble.plain])
            }
            connection = BlockingIPCConnection(socket: socket, sideChannel: side, isServer: false, timeout: timeout)
        } catch {
            if side >= 0 { _ = FileDescriptor(owning: side) }
            throw .unreachable("\(error)")
        }
        guard let frame = try connection.nextFrame(), frame.stream == 0, frame.type == MultiplexerFrame.hello else {
            throw .violation("no greeting from \(path)")
        }
        guard let hello = try? IPCHello(decoding: frame.payload[...]), hello.protocolName == spoken.name, hello.version == spoken.version
        else {
            // a greeting that cannot be decoded is a greeting of something else
            throw .violation("\(path) does not speak \(spoken.name) version \(spoken.version)")
        }
        return connection
    }

    /// Serves an accepted connection: reads the preamble and greets. nil when the peer closed at once (a wake-up) or sent nonsense.
    ///
    /// - Parameter capacity: how many requests the client may send ahead; they are answered one at a time.
    public static func accept(_ socket: consuming FileDescriptor, protocol spoken: IPCProtocol, capacity: Int, timeout: Int)
        -> BlockingIPCConnection?
    {
        guard let beside = IPCPreambleReader.read(from: socket.rawValue, patience: 1000) else { return nil }
        var side: Int32 = -1
        if case .sideChannel(let descriptor) = beside { side = descriptor } else { beside.close() }
        let connection = BlockingIPCConnection(socket: socket, sideChannel: side, isServer: true, timeout: timeout)
        let hello = IPCHello(protocolName: spoken.name, version: spoken.version, capacity: UInt32(clamping: capacity), concurrency: 1)
        do {
            try connection.socket.writeAll(IPCFrame(stream: 0, type: MultiplexerFrame.hello, payload: hello.encoded).wire)
        } catch {
            return nil
        }
        return connection
    }

    /// The number of a new stream of this client.
    public func open() -> UInt32 {
        defer { nextStream += 1 }
        return nextStream
    }

    /// Sends a frame, waiting for credit.
    public func send(_ type: UInt8, _ payload: [UInt8] = [], stream: UInt32) throws(IPCError) {
        while credit[stream, default: IPCFrame.initialCredit] <= 0 {
            if pending.contains(where: { $0.stream == stream }) { return }
            guard let frame = try nextFrame() else { throw .broken("closed by the other end") }
            if frame.type == MultiplexerFrame.credit || frame.stream == 0 { continue }
            pending.append(frame)
            // An answer before the request is whole is a refusal: the caller reads it next.
            if frame.stream == stream { return }
        }
        credit[stream, default: IPCFrame.initialCredit] -= payload.count
        try write(IPCFrame(stream: stream, type: type, payload: payload))
    }

    /// Client: passes a descriptor for a stream, before the frame that needs it. It stays the caller's.
    public func send(descriptor: Int32, stream: UInt32) throws(IPCError) {
        guard sideChannel >= 0 else { throw .violation("no side channel") }
        do {
            var encoder = ByteEncoder()
            encoder.put(stream)
            try Sockets.sendDescriptors([descriptor], with: encoder.bytes, over: sideChannel)
        } catch {
            throw .broken("\(error)")
        }
    }

    /// Says that no more frames of this stream come from here.
    public func finish(_ stream: UInt32) throws(IPCError) {
        credit[stream] = nil
        consumed[stream] = nil
        try write(IPCFrame(stream: stream, type: MultiplexerFrame.end, payload: []))
    }

    /// Sends the last frames of streams and their ends in one write.
    public func sendLast(_ type: UInt8, _ replies: [(stream: UInt32, payload: [UInt8])]) throws(IPCError) {
        var bytes: [UInt8] = []
        for (stream, payload) in replies {
            credit[stream] = nil
            consumed[stream] = nil
            bytes += IPCFrame(stream: stream, type: type, payload: payload).wire
            bytes += IPCFrame(stream: stream, type: MultiplexerFrame.end, payload: []).wire
        }
        guard !bytes.isEmpty else { return }
        do {
            try socket.writeAll(bytes)
        } catch {
            throw .broken("\(error)")
        }
    }

    /// The next frame of any stream (an `end` or `reset` among them); nil when the other end has closed.
    public func receive() throws(IPCError) -> IPCFrame? {
        if !pending.isEmpty { return pending.removeFirst() }
        while let frame = try nextFrame() {
            // Stream 0 is the connection's: a goAway is no answer, and what is under way is still answered.
            if frame.type != MultiplexerFrame.credit && frame.stream != 0 { return frame }
        }
        return nil
    }

    /// Server: tells the client to open no more streams.
    public func goAway() {
        // The client may be gone already, which is what is wanted.
        try? write(IPCFrame(stream: 0, type: MultiplexerFrame.goAway, payload: []))
    }

    /// The descriptor passed for a stream; it belongs to the caller. nil where none came.
    public func takeDescriptor(for stream: UInt32) -> Int32? {
        while sideChannel >= 0 {
            // Absence and failure are the same to the caller: the request is deferred.
            guard let ready = try? Polling.isReadable(sideChannel, within: 0), ready,
                let received = try? Sockets.receiveDescriptors(over: sideChannel, limit: 4), !received.bytes.isEmpty
            else { return nil }
            var decoder = ByteDecoder(received.bytes)
            if let id = try? decoder.take(UInt32.self), id == stream, let descriptor = received.descriptors.first { return descriptor }
            for descriptor in received.descriptors { _ = FileDescriptor(owning: descriptor) }
        }
        return nil
    }

    private func write(_ frame: IPCFrame) throws(IPCError) {
        do {
            try socket.writeAll(frame.wire)
        } catch {
            throw .broken("\(error)")
        }
    }

    /// Grants credit anew when half of it is used: most streams are over before that.
    private func grant(_ frame: IPCFrame) throws(IPCError) {
        guard frame.type >= MultiplexerFrame.firstProtocolType else {
            if frame.type != MultiplexerFrame.credit { consumed[frame.stream] = nil }
            return
        }
        let total = consumed[frame.stream, default: 0] + frame.payload.count
        guard total >= IPCFrame.initialCredit / 2 else { return consumed[frame.stream] = total }
        consumed[frame.stream] = nil
        var encoder = ByteEncoder()
        encoder.put(UInt32(clamping: total))
        try write(IPCFrame(stream: frame.stream, type: MultiplexerFrame.credit, payload: encoder.bytes))
    }

    /// The next frame, credit (already counted) among them; nil at the end.
    private func nextFrame() throws(IPCError) -> IPCFrame? {
        while true {
            do {
                if let frame = try decoder.next() {
                    if frame.type == MultiplexerFrame.credit {
                        var payload = ByteDecoder(frame.payload)
                        credit[frame.stream, default: IPCFrame.initialCredit] += Int(try payload.take(UInt32.self))
                        return frame
                    }
                    try grant(frame)
                    return frame
                }
            } catch let error as IPCError {
                throw error
            } catch {
                throw .violation("\(error)")
            }
            do {
                guard try Polling.isReadable(socket.rawValue, within: timeout) else { throw IPCError.timedOut }
                let bytes = try socket.read(upTo: 64 << 10)
                if bytes.isEmpty { return nil }
                decoder.append(bytes)
            } catch let error as IPCError {
                throw error
            } catch {
                throw .broken("\(error)")
            }
        }
    }
}
