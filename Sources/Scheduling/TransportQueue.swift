// One transport: its destinations, in a ring that is served in turn, so that a destination with ten thousand messages does not hold up one
// with a single message.
//
// Which entry goes next is decided here and nowhere else: the preemptive scheduler of Postfix (jobs, delivery slots) replaces `select`.
// Bounds: destinations are dropped as soon as they are idle, those with a record of failures when that is `deadTime` old.

/// The state of one transport.
struct TransportQueue {
    let name: String
    private(set) var policy: TransportPolicy
    /// Deliveries in flight.
    private(set) var busy = 0
    private(set) var pending = 0
    /// Set while the transport itself cannot be used.
    private var outage: (until: Int64, cause: SuspensionCause)?

    private var slots: [DestinationQueue?] = []
    private var freeSlots: [Int] = []
    private var slotOfKey: [String: Int] = [:]
    private var ring = FirstInFirstOut<Int>()
    /// Idle destinations to be forgotten, by time.
    private var dormant = FirstInFirstOut<(slot: Int, at: Int64)>()

    init(name: String, policy: TransportPolicy) {
        self.name = name
        self.policy = policy
    }

    var isIdle: Bool { busy == 0 && pending == 0 && outage == nil && slotOfKey.isEmpty }
    var destinationCount: Int { slotOfKey.count }

    /// Whether entries for a destination may be added now.
    enum Admission {
        case admitted(slot: Int)
        case suspended(SuspensionCause)
    }

    /// The slot of a destination, made if there is none; or why nothing may be added for it now. What is admitted must be enqueued at once:
    /// an idle destination is not kept.
    mutating func admit(_ destination: Destination, now: Int64) -> Admission {
        forgetDormant(now: now)
        if let (until, cause) = outage {
            if now < until { return .suspended(cause) }
            outage = nil
        }
        if let slot = slotOfKey[destination.key] {
            if let cause = slots[slot]?.suspension(now: now) { return .suspended(cause) }
            return .admitted(slot: slot)
        }
        let fresh = DestinationQueue(destination, policy: policy)
        let slot: Int
        if let free = freeSlots.popLast() {
            slots[free] = fresh
            slot = free
        } else {
            slots.append(fresh)
            slot = slots.count - 1
        }
        slotOfKey[destination.key] = slot
        return .admitted(slot: slot)
    }

    mutating func enqueue(_ entry: UInt64, in slot: Int) {
        slots[slot]?.waiting.append(entry)
        slots[slot]?.pending += 1
        pending += 1
        joinRing(slot)
    }

    /// An entry of this slot was withdrawn; its number stays in the queue and is skipped.
    mutating func withdrawn(from slot: Int, now: Int64) {
        slots[slot]?.pending -= 1
        pending -= 1
        settle(slot, now: now)
    }

    /// The next entry to deliver, nil where every window or the transport itself is full. What is not among `entries` was withdrawn.
    mutating func select<Entry>(now: Int64, among entries: [UInt64: Entry]) -> (entry: UInt64, slot: Int)? {
        if policy.processLimit > 0 && busy >= policy.processLimit { return nil }
        while let slot = ring.popFirst() {
            slots[slot]?.isInRing = false
            guard slots[slot]?.hasRoom == true else {
                settle(slot, now: now)
                continue
            }
            while let entry = slots[slot]?.waiting.popFirst() {
                guard entries[entry] != nil else { continue }
                slots[slot]?.pending -= 1
                slots[slot]?.busy += 1
                pending -= 1
                busy += 1
                joinRing(slot)
                return (entry, slot)
            }
        }
        return nil
    }

    /// A delivery of this slot ended. Returns the cause and the entries to give back when the destination died of it.
    mutating func finished(slot: Int, feedback: DeliveryFeedback, now: Int64) -> (cause: SuspensionCause, entries: [UInt64])? {
        busy -= 1
        slots[slot]?.busy -= 1
        defer {
            joinRing(slot)
            settle(slot, now: now)
        }
        guard slots[slot]?.death == nil else {
            // Others of the cohort that ended later. A success is news that the destination lives again.
            if case .reached = feedback {
                slots[slot]?.death = nil
                slots[slot]?.window.reset()
            }
            return nil
        }
        switch feedback {
        case .unknown: return nil
        case .reached:
            let inFlight = slots[slot]?.busy ?? 0
            slots[slot]?.window.succeeded(busy: inFlight + 1)
            return nil
        case .unreachable(let cause):
            guard slots[slot]?.window.failed() == true else { return nil }
            slots[slot]?.death = (now + policy.deadTime, cause)
            return (cause, drain(slot))
        }
    }

    /// The transport cannot be used for `transportRetryTime`. Returns the entries to give back.
    mutating func suspend(cause: SuspensionCause, now: Int64) -> [(destination: Destination, entries: [UInt64])] {
        outage = (now + policy.transportRetryTime, cause)
        var given: [(destination: Destination, entries: [UInt64])] = []
        for slot in slots.indices {
            guard let queue = slots[slot], queue.pending > 0 else { continue }
            given.append((queue.destination, drain(slot)))
            settle(slot, now: now)
        }
        return given
    }

    func destination(of slot: Int) -> Destination? { slots[slot]?.destination }
    func window(ofKey key: String) -> (size: Int, busy: Int, pending: Int)? {
        guard let slot = slotOfKey[key], let queue = slots[slot] else { return nil }
        return (queue.window.size, queue.busy, queue.pending)
    }

    /// Ends outages and revives destinations, as a flush asks for.
    mutating func reviveAll(now: Int64) {
        outage = nil
        for slot in slots.indices where slots[slot]?.death != nil {
            slots[slot]?.death = nil
            slots[slot]?.window.reset()
            settle(slot, now: now)
        }
    }

    /// As ``reviveAll(now:)``, for one destination and the transport itself.
    mutating func revive(key: String, now: Int64) {
        outage = nil
        guard let slot = slotOfKey[key], slots[slot]?.death != nil else { return }
        slots[slot]?.death = nil
        slots[slot]?.window.reset()
        settle(slot, now: now)
    }

    mutating func setProcessLimit(_ limit: Int) { policy.processLimit = max(0, limit) }

    private mutating func drain(_ slot: Int) -> [UInt64] {
        var entries: [UInt64] = []
        while let entry = slots[slot]?.waiting.popFirst() { entries.append(entry) }
        pending -= slots[slot]?.pending ?? 0
        slots[slot]?.pending = 0
        return entries
    }

    private mutating func joinRing(_ slot: Int) {
        guard slots[slot]?.hasRoom == true, slots[slot]?.isInRing == false else { return }
        slots[slot]?.isInRing = true
        ring.append(slot)
    }

    /// Drops a destination that is idle, or notes when to drop it.
    private mutating func settle(_ slot: Int, now: Int64) {
        guard let queue = slots[slot], queue.isIdle, !queue.isInRing else { return }
        if queue.death == nil && queue.window.failedCohorts == 0 {
            drop(slot, key: queue.destination.key)
        } else {
            let at = now + policy.deadTime
            slots[slot]?.forgetAt = at
            dormant.append((slot, at))
        }
    }

    private mutating func drop(_ slot: Int, key: String) {
        slots[slot] = nil
        slotOfKey[key] = nil
        freeSlots.append(slot)
    }

    private mutating func forgetDormant(now: Int64) {
        while let (slot, at) = dormant.first, at <= now {
            _ = dormant.popFirst()
            // The slot may have been used since, or belong to another destination by now; its own note decides then.
            guard let queue = slots[slot], queue.isIdle, !queue.isInRing, queue.forgetAt <= now else { continue }
            drop(slot, key: queue.destination.key)
        }
    }
}
