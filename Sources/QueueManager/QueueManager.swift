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
    var backlog = Backlog()
    var inBacklog: Set<QueueID> = []
    /// Where those stand that wait, in the backlog or for their time, and were in a commit log alone when they were noted.
    var logged: [QueueID: CommitLogPlace] = [:]
    /// Of messages that are not active, what became of their recipients where no file says so (ActiveMessage.hasUnwrittenStates). Without it they would
    /// have their mail again with each attempt.
    var unwritten: [QueueID: [RecipientState]] = [:]
    /// Those of the logged that are to be held as soon as there is room for a file.
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
    var nextSource = 0
    var shares: ActiveShares
    var isFeedingLater = false
    /// Reads files for listings.
    lazy var listingPool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        return pool
    }()
    private(set) var isDraining = false
    private var nextRescan: Int64
    /// The start of this program.
    let began: Int64
    private let operations = Operations()
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

    // MARK: Files

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

    // MARK: Tasks

    /// Starts a task that ``settled()`` and ``drain(patience:)`` wait for.
    func run(_ operation: @escaping @ServiceActor () async -> Void) { operations.run(operation) }

    /// Waits until nothing is under way.
    func settled() async { await operations.settled() }

    /// Takes up nothing more and waits for what is under way. What is in memory and was not tried stays in the queue as it is.
    ///
    /// - Parameter patience: bounds the wait. What is under way then is tried again by the successor, and delivered twice if it succeeds
    ///   now (window D2). Without a bound one slow receiver would stop all mail after a reload, because there is one queue manager at a time.
    func drain(patience: TimeAmount) async {
        isDraining = true
        onWakeUpChange()
        let timer = ServiceActor.loop.scheduleTask(in: patience) {
            ServiceActor.assumeIsolated {
                let count = self.operations.count
                if count > 0 { self.log.warning("\(count) operations are still under way and are given up") }
                self.operations.giveUp()
            }
        }
        await settled()
        timer.cancel()
    }
}
