// A stream writes past NIO's pipeline as long as nothing is in it that must see the bytes: all of them arrive, once, in order, and none in plain
// text under TLS.

import NIOCore
import SystemKit
import Testing

@testable import ServiceKit

/// Stands for TLS: turns every byte over.
private final class Turner: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let turned = ByteBuffer(bytes: unwrapOutboundIn(data).readableBytesView.map { $0 ^ 0xFF })
        context.write(wrapOutboundOut(turned), promise: promise)
    }
}

/// The other end, closed with the last reference.
private final class Peer {
    let end: SystemKit.FileDescriptor
    init(_ raw: Int32) { end = FileDescriptor(owning: raw) }

    /// What there is to read: nil where nothing is there yet, empty at the end.
    func read() throws -> [UInt8]? {
        guard try Polling.isReadable(end.rawValue, within: 0) else { return nil }
        return try end.read(upTo: 10_000)
    }
}

@Suite(.timeLimit(.minutes(1))) @ServiceActor struct StreamConnectionTests {
    private let soon = NIODeadline.now() + .seconds(30)

    private func pair() async throws -> (stream: StreamConnection, peer: Peer) {
        let ends = try Sockets.socketPair().release()
        return (try await StreamConnection.adopt(descriptor: ends.first), Peer(ends.second))
    }

    @Test(arguments: [1, 100, 70_000, 3_000_000]) func everythingArrivesInOrderHoweverSlowlyThePeerReads(size: Int) async throws {
        let (stream, peer) = try await pair()
        let pieces = 5
        let content = { (piece: Int) in (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ piece) } }
        var isDone = false
        let writer = Task { @ServiceActor in
            for piece in 0..<pieces {
                stream.write(content(piece))
                if !stream.flushNow() { try await stream.flush(deadline: soon) }
            }
            isDone = true
            stream.close()
        }
        var heard: [UInt8] = []
        while true {
            if let bytes = try peer.read() {
                if bytes.isEmpty { break }
                heard += bytes
            }
            await Task.yield()
        }
        try await writer.value
        #expect(isDone && heard == (0..<pieces).flatMap(content))
    }

    @Test func flushWaitsWhileThePeerDoesNotReadAndNotForLonger() async throws {
        let (stream, peer) = try await pair()
        stream.write([UInt8](repeating: 7, count: 5_000_000))
        #expect(!stream.flushNow())
        await #expect(throws: ConnectionError.timedOut) { try await stream.flush(deadline: .now() + .milliseconds(1)) }
        #expect(try peer.read() != nil)
        stream.abort()
    }

    @Test func whatWasWrittenAtTheEndArrivesBeforeIt() async throws {
        let (stream, peer) = try await pair()
        stream.write("221 Bye\r\n".utf8)
        stream.close()
        #expect(try peer.end.read(upTo: 100) == Array("221 Bye\r\n".utf8))
        #expect(try peer.end.read(upTo: 100).isEmpty)
    }

    @Test func nothingGoesPastWhatEncrypts() async throws {
        let (stream, peer) = try await pair()
        stream.write("plain".utf8)
        try stream.encrypt { try $0.pipeline.syncOperations.addHandler(Turner()) }
        for _ in 0..<3 {
            stream.write([1, 2, 3])
            try await stream.flush(deadline: soon)
        }
        stream.write([4])
        stream.close()
        var heard: [UInt8] = []
        while true {
            guard let bytes = try peer.read() else {
                await Task.yield()
                continue
            }
            if bytes.isEmpty { break }
            heard += bytes
        }
        #expect(heard == Array("plain".utf8) + [[1, 2, 3], [1, 2, 3], [1, 2, 3], [4]].flatMap { $0 }.map { $0 ^ 0xFF })
    }

    @Test func aPeerThatIsGoneIsNoticed() async throws {
        let stream = try await pair().stream
        stream.write([1])
        await #expect(throws: ConnectionError.self) {
            while true {
                stream.write([1])
                try await stream.flush(deadline: soon)
                await Task.yield()
            }
        }
        #expect(!stream.flushNow())
    }

    /// One of O_PATH cannot be made non-blocking.
    @Test func aDescriptorThatCannotBeTakenIsClosed() async throws {
        let path = "/tmp/martlet-adopt-test-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0..<UInt64.max))"
        let made = try SystemKit.FileDescriptor.open(path, [.writeOnly, .create])
        defer { try? Files.unlink(path) }
        let inode = try made.status().inode
        let descriptor = try SystemKit.FileDescriptor.open(path, .attributesOnly).release()
        await #expect(throws: ConnectionError.self) { _ = try await StreamConnection.adopt(descriptor: descriptor) }
        // Another test may have the number now, but nobody has the file.
        let status = try? SystemKit.FileDescriptor.borrowing(descriptor) { open throws(SystemError) in try open.status() }
        #expect(status?.inode != inode)
    }

    @Test func aBufferThatIsReusedIsNobodyElses() async throws {
        let (stream, peer) = try await pair()
        stream.saveMemory()
        // As they were when they came, and the buffers that still hold them when all has come.
        var kept: [(bytes: [UInt8], buffer: ByteBuffer)] = []
        for round in 0..<20 {
            try peer.end.writeAll([UInt8](repeating: UInt8(round), count: 300))
            var count = 0
            while count < 300 {
                let buffer = try #require(try await stream.read(deadline: soon))
                count += buffer.readableBytes
                kept.append((Array(buffer.readableBytesView), buffer))
                stream.reuse(buffer)
            }
        }
        #expect(kept.flatMap(\.bytes) == (0..<20).flatMap { [UInt8](repeating: UInt8($0), count: 300) })
        #expect(kept.allSatisfy { Array($0.buffer.readableBytesView) == $0.bytes })
        stream.abort()
    }
}
