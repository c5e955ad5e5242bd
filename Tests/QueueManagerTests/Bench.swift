// A queue manager on a workbench: a scratch queue on disk, virtual time, agents that do as the test says, a bounce service that remembers.

import AddressRouting
import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit
import Synchronization
import SystemKit
import Testing

@testable import QueueManager

let second: Int64 = 1_000_000

final class VirtualTime: Sendable {
    private let state = Mutex<(now: Int64, random: UInt64)>((1_700_000_000 * 1_000_000, 42))
    var now: Int64 {
        get { state.withLock { $0.now } }
        set { state.withLock { $0.now = newValue } }
    }
    var clock: QueueClock {
        QueueClock(
            now: { self.now },
            random: {
                self.state.withLock { state in
                    state.random = state.random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return state.random
                }
            })
    }
}

final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    func containing(_ text: String) -> [String] { all.filter { $0.contains(text) } }
}

/// Agents that answer at once, or hold their answer until the test lets them go.
@ServiceActor
final class FakeAgents: DeliveryAgents {
    var answer: (DeliveryRequest) -> AgentAnswer = { request in
        .reply(DeliveryReply(outcomes: request.envelope.recipients.map { _ in outcome(.relayed, "2.0.0", "250 ok") }))
    }
    var requests: [DeliveryRequest] = []
    var isHeld = false
    private var inFlight = 0
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func deliver(_ request: DeliveryRequest, path: String) async -> AgentAnswer {
        requests.append(request)
        inFlight += 1
        if isHeld { await withCheckedContinuation { waiters.append($0) } }
        inFlight -= 1
        return answer(request)
    }
    var onCapacity: (@ServiceActor (String, Int) -> Void)?
    func letGo() {
        isHeld = false
        let all = waiters
        waiters = []
        for waiter in all { waiter.resume() }
    }
    /// Waits until `count` deliveries are under way.
    func begun(_ count: Int) async {
        while inFlight < count { await Task.yield() }
    }
}

@ServiceActor
final class FakeBounce: BounceRecording {
    var isUp = true
    var refusesNotices = false
    var records: [BounceRecord] = []
    var notices: [BounceNotice] = []
    var forgotten: [QueueID] = []
    /// What happens while a report is made.
    var onNotify: (@ServiceActor () async -> Void)?
    /// Messages whose bounce log holds something that was not reported.
    private var unreported: Set<QueueID> = []

    func append(_ records: [BounceRecord]) async -> [Bool] {
        await Task.yield()
        if isUp {
            self.records += records
            for record in records where record.log == .bounce { unreported.insert(record.queueID) }
        }
        return records.map { _ in isUp }
    }
    func notify(_ notice: BounceNotice) async -> Bool {
        await Task.yield()
        await onNotify?()
        guard isUp && !refusesNotices else { return false }
        // A log that was reported is gone; then there is nothing to say.
        if notice.kind == .failure && unreported.remove(notice.queueID) == nil { return true }
        notices.append(notice)
        return true
    }
    func forget(_ id: QueueID) async { forgotten.append(id) }
    func deferrals(of id: QueueID) async -> [BounceRecord] { records.filter { $0.queueID == id && $0.log == .defer } }
}

@ServiceActor
final class Bench {
    nonisolated let time = VirtualTime()
    nonisolated let lines = Lines()
    let agents = FakeAgents()
    let bounce = FakeBounce()
    nonisolated let directories: QueueDirectories
    let settings: QueueManagerSettings
    private(set) var manager: QueueManager
    private var made: UInt64 = 0

    init(settings: QueueManagerSettings = QueueManagerSettings()) throws {
        let root = "/tmp/martlet-qmgr-test-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0...UInt64.max))"
        try Files.makeDirectory(root)
        directories = QueueDirectories(root: root)
        for directory in QueueDirectory.allCases { try Files.makeDirectory(directories.path(directory)) }
        self.settings = settings
        manager = Bench.make(settings, directories, agents, bounce, time, lines)
    }

    private static func make(
        _ settings: QueueManagerSettings, _ directories: QueueDirectories, _ agents: FakeAgents, _ bounce: FakeBounce, _ time: VirtualTime,
        _ lines: Lines
    ) -> QueueManager {
        QueueManager(
            settings: settings, directories: directories, route: Bench.route, agents: agents, bounce: bounce, clock: time.clock,
            log: QueueManagerLog { program, line, isWarning in
                lines.add((program.isEmpty ? "qmgr" : program) + ": " + (isWarning ? "warning: " : "") + line)
            })
    }

    /// Domains say what becomes of them.
    nonisolated static let route: RecipientRouting = { recipient in
        let domain = String(decoding: recipient.domain, as: UTF8.self)
        switch domain {
        case "error.test": return .failed(EnhancedStatusCode(5, 1, 1), "User unknown in virtual alias table")
        case "retry.test": return .deferred(EnhancedStatusCode(4, 3, 0), "address resolver failure")
        case "discard.test": return .route(Route(addressClass: .other, transport: "discard", nextHop: "on purpose", recipient: recipient))
        default: return .route(Route(addressClass: .other, transport: "smtp", nextHop: domain, recipient: recipient))
        }
    }

    /// What a crash and a restart leave: another queue manager on the same queue.
    func restart() { manager = Bench.make(settings, directories, agents, bounce, time, lines) }

    nonisolated func remove() {
        for directory in QueueDirectory.allCases {
            for name in (try? Files.directoryEntries(directories.path(directory))) ?? [] {
                try? Files.unlink(directories.path(directory) + "/" + name)
            }
            try? Files.removeDirectory(directories.path(directory))
        }
        try? Files.removeDirectory(directories.root)
    }

    /// Puts a durable message into a directory of the queue.
    func write(
        from sender: String = "phil@sender.test", to recipients: [String], in directory: QueueDirectory = .incoming, isHeld: Bool = false,
        notify: DSNNotify = []
    ) throws -> ArrivalNotice {
        made += 1
        let envelope = Envelope(
            sender: sender.isEmpty ? .null : MailAddress(sender),
            recipients: recipients.map { EnvelopeRecipient(MailAddress($0), notify: notify) },
            origin: .remoteSMTP, arrival: time.now, isHeld: isHeld)
        let writer = QueueFileWriter(in: directories.path(directory), envelope: envelope, now: time.now + Int64(made), unique: made)
        try writer.append(Array("Subject: x\r\n\r\nbody\r\n".utf8))
        var file = try writer.finish(contentFacts: [])
        try file.makeFile()
        file.close()
        return ArrivalNotice(
            queueID: file.id, envelope: envelope, contentFacts: [], contentOffset: file.header.contentOffset,
            contentLength: file.header.contentLength)
    }

    func arrive(
        from sender: String = "phil@sender.test", to recipients: [String], notify: DSNNotify = []
    ) async throws -> QueueID {
        let notice = try write(from: sender, to: recipients, notify: notify)
        manager.arrived(notice)
        await manager.settled()
        return notice.queueID
    }

    /// Lives until `end`, doing everything at the moment at which it is due.
    func live(until end: Int64) async {
        while true {
            let next = max(manager.nextWakeUp, time.now)
            guard next <= end else { break }
            time.now = next
            await manager.tick()
            await manager.settled()
        }
        time.now = end
    }

    func exists(_ id: QueueID, in directory: QueueDirectory) throws -> Bool { try Files.exists(directories.path(directory, id)) }
    func states(_ id: QueueID, in directory: QueueDirectory) throws -> [RecipientState] {
        try QueueFileReader(path: directories.path(directory, id)).states
    }
    func count(_ directory: QueueDirectory) throws -> Int { try directories.ids(in: directory).count }
    /// Makes a file of any bytes.
    func plant(_ bytes: [UInt8], _ id: QueueID, in directory: QueueDirectory) throws {
        try FileDescriptor.open(directories.path(directory, id), [.writeOnly, .create]).writeAll(bytes)
    }
    func setDue(_ id: QueueID, _ time: Int64) throws { try Files.setTimes(directories.path(.deferred, id), modified: time) }
}

/// Runs a test on a bench of its own.
@ServiceActor
func onBench(settings: QueueManagerSettings = QueueManagerSettings(), _ body: @ServiceActor (Bench) async throws -> Void) async throws {
    let bench = try Bench(settings: settings)
    defer { bench.remove() }
    try await body(bench)
}

func outcome(_ action: RecipientOutcome.Action, _ status: String, _ reason: String = "said so") -> RecipientOutcome {
    RecipientOutcome(action, EnhancedStatusCode(status) ?? EnhancedStatusCode(4, 0, 0), reason, relay: "mx.test[192.0.2.1]:25")
}

/// An agent's reply with one outcome for all recipients.
func reply(_ action: RecipientOutcome.Action, _ status: String, _ reason: String = "said so") -> (DeliveryRequest) -> AgentAnswer {
    { request in .reply(DeliveryReply(outcomes: request.envelope.recipients.map { _ in outcome(action, status, reason) })) }
}
