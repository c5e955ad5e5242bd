// The policy of supervision as a state machine: who may be started, who is left alone for a while, when a service is woken.
//
// Pure: no system call and no clock; the time of every event is passed in (microseconds that never jump back), so that tests are exact.
// Known limit: process ids are taken as unique among living children, which the kernel guarantees until they are reaped.

import SystemKit

/// The state of all services and children, and the decisions that follow from it.
struct Supervisor {
    private struct Service {
        var policy: ServicePolicy
        var total = 0
        var available = 0
        /// Those of `total` that take no more work.
        var draining = 0
        var throttledUntil: Int64?
        var nextWakeup: Int64?
        var quickFailures = 0
        var warnsOfLimitFrom = Int64.min
    }

    private struct Child {
        let key: ServiceKey
        let startedAt: Int64
        var isAvailable = true
        var hasReported = false
        var isDraining = false
    }

    /// A child that reported and then failed within this time failed quickly. Microseconds.
    static let quickFailureTime: Int64 = 60_000_000
    /// So many quick failures in a row are taken for accidents.
    static let toleratedQuickFailures = 3
    /// How many times its limit of processes a service has at most, with those that are finishing.
    static let generations = 4
    /// The process limit is not reported more often than this. Microseconds, as in Postfix.
    static let limitWarningInterval: Int64 = 1_000_000_000

    private var services: [ServiceKey: Service] = [:]
    private var children: [Int32: Child] = [:]
    private var stopped: StopStage?
    private var isStopping: Bool { stopped == .others }

    init(policies: [ServicePolicy], now: Int64) { configure(policies, now: now) }

    // MARK: Configuration

    /// Takes a new set of services. Children of services that are gone stay known until they end.
    mutating func configure(_ policies: [ServicePolicy], now: Int64) {
        var fresh: [ServiceKey: Service] = [:]
        for policy in policies {
            var service = services[policy.key] ?? Service(policy: policy)
            service.policy = policy
            // A reload is the administrator's word that the cause of a failure is gone.
            service.throttledUntil = nil
            service.quickFailures = 0
            let mayWake = policy.wakeup > 0 && (!policy.wakesOnlyAfterUse || service.total > 0)
            service.nextWakeup = mayWake ? now : nil
            fresh[policy.key] = service
        }
        services = fresh
    }

    /// All children were told to finish: they take no more connections. Only where the service is exclusive does a successor wait for their end.
    mutating func drainAll() {
        for pid in children.keys { drain(pid) }
    }

    private mutating func drain(_ pid: Int32) {
        guard let child = children[pid], !child.isDraining else { return }
        if child.isAvailable { services[child.key]?.available -= 1 }
        services[child.key]?.draining += 1
        children[pid]?.isAvailable = false
        children[pid]?.isDraining = true
    }

    /// Nothing of this stage, nor of those before it, is started or woken from here on; the others are, for those that finish.
    mutating func stop(_ stage: StopStage) { stopped = stage }

    private func isStopped(_ policy: ServicePolicy) -> Bool { stopped.map { policy.stopStage <= $0 } ?? false }

    // MARK: Decisions

    /// Services whose listeners are to be watched: a connection there means that a process has to be started.
    func servicesToWatch(now: Int64) -> [ServiceKey] {
        if isStopping { return [] }
        return services.values.filter { mayStart($0, now: now) }.map(\.policy.key).sorted()
    }

    /// Whether one more process of a service may be started now.
    func mayStart(_ key: ServiceKey, now: Int64) -> Bool {
        guard !isStopping, let service = services[key] else { return false }
        return mayStart(service, now: now)
    }

    private func mayStart(_ service: Service, now: Int64) -> Bool {
        if isStopped(service.policy) { return false }
        guard service.available == 0 && !isThrottled(service, now: now) else { return false }
        guard let limit = service.policy.processLimit else { return true }
        if service.policy.isExclusive { return service.total < limit }
        // Sessions may go on for long after a reload, and new clients shall not wait for them; but each reload must not add processes for ever.
        return service.total - service.draining < limit && service.total < limit * Self.generations
    }

    private func isThrottled(_ service: Service, now: Int64) -> Bool { service.throttledUntil.map { $0 > now } ?? false }

    /// Services that are due to be woken now; their next wake-up is set. Those that are left alone miss their turn.
    mutating func takeDueWakeups(now: Int64) -> [ServiceKey] {
        if isStopping { return [] }
        var due: [ServiceKey] = []
        for (key, service) in services {
            guard let at = service.nextWakeup, at <= now, !isStopped(service.policy) else { continue }
            services[key]?.nextWakeup = now + Int64(service.policy.wakeup) * 1_000_000
            if !isThrottled(service, now: now) { due.append(key) }
        }
        return due.sorted()
    }

    /// The time of the next decision that needs no event; nil for none.
    func nextDeadline(now: Int64) -> Int64? {
        if isStopping { return nil }
        let going = services.values.filter { !isStopped($0.policy) }
        return going.flatMap { [$0.throttledUntil.flatMap { $0 > now ? $0 : nil }, $0.nextWakeup] }.compactMap { $0 }.min()
    }

    // MARK: Events

    /// A process was started. It counts as available until it says otherwise.
    mutating func childStarted(_ pid: Int32, of key: ServiceKey, now: Int64) {
        children[pid] = Child(key: key, startedAt: now)
        services[key]?.total += 1
        services[key]?.available += 1
        if let service = services[key], service.policy.wakeup > 0, service.nextWakeup == nil {
            services[key]?.nextWakeup = now + Int64(service.policy.wakeup) * 1_000_000
        }
    }

    /// A process could not even be started.
    mutating func startFailed(_ key: ServiceKey, now: Int64) -> [String] {
        throttle(key, now: now)
        return services[key].map { ["\($0.policy.command): bad command startup -- throttling"] } ?? []
    }

    /// A process cannot be started yet, through no fault of its service.
    mutating func postpone(_ key: ServiceKey, until: Int64) { services[key]?.throttledUntil = until }

    /// A child said how it is. Returns warnings for the log.
    mutating func childReported(_ pid: Int32, _ report: ChildReport, now: Int64) -> [String] {
        guard let child = children[pid], !child.isDraining else { return [] }
        if report == .alive { return [] }
        children[pid]?.hasReported = true
        if report == .draining {
            drain(pid)
            return []
        }
        let isAvailable = report == .available
        if isAvailable == child.isAvailable { return [] }
        children[pid]?.isAvailable = isAvailable
        services[child.key]?.available += isAvailable ? 1 : -1
        return limitWarnings(child.key, now: now)
    }

    /// A child has ended. Returns warnings for the log.
    mutating func childEnded(_ pid: Int32, _ status: ProcessStatus, now: Int64) -> [String] {
        guard let child = children.removeValue(forKey: pid) else { return [] }
        services[child.key]?.total -= 1
        if child.isDraining { services[child.key]?.draining -= 1 }
        if child.isAvailable { services[child.key]?.available -= 1 }
        guard let service = services[child.key] else { return status.isSuccess ? [] : ["process pid \(pid) \(Self.text(status))"] }
        if status.isSuccess {
            services[child.key]?.quickFailures = 0
            return []
        }
        let isTold = isStopped(service.policy)
        // That is what a program without anything to finish does when it is told to stop.
        if isTold && status == .killed(signal: Signal.terminate.rawValue) { return [] }
        var warnings = ["process \(service.policy.command) pid \(pid) \(Self.text(status))"]
        if isTold || child.isDraining { return warnings }
        // Work may wait that nobody will tell it of again: the queue, for qmgr. It must not wait for the next turn, minutes away.
        defer {
            let next = services[child.key]?.throttledUntil ?? now
            if service.policy.wakeup > 0 { services[child.key]?.nextWakeup = next }
        }
        if !child.hasReported {
            throttle(child.key, now: now)
            return warnings + ["\(service.policy.command): bad command startup -- throttling"]
        }
        defer { wakeAfterFailure(child.key, now: now) }
        guard now - child.startedAt < Self.quickFailureTime else {
            services[child.key]?.quickFailures = 0
            return warnings
        }
        // It works and then fails, again and again: the pauses grow, so that one bad message does not cost all the processor's time.
        let failures = service.quickFailures + 1
        services[child.key]?.quickFailures = failures
        let excess = failures - Self.toleratedQuickFailures
        if excess > 0 {
            let pause = min(Int64(service.policy.throttleTime) * 1_000_000, 500_000 << Int64(min(excess, 20)))
            services[child.key]?.throttledUntil = now + pause
            warnings.append("\(service.policy.command): failed \(failures) times in a row -- throttling for \(pause / 1_000_000)s")
        }
        return warnings
    }

    /// A process that failed may have left work that nobody else tells its successor of: a service that is woken from time to time is woken
    /// as soon as it may run.
    private mutating func wakeAfterFailure(_ key: ServiceKey, now: Int64) {
        guard let service = services[key], service.policy.wakeup > 0 else { return }
        services[key]?.nextWakeup = max(now, service.throttledUntil ?? now)
    }

    private mutating func throttle(_ key: ServiceKey, now: Int64) {
        guard let service = services[key] else { return }
        services[key]?.throttledUntil = now + Int64(service.policy.throttleTime) * 1_000_000
    }

    private mutating func limitWarnings(_ key: ServiceKey, now: Int64) -> [String] {
        guard let service = services[key], key.isInet, service.available == 0, let limit = service.policy.processLimit,
            service.total - service.draining >= limit, now >= service.warnsOfLimitFrom
        else { return [] }
        services[key]?.warnsOfLimitFrom = now + Self.limitWarningInterval
        return [
            "service \"\(key.name)\" has reached its process limit \"\(limit)\": new clients may experience noticeable delays",
            "to avoid this condition, increase the process count in master.cf or reduce the service time per client",
        ]
    }

    private static func text(_ status: ProcessStatus) -> String {
        switch status {
        case .exited(let code): "exit status \(code)"
        case .killed(let signal): "killed by signal \(signal)"
        }
    }

    // MARK: Facts

    /// Whether a process of a service has said that it works.
    func hasWorkingProcess(_ key: ServiceKey) -> Bool { children.values.contains { $0.key == key && $0.hasReported && $0.isAvailable } }

    /// The ids of all children that have not been reaped.
    var processIDs: [Int32] { children.keys.sorted() }

    func processCount(of key: ServiceKey) -> Int { services[key]?.total ?? 0 }
    func availableCount(of key: ServiceKey) -> Int { services[key]?.available ?? 0 }
}
