// The life of master after start-up: one thread, one poll(2), no work that can wait for anything else.

import MailConfiguration
import MailLog
import SystemKit

/// The running master.
final class MasterLoop {
    var configuration: MasterConfiguration
    /// The text of `configuration`, for children.
    var configurationMemory: FileDescriptor
    /// How often the files were read.
    var attempts = 0
    var inUseSince = 0
    var services: [ServiceKey: ServiceDefinition] = [:]
    var supervisor: Supervisor
    var listeners: ListenerSet
    var children: [Int32: ChildProcess] = [:]
    var locks = ServiceLocks()
    private let signals: FileDescriptor
    let lifetime: PipeEnds
    let log: MailLog
    let notifier: ServiceManagerNotifier
    let isDebugging: Bool
    let clock: () -> Int64
    /// When the children that are left are killed; nil until a stop.
    private var killAt: Int64?
    private var hasKilled = false
    /// The stage of a stop whose processes were told to end; nil where there is no stop.
    private var told: StopStage?
    private var nextSignOfLife: Int64?
    /// Whether the service manager was told that the mail system is up.
    private var isReady = false

    /// The signals that `signals` must be a descriptor of.
    static let handledSignals: [Signal] = [.terminate, .interrupt, .hangUp, .child]

    init(
        configuration: MasterConfiguration, listeners: consuming ListenerSet, signals: consuming FileDescriptor, log: MailLog,
        notifier: ServiceManagerNotifier, isDebugging: Bool, clock: @escaping () -> Int64 = { SystemClock.monotonic() }
    ) throws(SystemError) {
        self.configuration = configuration
        configurationMemory = try Self.memory(configuration)
        self.listeners = listeners
        self.signals = signals
        self.log = log
        self.notifier = notifier
        self.isDebugging = isDebugging
        self.clock = clock
        lifetime = try FileDescriptor.pipe()
        supervisor = Supervisor(policies: configuration.services.map(\.policy), now: clock())
        services = Dictionary(configuration.services.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        nextSignOfLife = notifier.watchdogInterval.map { clock() + $0 }
        notifier.waiting("starting: the queue is being opened")
        report(refusals: [])
    }

    /// Runs until a signal ends it and all children are gone.
    func run() throws(SystemError) {
        while try step(maximumWait: nil) {}
    }

    /// Waits for one round of events and handles them; false when master is done.
    func step(maximumWait: Int?) throws(SystemError) -> Bool {
        let now = clock()
        if killAt != nil { tellNext() }
        if let killAt {
            if told == .others && children.isEmpty { return false }
            if now >= killAt { killRemaining() }
        }
        for key in supervisor.takeDueWakeups(now: now) { wake(key) }
        if let due = nextSignOfLife, let interval = notifier.watchdogInterval, due <= now {
            if doChildrenAnswer(now: now, interval: interval) { notifier.isAlive() }
            nextSignOfLife = now + interval
        }
        reportReady()
        try waitAndHandle(maximumWait: maximumWait)
        reap()
        return true
    }

    /// Ready is who has bound every listener, which was before this loop, and whose queue manager has opened the queue.
    private func reportReady() {
        guard !isReady, killAt == nil else { return }
        let queue = ServiceKey(name: configuration.main[Parameters.queueServiceName], isInet: false)
        // One that nobody wakes starts when it is needed.
        guard services[queue].map({ $0.policy.wakeup == 0 }) ?? true || supervisor.hasWorkingProcess(queue) else { return }
        isReady = true
        notifier.ready(status: "running")
    }

    // MARK: Events

    private enum Source {
        case signals
        case status(ChildProcess)
        case standardError(ChildProcess)
        case broker(ChildProcess)
        case listener(ServiceKey)
    }

    private func waitAndHandle(maximumWait: Int?) throws(SystemError) {
        var sources: [Source] = [.signals]
        var interests = [Polling.Interest(signals.rawValue, .read)]
        for child in children.values {
            if child.isStatusOpen {
                sources.append(.status(child))
                interests.append(Polling.Interest(child.statusReader, .read))
            }
            if child.isErrorOpen {
                sources.append(.standardError(child))
                interests.append(Polling.Interest(child.errorReader, .read))
            }
            if let broker = child.broker, broker.pausedUntil(now: clock()) == nil {
                sources.append(.broker(child))
                interests.append(Polling.Interest(broker.descriptor, .read))
            }
        }
        for key in supervisor.servicesToWatch(now: clock()) {
            guard let service = services[key] else { continue }
            for descriptor in listeners.descriptors(of: service) {
                sources.append(.listener(key))
                interests.append(Polling.Interest(descriptor, .read))
            }
        }
        for position in try Polling.wait(interests, milliseconds: timeout(maximumWait)) {
            switch sources[position] {
            case .signals: try handleSignals()
            case .status(let child): hear(child)
            case .standardError(let child): logErrors(of: child)
            case .broker(let child): if let warning = child.serveBroker(now: clock()) { log.warning(warning) }
            // One of several listeners of a service may have started a process already in this round.
            case .listener(let key): if supervisor.mayStart(key, now: clock()) { start(key) }
            }
        }
    }

    /// Milliseconds until something is due; rounded up, so that it is due then.
    private func timeout(_ maximumWait: Int?) -> Int? {
        let now = clock()
        var deadlines = [supervisor.nextDeadline(now: now), killAt, nextSignOfLife].compactMap { $0 }
        deadlines += children.values.compactMap { $0.broker?.pausedUntil(now: now) }
        if let maximumWait { deadlines.append(now + Int64(maximumWait) * 1000) }
        // A child that closed its status pipe is about to end. Its SIGCHLD normally says so first; this is the second way to hear of it,
        // with growing pauses for one that lives on.
        for child in children.values where !child.isStatusOpen {
            deadlines.append(now + 10_000 << Int64(min(child.roundsAfterClosing, 10)))
        }
        return deadlines.min().map { Int((max(0, $0 - now) + 999) / 1000) }
    }

    private func handleSignals() throws(SystemError) {
        while let signal = try SignalWait.next(from: signals) {
            switch signal {
            case .hangUp: if killAt == nil { reload() }
            case .terminate, .interrupt: stop(signal)
            default: break  // SIGCHLD: every round reaps
            }
        }
    }

    // MARK: Stopping

    func stop(_ signal: Signal) {
        guard killAt == nil else {
            // Asked again: whoever asks does not want to wait.
            killAt = clock()
            return
        }
        log.info("terminating on signal \(signal.rawValue)")
        notifier.stopping()
        listeners.closeNetwork()
        killAt = clock() + Int64(configuration.main[Parameters.stopTimeout]) * 1_000_000
        tell(.network)
        tellNext()
    }

    private func tell(_ stage: StopStage) {
        told = stage
        supervisor.stop(stage)
        if stage == .others { listeners.close() }
        signalChildren(.terminate) { self.stage(of: $0) == stage }
    }

    /// Goes on with a stop when those that were told have ended (``StopStage``).
    private func tellNext() {
        while let done = told, done < .others, !children.values.contains(where: { stage(of: $0) <= done }) {
            tell(done == .network ? .seekers : .others)
        }
    }

    /// Of a child whose service is gone: it was told to end when it went.
    private func stage(of child: ChildProcess) -> StopStage {
        services[child.key]?.policy.stopStage ?? (child.key.isInet ? .network : .others)
    }

    private func killRemaining() {
        for child in children.values { log.warning("process \(child.command) pid \(child.pid) did not finish in time: killing it") }
        signalChildren(.kill)
        // A process in an uninterruptible wait is not worth waiting for more than once more.
        killAt = clock() + 5_000_000
        if hasKilled { children = [:] }
        hasKilled = true
    }
}
