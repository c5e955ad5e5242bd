import MailIPC
import SystemKit
import Testing

@testable import ServiceKit

@Suite struct PreambleRoomTests {
    /// A connected pair of sockets: the accepted end, which the room takes, and the client's.
    private func pair(_ listener: borrowing FileDescriptor, _ path: String) throws -> (accepted: Int32, client: Int32) {
        let client = try Sockets.connectUnix(path: path)
        return (try #require(try Sockets.accept(listener.rawValue)?.release()), client.release())
    }

    private func withListener(_ body: (borrowing FileDescriptor, String) throws -> Void) throws {
        let path = "/tmp/martlet-preamble-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0..<UInt64.max))"
        defer { try? Files.unlink(path) }
        try body(try Sockets.listenUnix(path: path), path)
    }

    private func isClosed(_ client: Int32) throws -> Bool {
        guard try Polling.isReadable(client, within: 0) else { return false }
        return try FileDescriptor.borrowing(client) { end throws(SystemError) in try end.read(upTo: 1).isEmpty }
    }

    @Test func whoSpeaksAtOnceIsServedAtOnce() throws {
        try withListener { listener, path in
            let room = PreambleRoom()
            let (accepted, client) = try pair(listener, path)
            try RawDescriptor.write([IPCPreamble.plain], to: client)
            #expect(room.enter(accepted, now: 0) == .client(accepted, .nothing))
            #expect(room.descriptors.isEmpty && room.nextDeadline == nil)
            _ = FileDescriptor(owning: accepted)
            _ = FileDescriptor(owning: client)
        }
    }

    @Test func silenceHoldsNobodyUpAndHasAnEnd() throws {
        try withListener { listener, path in
            let room = PreambleRoom()
            let silent = try pair(listener, path)
            let late = try pair(listener, path)
            let gone = try pair(listener, path)
            #expect(room.enter(silent.accepted, now: 0) == nil)
            #expect(room.enter(late.accepted, now: 10) == nil)
            #expect(room.enter(gone.accepted, now: 20) == nil)
            #expect(room.descriptors == [silent.accepted, late.accepted, gone.accepted])
            #expect(room.nextDeadline == PreambleRoom.patience)
            _ = FileDescriptor(owning: gone.client)
            #expect(room.leave(gone.accepted) == .wakeUp)
            try RawDescriptor.write([IPCPreamble.plain], to: late.client)
            #expect(room.leave(late.accepted) == .client(late.accepted, .nothing))
            #expect(room.leave(late.accepted) == nil)
            room.expire(now: PreambleRoom.patience - 1)
            #expect(try !isClosed(silent.client))
            room.expire(now: PreambleRoom.patience)
            #expect(try isClosed(silent.client))
            #expect(room.descriptors.isEmpty)
            for descriptor in [late.accepted, late.client, silent.client] { _ = FileDescriptor(owning: descriptor) }
        }
    }

    @Test func rubbishIsNoClient() throws {
        try withListener { listener, path in
            let room = PreambleRoom()
            let (accepted, client) = try pair(listener, path)
            try RawDescriptor.write([0xFF], to: client)
            #expect(room.enter(accepted, now: 0) == .wakeUp)
            #expect(try isClosed(client))
            _ = FileDescriptor(owning: client)
        }
    }

    @Test func theRoomHasBounds() throws {
        try withListener { listener, path in
            let room = PreambleRoom()
            var clients: [Int32] = []
            for number in 0..<(PreambleRoom.limit + 2) {
                let (accepted, client) = try pair(listener, path)
                clients.append(client)
                #expect(room.enter(accepted, now: Int64(number)) == nil)
            }
            #expect(room.descriptors.count == PreambleRoom.limit)
            #expect(try clients.map { try isClosed($0) } == [true, true] + Array(repeating: false, count: PreambleRoom.limit))
            for client in clients { _ = FileDescriptor(owning: client) }
        }
    }
}
