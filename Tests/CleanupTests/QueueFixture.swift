// A cleanup with a queue directory of its own, and a client that speaks to it over a real socket on the same event loop.

import AddressRouting
import MailConfiguration
import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import ServiceKit
import SystemKit
import Testing

@testable import Cleanup

@ServiceActor
final class QueueFixture {
    let root: String
    let directories: QueueDirectories
    private let service: CleanupService
    private let listener: SystemKit.FileDescriptor
    private var server: IPCConnection?
    private var connection: IPCConnection?

    static let main = """
        myhostname = mail.example.org
        mydomain = example.org
        myorigin = example.org
        mydestination = example.org
        inet_interfaces = 127.0.0.1
        local_recipient_maps =
        alias_maps =
        """

    init(_ settings: String = "") throws {
        root = "/tmp/martlet-cleanup-test-\(UInt64.random(in: 0..<UInt64.max))"
        directories = QueueDirectories(root: root)
        try Files.makeDirectory(root)
        for name in ["incoming", "hold", "public"] { try Files.makeDirectory("\(root)/\(name)") }
        let configuration = try Configuration(text: "\(Self.main)\nqueue_directory = \(root)\n\(settings)\n")
        let log = MailLog(program: "cleanup", syslogName: "test", destination: .file("\(root)/log"))
        let context = ServiceContext(
            program: "cleanup", options: try ServiceOptions(arguments: []), configuration: configuration, log: log)
        service = CleanupService(
            context: context,
            router: AddressRouter(configuration: configuration, ownAddresses: ["127.0.0.1"], warn: { log.warning($0) }))
        listener = try Sockets.listenUnix(path: "\(root)/public/cleanup")
        try listener.setNonBlocking(true)
    }

    deinit { QueueFixture.remove(root) }

    private nonisolated static func remove(_ path: String) {
        if (try? Files.linkStatus(of: path))?.isDirectory != true {
            try? Files.unlink(path)
            return
        }
        for entry in (try? Files.directoryEntries(path)) ?? [] { remove("\(path)/\(entry)") }
        try? Files.removeDirectory(path)
    }

    /// A stream to cleanup.
    func open() async throws -> IPCStream {
        if let connection { return try connection.open() }
        async let client = IPCConnection.connect(
            path: "\(root)/public/cleanup", protocol: .cleanup, deadline: .now() + .seconds(30))
        await Task.yield()
        var accepted: Int32 = -1
        while accepted < 0 {
            // The listener does not block: the client's end runs on this very loop.
            if let descriptor = try Sockets.accept(listener.rawValue) { accepted = descriptor.release() } else { await Task.yield() }
        }
        guard let beside = IPCPreambleReader.read(from: accepted, patience: 5000) else { throw IPCError.violation("no preamble") }
        let service = service
        server = try await IPCConnection.serve(descriptor: accepted, beside: beside, protocol: .cleanup, capacity: 10) { stream in
            Task { @ServiceActor in
                await service.serve(stream)
                stream.finish()
            }
        }
        let made = try await client
        connection = made
        return try made.open()
    }

    /// Submits a message and returns what cleanup says.
    func submit(_ envelope: Envelope, _ content: String) async throws -> SubmitReply {
        let stream = try await open()
        try await stream.send(CleanupFrame.submit, envelope.encoded)
        // In two pieces, so that no line end is special.
        let bytes = Array(content.utf8)
        for piece in [bytes.prefix(bytes.count / 2), bytes.dropFirst(bytes.count / 2)] where !piece.isEmpty {
            try await stream.send(CleanupFrame.content, Array(piece))
        }
        try await stream.send(CleanupFrame.commit)
        let frame = try #require(try await stream.receive(deadline: .now() + .seconds(30)))
        stream.finish()
        return try SubmitReply(frame: frame)
    }

    /// The same for a message that must be accepted; its queue id.
    func queue(_ envelope: Envelope, _ content: String) async throws -> QueueID {
        guard case .queued(let id) = try await submit(envelope, content) else { throw IPCError.violation("refused") }
        return id
    }

    func refusal(_ envelope: Envelope, _ content: String) async throws -> String {
        guard case .refused(let reply) = try await submit(envelope, content) else { return "accepted" }
        return reply.description
    }

    func files(_ directory: QueueDirectory = .incoming) -> [String] {
        ((try? Files.directoryEntries(directories.path(directory))) ?? []).sorted()
    }

    /// The content of a queued message, after its end record was checked.
    func content(_ id: QueueID, in directory: QueueDirectory = .incoming) throws -> String {
        let reader = try QueueFileReader(path: directories.path(directory, id))
        #expect(try reader.verifyContent())
        return String(decoding: try reader.content(at: 0, upTo: 1 << 20), as: UTF8.self)
    }

    func envelope(_ id: QueueID) throws -> Envelope { try QueueFileReader(path: directories.path(.incoming, id)).envelope }

    func facts(_ id: QueueID) throws -> ContentFacts { try QueueFileReader(path: directories.path(.incoming, id)).header.contentFacts }

    var log: String { (try? Files.contents(of: "\(root)/log")).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}

/// An envelope as smtpd makes it.
func envelope(_ recipients: String..., sender: String = "s@far.test", origin: MessageOrigin = .remoteSMTP) -> Envelope {
    Envelope(
        sender: MailAddress(sender), recipients: recipients.map { EnvelopeRecipient(MailAddress($0)) }, origin: origin,
        arrival: 1_700_000_000_000_000,
        client: ClientFacts(protocolName: "ESMTP", helo: "client.far.test", name: "unknown", address: "192.0.2.7", port: 4711), userID: 1000
    )
}
