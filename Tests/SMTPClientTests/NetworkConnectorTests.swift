// Connections of NIO's: what is learned from one for the next.

import NIOCore
import ServiceKit
import SystemKit
import TLS
import Testing

@testable import SMTPClient

@ServiceActor
@Suite(.timeLimit(.minutes(1))) struct NetworkConnectorTests {
    /// A damaged queue file says nothing of the others.
    @Test func filesAreReadFromThenOnOnlyWhereTheKernelDoesNotSendThem() async throws {
        let path = "/tmp/martlet-connector-test-\(UInt64.random(in: 0..<UInt64.max))"
        let listener = try Sockets.listenUnix(path: path)
        defer { try? Files.unlink(path) }
        let connector = NetworkConnector(parameters: ClientParameters(isLMTP: true), tls: try TLSClientContext())
        func fail(_ file: Int32, count: Int) async throws -> ConnectionError {
            let peer = try await connector.connect(to: Endpoint(host: "here", address: path, port: 0))
            #expect(peer.sendsFiles)
            do throws(ConnectionError) {
                try await peer.send(file: file, from: 0, count: count, patience: .hours(1))
            } catch {
                return error
            }
            return .closed("not at all")
        }
        let short = try SealedMemory.make("queue file", [1, 2, 3])
        let damaged = try await fail(short.rawValue, count: 4)
        if case .unreadable = damaged {} else { Issue.record("\(damaged)") }
        let strange = try SystemKit.FileDescriptor.open("/tmp", [.readOnly, .directory])
        let refused = try await fail(strange.rawValue, count: 1)
        if case .unsendable = refused {} else { Issue.record("\(refused)") }
        let next = try await connector.connect(to: Endpoint(host: "here", address: path, port: 0))
        #expect(!next.sendsFiles)
        next.abort()
        _ = consume short
        _ = consume strange
        _ = consume listener
    }
}
