// Parts of files over a real socket: whole, in order, and with an end whatever the other end does.

import NIOCore
import ServiceKit
import SystemKit
import Testing

@ServiceActor
@Suite(.timeLimit(.minutes(1))) struct FileSendingTests {
    static let content = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 8) }

    /// A connection, and its other end, which does not block.
    static func connection() async throws -> (StreamConnection, Int32) {
        let (near, far) = try Sockets.socketPair().release()
        try SystemKit.FileDescriptor.borrowing(far) { file throws(SystemError) in try file.setNonBlocking(true) }
        return (try await StreamConnection.adopt(descriptor: near), far)
    }

    /// What has arrived, and waits for more on the loop that sends it; ends where `isEnough` says so.
    static func receive(_ far: Int32, until isEnough: ([UInt8]) -> Bool) async throws -> [UInt8] {
        var all: [UInt8] = []
        while !isEnough(all) {
            do throws(SystemError) {
                all += try SystemKit.FileDescriptor.borrowing(far) { file throws(SystemError) in try file.read(upTo: 65_536) }
            } catch {
                guard error.isWouldBlock else { throw error }
                await Task.yield()
            }
        }
        return all
    }

    @Test func partsArriveInTheirPlace() async throws {
        let (connection, far) = try await Self.connection()
        let file = try SealedMemory.make("content", Self.content)
        let raw = file.rawValue
        async let received = Self.receive(far) { $0.count >= 600_008 }
        connection.write(Array("DATA".utf8))
        try await connection.send(file: raw, from: 17, count: 400_000, patience: .hours(1))
        try await connection.send(file: raw, from: 400_017, count: 200_000, patience: .hours(1))
        connection.write(Array("done".utf8))
        try await connection.flush(deadline: .distantFuture)
        _ = consume file
        #expect(try await received == Array("DATA".utf8) + Self.content[17..<600_017] + Array("done".utf8))
        connection.abort()
        _ = SystemKit.FileDescriptor(owning: far)
    }

    @Test func whoDoesNotReadIsNotWaitedForWithoutEnd() async throws {
        let (connection, far) = try await Self.connection()
        let file = try SealedMemory.make("content", Self.content)
        let raw = file.rawValue
        await #expect(throws: ConnectionError.timedOut) {
            try await connection.send(file: raw, from: 0, count: 700_000, patience: .zero)
        }
        _ = consume file
        // The connection is closed: what arrived is a beginning, and then there is an end.
        var all: [UInt8] = []
        while case let part = try SystemKit.FileDescriptor.borrowing(far, { file throws(SystemError) in try file.read(upTo: 65_536) }),
            !part.isEmpty
        { all += part }
        #expect(all.count < 700_000 && Self.content.starts(with: all))
        _ = SystemKit.FileDescriptor(owning: far)
    }

    /// Damage of the file system, for which the peer is not to be blamed.
    @Test(arguments: [true, false]) func aFileThatIsTooShortIsNoFaultOfThePeer(fromTheStart: Bool) async throws {
        let (connection, far) = try await Self.connection()
        let path = "/tmp/martlet-file-sending-test-\(UInt64.random(in: 0..<UInt64.max))"
        let file = try SystemKit.FileDescriptor.open(path, [.readWrite, .create, .exclusive])
        try Files.unlink(path)
        try file.writeAll(fromTheStart ? Array(Self.content.prefix(600_000)) : Self.content)
        let raw = file.rawValue
        let sending = Task { @ServiceActor () -> ConnectionError? in
            do throws(ConnectionError) {
                try await connection.send(file: raw, from: 0, count: 700_000, patience: .hours(1))
                return nil
            } catch {
                return error
            }
        }
        if !fromTheStart {
            // What the socket holds has gone.
            _ = try await Self.receive(far) { $0.count > 0 }
            try file.truncate(to: 100)
        }
        let error = await sending.value
        guard case .unreadable = error else { return #expect(Bool(false), "\(error.map { "\($0)" } ?? "sent")") }
        _ = consume file
        _ = SystemKit.FileDescriptor(owning: far)
    }

    /// As a file system that cannot do it: the next one is better read.
    @Test func aFileThatTheKernelDoesNotSendIsNotSaidToBeDamaged() async throws {
        let (connection, far) = try await Self.connection()
        let directory = try SystemKit.FileDescriptor.open("/tmp", [.readOnly, .directory])
        let raw = directory.rawValue
        do throws(ConnectionError) {
            try await connection.send(file: raw, from: 0, count: 1, patience: .hours(1))
            Issue.record("sent")
        } catch {
            guard case .unsendable = error else { return #expect(Bool(false), "\(error)") }
        }
        _ = consume directory
        _ = SystemKit.FileDescriptor(owning: far)
    }

    @Test func whoClosesEndsIt() async throws {
        let (connection, far) = try await Self.connection()
        let file = try SealedMemory.make("content", Self.content)
        let raw = file.rawValue
        let sending = Task { @ServiceActor in
            try await connection.send(file: raw, from: 0, count: 700_000, patience: .hours(1))
        }
        await Task.yield()
        _ = SystemKit.FileDescriptor(owning: far)
        await #expect(throws: ConnectionError.self) { try await sending.value }
        _ = consume file
    }

    @Test func aFileThatIsNoneEndsTheConnection() async throws {
        let (connection, far) = try await Self.connection()
        await #expect(throws: ConnectionError.self) { try await connection.send(file: -1, from: 0, count: 10, patience: .hours(1)) }
        await #expect(throws: ConnectionError.self) { try await connection.flush(deadline: .distantFuture) }
        _ = SystemKit.FileDescriptor(owning: far)
    }
}
