import Testing

@testable import SystemKit

@Suite struct SocketsTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    @Test func unixSocketsConnectAndKnowTheirPeer() throws {
        let path = directory.path + "/s"
        let listener = try Sockets.listenUnix(path: path, mode: 0o600)
        let client = try Sockets.connectUnix(path: path)
        guard let server = try Sockets.accept(listener.rawValue) else { Issue.record("no connection"); return }
        _ = try Sockets.send([1, 2, 3], over: client.rawValue)
        #expect(try server.read(upTo: 10) == [1, 2, 3])
        let peer = try Sockets.peerCredentials(of: server.rawValue)
        #expect(peer.pid == ProcessSpawn.currentProcessID && peer.uid == Privileges.effectiveUser)
        #expect(try Files.status(of: path).mode == 0o600)
    }

    @Test func aStaleSocketIsReplacedAndAFileIsNot() throws {
        let path = directory.path + "/s"
        _ = try Sockets.listenUnix(path: path)
        _ = try Sockets.listenUnix(path: path)
        try Files.unlink(path)
        _ = try FileDescriptor.open(path, [.writeOnly, .create])
        #expect(throws: SystemError.self) { _ = try Sockets.listenUnix(path: path) }
    }

    @Test func overlongPathsAreRefused() {
        #expect(throws: SystemError.self) { _ = try Sockets.connectUnix(path: String(repeating: "x", count: 108)) }
        #expect(throws: SystemError.self) { _ = try Sockets.connectUnix(path: "a\0b") }
    }

    @Test func tcpListensOnLoopback() throws {
        let listener = try Sockets.listenTCP(host: "127.0.0.1", port: 0)
        let address = try Sockets.localAddress(of: listener.rawValue)
        #expect(address.isIPv4 && address.host == "127.0.0.1" && address.port > 0)
        #expect(address.description == "127.0.0.1:\(address.port)")
        let client = try Sockets.connectTCP(host: "127.0.0.1", port: address.port)
        guard let server = try Sockets.accept(listener.rawValue) else { Issue.record("no connection"); return }
        #expect(try Sockets.peerAddress(of: server.rawValue) == Sockets.localAddress(of: client.rawValue))
    }

    @Test func numericAddressesResolve() throws {
        let address = try #require(try SocketAddress.resolve(host: "::1", port: "2525").first)
        #expect(address.isIPv6 && address.description == "[::1]:2525")
        #expect(throws: SystemError.self) { try SocketAddress.resolve(host: "127.0.0.1", port: "no-such-service") }
    }

    @Test func descriptorsTravel() throws {
        let pair = try Sockets.socketPair()
        let file = try FileDescriptor.open(directory.path + "/f", [.readWrite, .create])
        try file.writeAll(Array("content".utf8))
        try Sockets.sendDescriptors([file.rawValue], with: [42], over: pair.first.rawValue)
        let received = try Sockets.receiveDescriptors(over: pair.second.rawValue, limit: 16)
        #expect(received.bytes == [42])
        #expect(received.descriptors.count == 1)
        let copy = FileDescriptor(owning: received.descriptors[0])
        #expect(copy.rawValue != file.rawValue)
        #expect(try copy.pread(upTo: 99, at: 0) == Array("content".utf8))
    }

    @Test func tooManyDescriptorsAreRefusedAndClosed() throws {
        let pair = try Sockets.socketPair()
        let ends = try FileDescriptor.pipe()
        let writer = try ends.write.duplicate()
        try Sockets.sendDescriptors([writer.rawValue, writer.rawValue], with: [1], over: pair.first.rawValue)
        let error = #expect(throws: SystemError.self) {
            try Sockets.receiveDescriptors(over: pair.second.rawValue, limit: 16, descriptorLimit: 1)
        }
        #expect(error?.operation == "receive descriptors")
    }

    @Test func descriptorsNeedAPayload() throws {
        let pair = try Sockets.socketPair()
        #expect(throws: SystemError.self) { try Sockets.sendDescriptors([0], with: [], over: pair.first.rawValue) }
    }

    @Test func writingToAClosedPeerIsAnErrorAndNotASignal() throws {
        let ends = try Sockets.socketPair().release()
        let mine = FileDescriptor(owning: ends.first)
        do { _ = FileDescriptor(owning: ends.second) }
        #expect(throws: SystemError.self) { try Sockets.send([1], over: mine.rawValue) }
    }

    @Test func pollingTellsWhichDescriptorIsReady() throws {
        let a = try Sockets.socketPair()
        let b = try Sockets.socketPair()
        _ = try Sockets.send([1], over: b.first.rawValue)
        let interests = [Polling.Interest(a.second.rawValue, .read), Polling.Interest(b.second.rawValue, .read)]
        #expect(try Polling.wait(interests, milliseconds: 0) == [1])
        #expect(try !Polling.isReadable(a.second.rawValue, within: 0))
    }
}
