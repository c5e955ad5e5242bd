import SystemKit
import Testing

@testable import Master

@Suite struct ListenerSetTests {
    private func service(_ name: String, _ endpoints: [Endpoint]) -> ServiceDefinition {
        ServiceDefinition(
            policy: ServicePolicy(
                key: ServiceKey(name: name, isInet: true), command: "/x", processLimit: nil, wakeup: 0, wakesOnlyAfterUse: false,
                throttleTime: 60),
            endpoints: endpoints, arguments: [])
    }

    private func address(_ host: String, _ port: Int) throws -> SocketAddress {
        try #require(try SocketAddress.resolve(host: host, port: String(port)).first)
    }

    /// A port that is free now.
    private func freePort() throws -> Int {
        let listener = try Sockets.listenTCP(host: "127.0.0.1", port: 0)
        return try Sockets.localAddress(of: listener.rawValue).port
    }

    @Test func whatStaysIsNotClosed() throws {
        let port = try freePort()
        let first = service("a", [.inet(try address("127.0.0.1", port), isImplied: false)])
        let second = service("b", [.inet(try address("127.0.0.2", port), isImplied: false)])
        var listeners = ListenerSet()
        try listeners.update([first])
        let descriptor = listeners.descriptors(of: first)
        let client = try Sockets.connectTCP(host: "127.0.0.1", port: port)
        try listeners.update([second, first])
        #expect(listeners.descriptors(of: first) == descriptor)
        #expect(try Sockets.accept(descriptor[0]) != nil)
        // Non-blocking: another process took the connection.
        #expect(try Sockets.accept(descriptor[0]) == nil)
        try listeners.update([second])
        #expect(listeners.descriptors(of: first) == [])
        #expect(throws: SystemError.self) { _ = try Sockets.connectTCP(host: "127.0.0.1", port: port) }
        _ = consume client
    }

    @Test func theWildcardGivesWayToOneAddressAlthoughAChildStillHoldsIt() throws {
        let port = try freePort()
        let wide = service("a", [.inet(try address("0.0.0.0", port), isImplied: false)])
        let narrow = service("a", [.inet(try address("127.0.0.1", port), isImplied: false)])
        var listeners = ListenerSet()
        try listeners.update([wide])
        let child = try FileDescriptor.borrowing(listeners.descriptors(of: wide)[0]) { open throws(SystemError) in
            try open.duplicate().release()
        }
        let copy = FileDescriptor(owning: child)
        try listeners.update([narrow])
        _ = try Sockets.connectTCP(host: "127.0.0.1", port: port)
        #expect(try Sockets.accept(listeners.descriptors(of: narrow)[0]) != nil)
        _ = consume copy
    }

    @Test func aFailureChangesNothing() throws {
        let port = try freePort()
        let stranger = try Sockets.listenTCP(host: "127.0.0.1", port: 0)
        let taken = try Sockets.localAddress(of: stranger.rawValue)
        let good = service("a", [.inet(try address("127.0.0.1", port), isImplied: false)])
        let bad = service("b", [.inet(taken, isImplied: false)])
        var listeners = ListenerSet()
        try listeners.update([good])
        #expect(throws: SystemError.self) { try listeners.update([bad]) }
        _ = try Sockets.connectTCP(host: "127.0.0.1", port: port)
        #expect(try Sockets.accept(listeners.descriptors(of: good)[0]) != nil)
    }

    @Test func anImpliedAddressMayBeMissingButNotTheLastOne() throws {
        let port = try freePort()
        // 192.0.2.1 is for documentation (RFC 5737): no machine has it.
        let missing = Endpoint.inet(try address("192.0.2.1", port), isImplied: true)
        let present = Endpoint.inet(try address("127.0.0.1", port), isImplied: true)
        var listeners = ListenerSet()
        try listeners.update([service("a", [missing, present])])
        #expect(listeners.descriptors(of: service("a", [missing, present])).count == 1)
        #expect(throws: SystemError.self) { try listeners.update([service("b", [missing])]) }
        let named = Endpoint.inet(try address("192.0.2.1", port), isImplied: false)
        #expect(throws: SystemError.self) { try listeners.update([service("c", [named, present])]) }
    }
}
