// A network, a queue and a clock for sessions in tests: nothing waits, nothing is real.

import MailConfiguration
import MailIPC
import MailLog
import MailModel
import NIOCore
import SMTPProtocol
import ServiceKit
import SystemKit
import TLS

@testable import SMTPServer

/// A client that sends prepared bytes, one piece for each read, and keeps what it hears.
@ServiceActor
final class FakeClient: SessionTransport {
    enum Step {
        case send(String)
        case silence
        case vanish
    }
    private var steps: [Step]
    private(set) var heard = ""
    private(set) var isClosed = false
    var handshake: Result<TLSSessionFacts, ConnectionError> = .failure(.handshakeFailed("none"))
    /// What the server had said when each step was taken.
    private(set) var before: [String] = []

    init(_ steps: [Step]) { self.steps = steps }

    func read(deadline: NIODeadline) async throws(ConnectionError) -> ByteBuffer? {
        before.append(heard)
        guard !steps.isEmpty else { return nil }
        switch steps.removeFirst() {
        case .send(let text): return ByteBuffer(string: text)
        case .silence: throw .timedOut
        case .vanish: throw .closed("Connection reset by peer")
        }
    }
    func write(_ bytes: [UInt8]) { heard += String(decoding: bytes, as: UTF8.self) }
    func flush(deadline: NIODeadline) async throws(ConnectionError) {}
    func startTLS(deadline: NIODeadline) async throws(ConnectionError) -> TLSSessionFacts { try handshake.get() }
    func close() { isClosed = true }
}

/// A queue that keeps messages in memory.
@ServiceActor
final class FakeQueue: QueueDoor {
    var verdicts: [String: RecipientVerdict] = [:]
    var isAway = false
    var answer: SubmissionResult?
    var free: Int64? = .max
    private(set) var messages: [(envelope: Envelope, content: [UInt8], pieces: Int)] = []
    private(set) var cancelled = 0
    private(set) var announced: [String] = []

    init() {}

    private(set) var announcedRecipients: [[String]] = []

    func verdict(
        on recipient: MailAddress, upcoming: @ServiceActor (_ limit: Int) -> [MailAddress]
    ) async -> (verdict: RecipientVerdict?, problem: String) {
        announcedRecipients.append(upcoming(3).map(\.logForm))
        if isAway { return (nil, "cannot connect") }
        return (verdicts[recipient.logForm] ?? RecipientVerdict(.other, .known), "")
    }
    func freeSpace() async -> Int64? { isAway ? nil : free }
    func submit(_ envelope: Envelope, _ line: LogAnnouncement) -> any Submission {
        announced.append(line.text)
        return FakeSubmission(self, envelope)
    }

    fileprivate func take(_ envelope: Envelope, _ content: [UInt8], _ pieces: Int) -> SubmissionResult {
        if let answer { return answer }
        messages.append((envelope, content, pieces))
        return QueueID("4XzABCDEF0z1").map(SubmissionResult.queued) ?? .unavailable("no id")
    }
    fileprivate func cancel() { cancelled += 1 }
}

@ServiceActor
private final class FakeSubmission: Submission {
    private let queue: FakeQueue
    private let envelope: Envelope
    private var content: [UInt8] = []
    private var pieces = 0

    init(_ queue: FakeQueue, _ envelope: Envelope) {
        self.queue = queue
        self.envelope = envelope
    }
    func send(_ more: [UInt8]) async {
        content += more
        pieces += 1
    }
    func commit(_ more: [UInt8]) async -> SubmissionResult {
        await send(more)
        return queue.take(envelope, content, pieces)
    }
    func cancel() { queue.cancel() }
}

@ServiceActor
final class FakeClock: SessionClock {
    private(set) var paused = 0
    init() {}
    func now() -> Int64 { 1_700_000_000_000_000 }
    func deadline(after seconds: Int) -> NIODeadline { .distantFuture }
    func pause(seconds: Int) async { paused += seconds }
}

/// One session in a test: its client, its queue, and what it logged.
@ServiceActor
struct Scene {
    let client: FakeClient
    let queue = FakeQueue()
    let clock = FakeClock()
    var address = "192.0.2.1"
    var name = "client.example"
    var settings = "smtpd_tls_security_level ="
    var log: [String] = []

    init(_ steps: [FakeClient.Step]) { client = FakeClient(steps) }
    init(_ lines: String...) { self.init(lines.map { .send($0 + "\r\n") }) }

    mutating func play(refusal: SMTPReply? = nil, hasCertificate: Bool = false) async throws {
        let configuration = try Configuration(
            text: "myhostname = h.example\nmydestination = h.example\nmynetworks = 198.51.100.0/24\n" + settings)
        let parsed = try ServerSettings(configuration, hasCertificate: hasCertificate)
        let path = "/tmp/martlet-test-\(ProcessSpawn.currentProcessID)-\(ObjectIdentifier(client).hashValue).log"
        defer { try? Files.unlink(path) }
        let session = ServerSession(
            transport: client, queue: queue, clock: clock, settings: SharedSettings(parsed),
            log: MailLog(program: "smtpd", syslogName: "martlet", destination: .file(path), processID: 1, clock: { 0 }),
            client: ClientIdentity(name: name, address: address, port: 4711), serverAddress: "203.0.113.1")
        await session.run(refusal: refusal)
        let text = String(decoding: try Files.contents(of: path, limit: 1 << 20), as: UTF8.self)
        // Without time, host and tag.
        log = text.split(separator: "\n").map { line in
            line.range(after: "smtpd[1]: ").map(String.init) ?? String(line)
        }
    }

    var replies: [String] { client.heard.split(separator: "\r\n").map(String.init) }
}

extension Substring {
    func range(after marker: String) -> Substring? {
        var rest = self
        while !rest.isEmpty {
            if rest.hasPrefix(marker) { return rest.dropFirst(marker.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}
