// The queue manager: what is in memory, what is due, and what is under way.
//
// A message is known in one of four ways: `backlog` (a file in `incoming`, to be read when there is room), `due` (a file in `deferred`, by
// id and time only), `active` (in memory, one round of attempts), or not at all (`hold`, `corrupt`: files that are read when somebody
// asks). One that was read and found that its sender or destination has its share of the active messages already is in a lane of `shares`
// besides being in `inBacklog`, or in `due` without a time. The fast path: cleanup's notice makes a message active without reading anything; the scan of `incoming` gives the same result.
// On the fast path a message may be in cleanup's commit log alone (InLog.swift): so it is active, and becomes a file before it is anything else.
//
// Everything runs on ServiceActor; file operations are single system calls on names and bytes, and are made there too. Time comes from the
// clock that is given, so that tests live through five days in a moment.

import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import NIOPosix
import Scheduling
import ServiceKit
import SystemKit

@ServiceActor
final class QueueManager {
    let settings: QueueManagerSettings
    let files: QueueFiles
    /// Where messages stand in cleanup's commit logs.
    var marks: CommitLogMarks
    /// Whether what was in logs of living cleanups at the start has become files.
    var hasLearnedLogs = false
    let route: RecipientRouting
    let agents: any DeliveryAgents
    let bounce: any BounceRecording
    let clock: QueueClock
    let log: QueueManagerLog

    var scheduler: Scheduler
    var active: [QueueID: ActiveMessage] = [:]
    var due = DueQueue()
    /// Messages in `incoming` that wait for room, oldest first. Those that left otherwise are skipped.
    var backlog: [QueueID] = []
    private var backlogStart = 0
    var inBacklog: Set<QueueID> = []
    /// Where those stand that wait, in the backlog or for their time, and were in a commit log alone when they were noted.
    var logged: [QueueID: CommitLogPlace] = [:]
    /// Those of them that are to be held as soon as there is room for a file.
    var toBeHeld: Set<QueueID> = []
    /// What the last scan of `incoming` found: a notice that comes late must not bring back a message that is done.
    var foundByScan: Set<QueueID> = []
    /// Deferred messages whose next attempt the administrator asked for.
    var flushed: Set<QueueID> = []
    /// How many deliveries a process takes at a time, by transport.
    var knownCapacities: [String: Int] = [:]
    /// Deliveries of one transport at a time, whatever its processes offer: each has a descriptor on its way for a moment.
    static let mostDeliveries = 1000
    /// Where the next message is taken from first: `incoming`, `deferred`, the lanes.
    private var nextSource = 0
    private var shares: ActiveShares
    private var isFeedingLater = false
    /// Reads files for listings.
    lazy var listingPool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        return pool
    }()
    /// Messages read in one go, so that a thousand that are due at once do not stop everything else.
    private static let feedBatch = 64
    private(set) var isDraining = false
    private var nextRescan: Int64
    /// The start of this program.
    private let began: Int64
    /// Tasks that have begun and not ended.
    private var operations = 0
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []
    /// Told when ``nextWakeUp`` may have become earlier.
    var onWakeUpChange: () -> Void = {}

    init(
        settings: QueueManagerSettings, directories: QueueDirectories, route: @escaping RecipientRouting, agents: any DeliveryAgents,
        bounce: any BounceRecording, clock: QueueClock, log: QueueManagerLog
    ) {
        self.settings = settings
        files = QueueFiles(directories: directories)
        marks = CommitLogMarks(directories: directories)
        self.route = route
        self.agents = agents
        self.bounce = bounce
        self.clock = clock
        self.log = log
        scheduler = Scheduler(policy: settings.policy)
        shares = ActiveShares(
            messages: settings.activeLimit, recipients: settings.activeRecipientLimit,
            transportRecipients: settings.transportRecipientLimit)
        began = clock.now()
        nextRescan = began + settings.rescanInterval
        agents.onCapacity = { [weak self] transport, capacity in self?.learn(capacity: capacity, of: transport) }
    }

    // MARK: Coming in

    /// cleanup has made a message durable.
    func arrived(_ notice: ArrivalNotice) {
        let id = notice.queueID
        let place = notice.place
        if let place, !note(id, at: place) && !notice.isFile {
            // It becomes a file when cleanup settles the log, and the next scan finds it.
            return
        }
        // A notice that waited for a qmgr that was restarted may come after the message was found, delivered and removed. (One that comes two
        // scans later still finds no file at its delivery, and is forgotten.)
        guard active[id] == nil, !inBacklog.contains(id), due.due(of: id) == nil, !foundByScan.contains(id) else { return }
        if notice.envelope.isHeld { return }
        if let place, !notice.isFile, isKnown(id, place) { return }
        // Without recipients a message would count as finished; what the file says is looked at instead.
        guard !isDraining, hasRoom, !notice.envelope.recipients.isEmpty else {
            enlist(id, at: notice.isFile ? nil : place)
            return
        }
        begin(ActiveMessage(notice, activated: clock.now()))
        pump()
    }

    /// Whether another message may become active.
    var hasRoom: Bool { shares.hasRoom }

    /// Notes a file in `incoming`, or a message of a commit log.
    func enlist(_ id: QueueID, at place: CommitLogPlace? = nil) {
        guard active[id] == nil, inBacklog.insert(id).inserted else { return }
        // One that waited for room for a file has it.
        due.remove(id)
        logged[id] = place
        backlog.append(id)
    }

    // MARK: Time

    /// When ``tick()`` is to be called next, microseconds since 1970.
    var nextWakeUp: Int64 {
        // What is due then is the successor's. To be called for it again and again would be work under way without end.
        guard !isDraining else { return .max }
        let next = min(nextRescan, scheduler.nextWakeUp(now: clock.now()) ?? .max)
        return hasRoom ? min(due.nextDue() ?? .max, next) : next
    }

    /// Looks for work that nobody told of.
    func wakeUp() async {
        nextRescan = clock.now()
        await tick()
    }

    /// Does what is due.
    func tick() async {
        if clock.now() >= nextRescan {
            nextRescan = clock.now() + settings.rescanInterval
            await scanIncoming()
        }
        feed()
    }

    // MARK: Activation

    /// Takes messages up while there is room, from `incoming`, `deferred` and the lanes in turn, so that none holds up another.
    func feed() {
        guard !isDraining else { return }
        let now = clock.now()
        var count = 0
        while hasRoom {
            guard count < QueueManager.feedBatch else {
                feedLater()
                break
            }
            count += 1
            nextSource = (nextSource + 1) % 3
            guard (0..<3).contains(where: { take(from: (nextSource + $0) % 3, now) }) else { break }
        }
        pump()
        onWakeUpChange()
    }

    private func take(from source: Int, _ now: Int64) -> Bool {
        switch source {
        case 0: takeFromBacklog()
        case 1: takeDue(now)
        default: takeFromLane()
        }
    }

    private func feedLater() {
        guard !isFeedingLater else { return }
        isFeedingLater = true
        run {
            await Task.yield()
            self.isFeedingLater = false
            self.feed()
        }
    }

    private func takeFromBacklog() -> Bool {
        while backlogStart < backlog.count {
            let id = backlog[backlogStart]
            backlogStart += 1
            if backlogStart == backlog.count || backlogStart >= 4096 {
                backlog.removeFirst(backlogStart)
                backlogStart = 0
            }
            guard inBacklog.remove(id) != nil else { continue }
            activate(id, from: .incoming)
            return true
        }
        return false
    }

    private func takeDue(_ now: Int64) -> Bool {
        guard let id = due.popDue(now: now) else { return false }
        // The scan at start may have seen it just before it was taken up; it is scheduled again when its round ends.
        guard active[id] == nil else { return true }
        activate(id, from: logged[id] == nil ? .deferred : .incoming, wasTried: true)
        return true
    }

    private func takeFromLane() -> Bool {
        while let (id, lane) = shares.nextWaiting() {
            if inBacklog.remove(id) != nil {
                activate(id, from: .incoming, lane: lane)
                return true
            }
            // One with a time was flushed, or left and came back: it is taken when it is due.
            if due.due(of: id) == QueueManager.inLane {
                due.remove(id)
                activate(id, from: .deferred, lane: lane)
                return true
            }
        }
        return false
    }

    /// The time of a deferred message that waits in a lane.
    static let inLane = Int64.max

    /// Reads a message and begins a round of attempts.
    private func activate(_ id: QueueID, from directory: QueueDirectory, lane: ActiveShares.Lane? = nil, wasTried: Bool = false) {
        if toBeHeld.contains(id) { return holdNow(id) }
        let isFlushed = flushed.remove(id) != nil
        do throws(QueueFileError) {
            let place = directory == .incoming ? logged.removeValue(forKey: id) : nil
            let inLog = try storedInLog(id, place)
            let stored: StoredMessage
            if let inLog { stored = inLog } else { stored = try files.load(id, in: directory) }
            guard !stored.envelope.recipients.isEmpty else { throw .notAQueueFile("no recipients") }
            if directory == .incoming && stored.envelope.isHeld {
                move(id, from: .incoming, to: .hold)
                return
            }
            let message = ActiveMessage(stored, id: id, directory: directory, activated: clock.now(), isFlushed: isFlushed)
            if inLog != nil { message.place = place }
            // Also what an earlier life of this program may have had recorded before it died.
            if wasTried || stored.envelope.arrival < began { message.hasLogs = true }
            begin(message, from: lane)
        } catch {
            setAside(id, in: directory, because: error)
        }
    }

    /// What is done with a file that cannot be read as a message. Nothing is ever removed here.
    func setAside(_ id: QueueID, in directory: QueueDirectory, because error: QueueFileError) {
        switch error {
        case .notAQueueFile, .incomplete:
            log.warning("\(directory.name)/\(id): \(error): moved to corrupt")
            move(id, from: directory, to: .corrupt)
        case .unknownVersion:
            log.warning("\(directory.name)/\(id): \(error): left alone")
        case .system(let reason):
            // Gone: an administrator's hand, or a notice that came twice.
            guard (try? Files.exists(files.path(directory, id))) != false else { return }
            log.warning("\(directory.name)/\(id): \(reason)")
            if directory == .deferred { due.schedule(id, due: clock.now() + settings.retry.minimalBackoff) }
        }
    }

    /// Removes a message that is done (S7): first its record in a commit log is settled, so that nobody makes it a file again.
    ///
    /// - Parameter isFile: without one the mark is what ends the message.
    func removeFile(_ id: QueueID, from directory: QueueDirectory, isFile: Bool = true) throws(SystemError) {
        do throws(SystemError) {
            try marks.settle(id)
        } catch {
            guard isFile else { throw error }
            // Without the mark it may be delivered twice after a power failure: better than to keep it.
            log.warning("\(id): \(error)")
        }
        try Files.unlink(files.path(directory, id))
    }

    func move(_ id: QueueID, from: QueueDirectory, to: QueueDirectory) {
        leave(id, from)
        do { try files.move(id, from: from, to: to) } catch { log.warning("\(error)") }
    }

    /// Routes the recipients of a message and hands them to the scheduler, or has it wait in a lane.
    private func begin(_ message: ActiveMessage, from lane: ActiveShares.Lane? = nil) {
        let todo = message.todo
        var placements: [RecipientPlacement] = []
        var answers: [(program: String, result: RecipientResult)] = []
        for index in todo {
            switch place(index, of: message) {
            case .destination(let destination):
                placements.append(RecipientPlacement(recipient: UInt32(index), destination: destination))
            case .answer(let program, let outcome):
                answers.append((program, RecipientResult(index: index, outcome: outcome)))
            }
        }
        let sender = ActiveShares.senderKey(message.envelope.sender)
        let ticket = ActiveShares.Ticket(sender: sender, placements: placements, recipients: todo.count)
        // What the administrator asked for does not wait.
        if !message.isFlushed, let lane = shares.lane(for: ticket, from: lane) {
            // It is read again when it is its turn.
            shares.wait(message.id, ticket, in: lane)
            if message.directory == .deferred {
                due.schedule(message.id, due: QueueManager.inLane)
            } else {
                inBacklog.insert(message.id)
                logged[message.id] = message.place
            }
            return
        }
        active[message.id] = message
        shares.enter(ticket)
        message.ticket = ticket
        message.outstanding = todo.count
        log.info(
            "\(message.id): from=<\(message.envelope.sender.logForm)>, size=\(message.contentLength), "
                + "nrcpt=\(message.envelope.recipients.count) (queue active)",
            fields: .event("active", message.id) + [
                "sender": .text(message.envelope.sender.logForm), "size": .number(Int64(clamping: message.contentLength)),
                "nrcpt": .number(Int64(message.envelope.recipients.count)), "nrcpt_to_do": .number(Int64(todo.count)),
                "queue_name": .text(message.directory.name), "age": .duration(clock.now() - message.envelope.arrival),
            ])
        guard !todo.isEmpty else {
            run { await self.finishRound(message) }
            return
        }
        if message.isFlushed { for placement in placements { scheduler.revive(placement.destination, now: clock.now()) } }
        for (program, result) in answers { log.recipient(message, result.index, result.outcome, program: program, now: clock.now()) }
        let suspended = scheduler.add(
            message: message.id, recipients: placements, sender: sender, isRetry: message.directory == .deferred, now: clock.now())
        if !answers.isEmpty { run { await self.conclude(message, answers.map(\.result)) } }
        suspend(suspended)
    }

    /// The round of a message is over; another may have its place.
    func end(_ message: ActiveMessage) {
        guard active[message.id] === message else { return }
        let wasFull = !hasRoom
        active[message.id] = nil
        if let ticket = message.ticket { shares.leave(ticket) }
        if wasFull || shares.isAnyoneWaiting { feedLater() }
    }

    // MARK: Tasks

    /// Starts a task that ``settled()`` and ``drain()`` wait for.
    func run(_ operation: @escaping @ServiceActor () async -> Void) {
        operations += 1
        ServiceActor.start { [self] in
            await operation()
            operations -= 1
            if operations == 0 { wakeIdleWaiters() }
        }
    }

    private func wakeIdleWaiters() {
        let waiters = idleWaiters
        idleWaiters = []
        for waiter in waiters { waiter.resume() }
    }

    /// Waits until nothing is under way.
    func settled() async {
        while operations > 0 {
            await withCheckedContinuation { continuation in
                guard operations > 0 else { return continuation.resume() }
                idleWaiters.append(continuation)
            }
        }
    }

    /// Takes up nothing more and waits for what is under way. What is in memory and was not tried stays in the queue as it is.
    ///
    /// - Parameter patience: bounds the wait. What is under way then is tried again by the successor, and delivered twice if it succeeds
    ///   now (window D2). Without a bound one slow receiver would stop all mail after a reload, because there is one queue manager at a time.
    func drain(patience: TimeAmount) async {
        isDraining = true
        onWakeUpChange()
        let timer = ServiceActor.loop.scheduleTask(in: patience) {
            ServiceActor.assumeIsolated {
                if self.operations > 0 { self.log.warning("\(self.operations) operations are still under way and are given up") }
                self.operations = 0
                self.wakeIdleWaiters()
            }
        }
        await settled()
        timer.cancel()
    }
}
