// Two ends of a connection between programs on one event loop: streams, credit, descriptors, breaking, draining.

import MailIPC
import MailModel
import NIOCore
import ServiceKit
import SystemKit
import Testing

private let protocolUnderTest = IPCProtocol(name: "test", version: 3, hasSideChannel: true)
private let soon = NIODeadline.now() + .seconds(30)

private let windowed = IPCProtocol(name: "test", version: 3, hasWindow: true)

/// A listening socket in /tmp, and a server end for each connection made.
@ServiceActor
private final class TestServer {
    let path: String
    private let listener: SystemKit.FileDescriptor
    private(set) var connections: [IPCConnection] = []

    init() throws {
        path = "/tmp/martlet-ipc-test-\(UInt64.random(in: 0..<UInt64.max))"
        listener = try Sockets.listenUnix(path: path)
        try listener.setNonBlocking(true)
    }

    deinit { try? Files.unlink(path) }

    /// A client end and, behind it, a server that answers each stream with `serve`.
    func connect(
        capacity: Int = 10, spoken: IPCProtocol = protocolUnderTest, serve: @escaping @ServiceActor (IPCStream) async -> Void
    ) async throws -> IPCConnection {
        let asked = spoken.hasWindow ? spoken : protocolUnderTest
        async let client = IPCConnection.connect(path: path, protocol: asked, deadline: soon)
        await Task.yield()
        try await accept(capacity: capacity, spoken: spoken, serve: serve)
        return try await client
    }

    /// The server end of the next client.
    func accept(
        capacity: Int = 10, spoken: IPCProtocol = protocolUnderTest, serve: @escaping @ServiceActor (IPCStream) async -> Void
    ) async throws {
        var accepted: Int32 = -1
        while accepted < 0 {
            try Task.checkCancellation()
            // The listener does not block: the client's end runs on this very loop.
            if let descriptor = try Sockets.accept(listener.rawValue) { accepted = descriptor.release() } else { await Task.yield() }
        }
        guard let beside = IPCPreambleReader.read(from: accepted, patience: 5000) else { throw IPCError.violation("no preamble") }
        let server = try await IPCConnection.serve(descriptor: accepted, beside: beside, protocol: spoken, capacity: capacity) {
            stream in
            Task { @ServiceActor in
                await serve(stream)
                stream.finish()
            }
        }
        connections.append(server)
    }

    /// What a client meets whose service dies as soon as the connection is there.
    func connectAndDie(reading: Bool) async throws -> IPCConnection {
        // No deadline: if the death is not noticed the time limit of the suite is what ends this.
        async let client = IPCConnection.connect(path: path, protocol: protocolUnderTest, deadline: .distantFuture)
        await Task.yield()
        var accepted: Int32 = -1
        while accepted < 0 {
            if let descriptor = try Sockets.accept(listener.rawValue) { accepted = descriptor.release() } else { await Task.yield() }
        }
        if reading { IPCPreambleReader.read(from: accepted, patience: 5000)?.close() }
        // The kernel closes everything of a process that was killed.
        _ = SystemKit.FileDescriptor(owning: accepted)
        return try await client
    }
}

@ServiceActor
@Suite(.timeLimit(.minutes(1)))
struct IPCConnectionTests {
    /// A process that is told to end (a reload) greets whoever waited at its socket, and takes nothing; the next one does.
    @Test func aClientWaitsForWhoTakesOver() async throws {
        let server = try TestServer()
        let client = IPCClient(path: server.path, protocol: protocolUnderTest)
        var answers: Set<[UInt8]?> = []
        for number in 1...3 {
            Task { @ServiceActor in
                answers.insert(try? await client.request(16, [UInt8(number)], timeout: .seconds(30)).payload)
            }
        }
        for isEnding in [true, true, false] {
            try await server.accept { stream in
                guard let frame = try? await stream.receive(deadline: soon) else { return }
                try? await stream.send(17, frame.payload)
            }
            if isEnding { server.connections.last?.drain() }
        }
        while answers.count < 3 {
            try Task.checkCancellation()
            await Task.yield()
        }
        #expect(answers == [[1], [2], [3]])
        client.close()
    }

    @Test func aRequestIsAnswered() async throws {
        let server = try TestServer()
        let client = try await server.connect { stream in
            guard let frame = try? await stream.receive(deadline: soon) else { return }
            try? await stream.send(17, frame.payload.reversed())
        }
        #expect(client.capacity == 10)
        let streams = try (0..<5).map { _ in try client.open() }
        for (index, stream) in streams.enumerated() { try await stream.send(16, [1, 2, UInt8(index)]) }
        for (index, stream) in streams.enumerated().reversed() {
            #expect(try await stream.receive(deadline: soon)?.payload == [UInt8(index), 2, 1])
            #expect(try await stream.receive(deadline: soon) == nil)
            stream.finish()
        }
        #expect(client.openStreams == 0)
        client.close()
    }

    /// More content than the credit: the sender is held until the consumer takes it, and every byte arrives in order.
    @Test(arguments: [protocolUnderTest, windowed]) func creditHoldsAFastSender(spoken: IPCProtocol) async throws {
        let server = try TestServer()
        let total = IPCFrame.initialCredit * 4
        let client = try await server.connect(spoken: spoken) { stream in
            var sum = 0
            var next: UInt8 = 0
            while let frame = try? await stream.receive(deadline: soon), frame.type == 16 {
                if frame.payload.contains(where: { $0 != next }) { break }
                next &+= 1
                sum += frame.payload.count
            }
            var encoder = ByteEncoder()
            encoder.put(UInt64(sum))
            try? await stream.send(18, encoder.bytes)
        }
        let stream = try client.open()
        var sent = 0
        var value: UInt8 = 0
        while sent < total {
            try await stream.send(16, [UInt8](repeating: value, count: IPCFrame.chunkSize))
            value &+= 1
            sent += IPCFrame.chunkSize
        }
        try await stream.send(17)
        var decoder = ByteDecoder(try await stream.receive(deadline: soon)?.payload ?? [])
        #expect(try decoder.take(UInt64.self) == UInt64(total))
        client.close()
    }

    /// Many streams with more content than the socket holds: each byte arrives, also beside streams that give up half-way.
    @Test(arguments: [protocolUnderTest, windowed]) func manySendersShareTheSocket(spoken: IPCProtocol) async throws {
        let server = try TestServer()
        let client = try await server.connect(capacity: 40, spoken: spoken) { stream in
            var sum = 0
            var isRight = true
            while let frame = try? await stream.receive(deadline: soon), frame.type == 16 {
                isRight = isRight && frame.payload == [UInt8](repeating: UInt8(truncatingIfNeeded: stream.id), count: frame.payload.count)
                sum += frame.payload.count
            }
            var encoder = ByteEncoder()
            encoder.put(UInt64(isRight ? sum : 0))
            try? await stream.send(18, encoder.bytes)
        }
        let senders = (0..<30).map { number in
            Task { @ServiceActor in
                let stream = try client.open()
                let size = number % 3 == 0 ? 20_000 : IPCFrame.chunkSize
                let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: stream.id), count: size)
                for piece in 0..<16 {
                    if number % 5 == 4 && piece == 7 { return stream.reset() }
                    try await stream.send(16, payload)
                    if piece % 4 == 3 { try await stream.send(16, [UInt8(truncatingIfNeeded: stream.id)]) }
                }
                try await stream.send(17)
                var decoder = ByteDecoder(try await stream.receive(deadline: soon)?.payload ?? [])
                #expect(try decoder.take(UInt64.self) == UInt64(16 * payload.count + 4))
                stream.finish()
            }
        }
        for sender in senders { try await sender.value }
        client.close()
    }

    /// Nobody waits for room in the socket of a connection that is gone.
    @Test(arguments: [protocolUnderTest, windowed]) func aBreakIsToldToWhoeverWaitsForRoom(spoken: IPCProtocol) async throws {
        let server = try TestServer()
        let client = try await server.connect(spoken: spoken) { stream in
            // Takes one frame of each, and nothing more.
            _ = try? await stream.receive(deadline: soon)
            await withCheckedContinuation { continuation in _ = ServiceActor.loop.scheduleTask(in: .hours(1)) { continuation.resume() } }
        }
        let senders = try (0..<8).map { _ in
            let stream = try client.open()
            return Task { @ServiceActor in
                do {
                    while true { try await stream.send(16, [UInt8](repeating: 1, count: IPCFrame.chunkSize)) }
                } catch {
                    return true
                }
            }
        }
        let end = Task { @ServiceActor in server.connections.first?.close() }
        await end.value
        for sender in senders { #expect(await sender.value) }
        #expect(client.closed != nil)
    }

    /// What says of the window what cannot be ends the connection.
    @Test(arguments: [
        (protocolUnderTest, WindowFrame(type: 16, slot: 0, count: 1)), (windowed, WindowFrame(type: 16, slot: 32, count: 1)),
        (windowed, WindowFrame(type: 16, slot: 0, count: 65_537)), (windowed, WindowFrame(type: 16, slot: 255, count: .max)),
        (windowed, WindowFrame(type: MultiplexerFrame.credit, slot: 0, count: 4)),
        (windowed, WindowFrame(type: MultiplexerFrame.inWindow, slot: 0, count: 6)),
    ])
    func aLieAboutTheWindowEndsTheConnection(spoken: IPCProtocol, lie: WindowFrame) async throws {
        let server = try TestServer()
        var got = 0
        let client = try await server.connect(spoken: spoken) { stream in
            while (try? await stream.receive(deadline: soon)) != nil { got += 1 }
        }
        let stream = try client.open()
        try await stream.send(16)
        try await stream.send(MultiplexerFrame.inWindow, lie.encoded)
        await #expect(throws: IPCError.self) { try await stream.receive(deadline: soon) }
        #expect(client.closed != nil && got <= 1)
    }

    /// A few bytes that stand for 64 KB each: neither more of them at once than the window has slots, nor more in a stream than it has credit.
    @Test(arguments: [(33, 1, true), (9, 65_536, true), (32, 1, false), (8, 65_536, false)])
    func theWindowIsNoWayToTakeMemory(frames: Int, size: Int, isTooMuch: Bool) async throws {
        let server = try TestServer()
        let client = try await server.connect(spoken: windowed) { stream in
            var got = 0
            while got < frames, let frame = try? await stream.receive(deadline: soon), frame.payload.count == size { got += 1 }
            if got == frames { try? await stream.send(17) }
        }
        let stream = try client.open()
        // All in one turn of the loop, and so in one read of the server.
        for _ in 1...frames {
            try await stream.send(MultiplexerFrame.inWindow, WindowFrame(type: 16, slot: 0, count: UInt32(size)).encoded)
        }
        let answer = try? await stream.receive(deadline: soon)
        #expect((answer == nil) == isTooMuch && (client.closed != nil) == isTooMuch)
    }

    @Test func aDescriptorArrivesWithItsRequest() async throws {
        let server = try TestServer()
        let client = try await server.connect { stream in
            guard (try? await stream.receive(deadline: soon)) != nil else { return }
            guard let raw = stream.takeDescriptor() else {
                try? await stream.send(18)
                return
            }
            let file = SystemKit.FileDescriptor(owning: raw)
            try? await stream.send(17, (try? file.pread(upTo: 100, at: 0)) ?? [])
        }
        let path = "\(server.path).file"
        let file = try SystemKit.FileDescriptor.open(path, [.readWrite, .create])
        try Files.unlink(path)
        try file.writeAll(Array("content".utf8))
        for _ in 0..<20 {
            let stream = try client.open()
            try await stream.send(16, [], descriptor: file.rawValue)
            #expect(try await stream.receive(deadline: soon)?.payload == Array("content".utf8))
            stream.finish()
        }
        // Without a descriptor the server knows that there is none.
        let bare = try client.open()
        try await bare.send(16)
        #expect(try await bare.receive(deadline: soon)?.type == 18)
        client.close()
    }

    @Test func aBreakIsToldToWhoeverWaits() async throws {
        let server = try TestServer()
        let client = try await server.connect { stream in
            _ = try? await stream.receive(deadline: soon); _ = try? await stream.receive()
        }
        let stream = try client.open()
        try await stream.send(16)
        server.connections[0].close()
        await #expect(throws: IPCError.self) { _ = try await stream.receive(deadline: soon) }
        #expect(client.closed != nil)
        #expect(throws: IPCError.self) { _ = try client.open() }
    }

    /// Also with bytes of ours unread, which makes the end a reset.
    @Test(arguments: [true, false]) func aServiceThatDiesBeforeItIsReadyIsNoticedAtOnce(reading: Bool) async throws {
        let server = try TestServer()
        await #expect(throws: IPCError.self) { _ = try await server.connectAndDie(reading: reading) }
    }

    @Test func drainingFinishesWhatIsUnderWay() async throws {
        let server = try TestServer()
        var release: CheckedContinuation<Void, Never>?
        let client = try await server.connect { stream in
            _ = try? await stream.receive(deadline: soon)
            await withCheckedContinuation { release = $0 }
            try? await stream.send(17)
        }
        let stream = try client.open()
        try await stream.send(16)
        while release == nil { await Task.yield() }
        server.connections[0].drain()
        while !client.isDraining { await Task.yield() }
        #expect(throws: IPCError.self) { _ = try client.open() }
        release?.resume()
        #expect(try await stream.receive(deadline: soon)?.type == 17)
        stream.finish()
        #expect(client.closed != nil)
    }

    @Test func anotherVersionIsRefused() async throws {
        let server = try TestServer()
        await #expect(throws: IPCError.self) {
            _ = try await server.connect(spoken: IPCProtocol(name: "test", version: 4, hasSideChannel: true)) { _ in }
        }
    }
}
