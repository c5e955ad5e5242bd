// The life of master after start-up: one thread, one poll(2), no work that can wait for anything else.
//
// Known limit: names in inet_interfaces are looked up at a reload, which may wait for DNS; addresses do not.

import MailConfiguration
import MailLog
import SystemKit

/// The running master.
final class MasterLoop {
    private var configuration: MasterConfiguration
    /// The text of `configuration`, for children.
    private var configurationMemory: FileDescriptor
    /// How often the files were read.
    private var attempts = 0
    private var inUseSince = 0
    private var services: [ServiceKey: ServiceDefinition] = [:]
    private var supervisor: Supervisor
    private var listeners: ListenerSet
    private var children: [Int32: ChildProcess] = [:]
    /// The locks of services that may have one process only, kept once taken.
    private var locks: [ServiceKey: ServiceLock] = [:]
    private var waitsForLock: Set<ServiceKey> = []
    private let signals: FileDescriptor
    private let lifetime: PipeEnds
    private let log: MailLog
    private let notifier: ServiceManagerNotifier
    private let isDebugging: Bool
    private let clock: () -> Int64
    /// When the children that are left are killed; nil until a stop.
    private var killAt: Int64?
    private var hasKilled = false
    private var hasToldAll = false
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

    private static func memory(_ configuration: MasterConfiguration) throws(SystemError) -> FileDescriptor {
        try SealedMemory.make("configuration", configuration.snapshot.encoded)
    }

    /// Runs until a signal ends it and all children are gone.
    func run() throws(SystemError) {
        while try step(maximumWait: nil) {}
    }

    /// Waits for one round of events and handles them; false when master is done.
    func step(maximumWait: Int?) throws(SystemError) -> Bool {
        let now = clock()
        if killAt != nil { stopOthersWhenNetworkIsDone() }
        if let killAt {
            if hasToldAll && children.isEmpty { return false }
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

    private func reap() {
        for (pid, child) in children {
            let status: ProcessStatus
            do throws(SystemError) {
                guard let ended = try ProcessSpawn.poll(pid) else {
                    if !child.isStatusOpen { child.roundsAfterClosing += 1 }
                    continue
                }
                status = ended
            } catch {
                // No such child: somebody else reaped it. That it is gone is certain, how it ended is not.
                status = .exited(0)
            }
            hear(child)
            logErrors(of: child)
            children[pid] = nil
            warn(supervisor.childEnded(pid, status, now: clock()))
        }
    }

    private func hear(_ child: ChildProcess) {
        for report in child.takeReports() {
            child.note(report, now: clock())
            warn(supervisor.childReported(child.pid, report, now: clock()))
        }
    }

    /// Whether every program whose event loop has ever given a sign of life still does. A service manager that hears nothing starts all anew.
    private func doChildrenAnswer(now: Int64, interval: Int64) -> Bool {
        var allAnswer = true
        for child in children.values where child.isSilent(now: now, limit: 2 * interval) {
            allAnswer = false
            if child.isNewlySilent() {
                log.warning("process \(child.command) pid \(child.pid) does not answer: the watchdog is not told of life")
            }
        }
        return allAnswer
    }

    private func logErrors(of child: ChildProcess) {
        for line in child.takeErrorLines() { log.warning("process \(child.command) pid \(child.pid): \(line)") }
    }

    private func warn(_ lines: [String]) { for line in lines { log.warning(line) } }

    // MARK: Actions

    private func start(_ key: ServiceKey) {
        guard let service = services[key] else { return }
        do throws(SystemError) {
            guard try hasLockIfNeeded(service) else { return }
            let environment = ChildEnvironment.make(configuration.main[Parameters.importEnvironment]) {
                ProcessSpawn.environmentVariable($0)
            }
            let child = try ChildProcess.start(
                service, listeners: listeners.descriptors(of: service), lock: locks[key]?.rawValue,
                configuration: configurationMemory.rawValue, lifetime: lifetime.read.rawValue, environment: environment,
                livenessInterval: notifier.watchdogInterval.map { $0 / 2 },
                inheritsStandardOutput: configuration.main[Parameters.maillogFile] == "/dev/stdout", inheritsStandardError: isDebugging)
            children[child.pid] = child
            supervisor.childStarted(child.pid, of: key, now: clock())
        } catch {
            log.warning("\(error)")
            warn(supervisor.startFailed(key, now: clock()))
        }
    }

    /// Takes the lock of a service that may have one process only; false, with a later try, while somebody else has it.
    private func hasLockIfNeeded(_ service: ServiceDefinition) throws(SystemError) -> Bool {
        guard service.policy.isExclusive, locks[service.key] == nil else { return true }
        locks[service.key] = try ServiceLock(service.key, queueDirectory: configuration.queueDirectory)
        if locks[service.key] != nil {
            waitsForLock.remove(service.key)
            return true
        }
        if waitsForLock.insert(service.key).inserted {
            log.warning("service \(service.key.name): waiting for the process of an earlier master to finish")
        }
        supervisor.postpone(service.key, until: clock() + 200_000)
        return false
    }

    /// Connects to a service and closes again: to the program that is a wake-up, and where none runs it is a reason to start one.
    private func wake(_ key: ServiceKey) {
        guard let service = services[key] else { return }
        for case .unix(let path) in service.endpoints {
            do throws(SystemError) {
                _ = try Sockets.connectUnix(path: path, isNonBlocking: true)
            } catch {
                // A full queue of connections wakes the service just as well.
                if !error.isWouldBlock { log.warning("wake up service \(key.name): \(error)") }
            }
        }
    }

    /// Takes new files into use; keeps everything as it is, for children that are still to come too, when they have an error.
    func reload() {
        notifier.reloading(monotonic: clock())
        let refusals = takeNewFiles()
        for refusal in refusals { log.error(refusal) }
        if !refusals.isEmpty { log.error("reload: the old configuration stays in use") }
        report(refusals: refusals)
        let word = "running; the last reload was refused, the old configuration is in use"
        notifier.ready(status: refusals.isEmpty ? "running" : word)
    }

    /// Says what became of the files, for `martlet reload` and `martlet status`.
    private func report(refusals: [String]) {
        attempts += 1
        if refusals.isEmpty { inUseSince = Int(SystemClock.now() / 1_000_000) }
        let report = ReloadReport(
            processID: Int(ProcessSpawn.currentProcessID), attempt: attempts, inUseSince: inUseSince, refusals: refusals)
        do throws(SystemError) {
            try report.write(queueDirectory: configuration.queueDirectory)
        } catch {
            log.warning("cannot note the state of the configuration: \(error)")
        }
    }

    /// Reads the files and takes them into use; returns why not.
    private func takeNewFiles() -> [String] {
        let fresh: MasterConfiguration
        do { fresh = try MasterConfiguration.load(directory: configuration.directory) } catch { return error.problems.map(\.description) }
        if fresh.queueDirectory != configuration.queueDirectory {
            return ["reload: queue_directory cannot change while the mail system runs"]
        }
        do throws(SystemError) {
            let memory = try Self.memory(fresh)
            try listeners.update(fresh.services)
            configurationMemory = memory
        } catch {
            return ["reload: \(error)"]
        }
        // A moved log file is let go of; children open the new one when they start anew.
        do throws(SystemError) { try log.reopen() } catch { log.warning("cannot open the log again: \(error)") }
        for warning in fresh.main.warnings { log.warning(warning.description) }
        configuration = fresh
        services = Dictionary(fresh.services.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        signalChildren(.hangUp)
        supervisor.drainAll()
        supervisor.configure(fresh.services.map(\.policy), now: clock())
        log.info("reload -- version \(fresh.main[Parameters.mailVersion]), configuration \(fresh.directory)")
        return []
    }

    func stop(_ signal: Signal) {
        guard killAt == nil else {
            // Asked again: whoever asks does not want to wait.
            killAt = clock()
            return
        }
        log.info("terminating on signal \(signal.rawValue)")
        notifier.stopping()
        supervisor.stopNetwork()
        listeners.closeNetwork()
        signalChildren(.terminate) { $0.key.isInet }
        killAt = clock() + Int64(configuration.main[Parameters.stopTimeout]) * 1_000_000
        stopOthersWhenNetworkIsDone()
    }

    /// The second half of a stop. A message whose last byte comes now is still taken: for that smtpd needs cleanup until its sessions end.
    private func stopOthersWhenNetworkIsDone() {
        guard !hasToldAll, !children.values.contains(where: \.key.isInet) else { return }
        hasToldAll = true
        supervisor.stop()
        listeners.close()
        signalChildren(.terminate)
    }

    private func killRemaining() {
        for child in children.values { log.warning("process \(child.command) pid \(child.pid) did not finish in time: killing it") }
        signalChildren(.kill)
        // A process in an uninterruptible wait is not worth waiting for more than once more.
        killAt = clock() + 5_000_000
        if hasKilled { children = [:] }
        hasKilled = true
    }

    /// Signals children, all or some. They are not reaped yet, so no id can belong to a stranger.
    private func signalChildren(_ signal: Signal, where isMeant: (ChildProcess) -> Bool = { _ in true }) {
        for (pid, child) in children where isMeant(child) {
            do throws(SystemError) { try ProcessSpawn.kill(pid, signal) } catch { log.warning("\(error)") }
        }
    }

    /// How many children there are.
    var childCount: Int { children.count }
}
