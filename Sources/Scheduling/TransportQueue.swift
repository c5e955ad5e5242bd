// One transport: its destinations and jobs, and what may be begun.
//
// Which delivery goes next is decided in TransportQueue+Selecting.swift and nowhere else.
// A destination that has room shows the first of its peers of each size of jobs in `ready`; one without room shows nothing. All peers of a
// destination are held up or not together, so the first of `ready` is the first of all that can go, and no decision looks at what is
// held up: each costs O(log n).
// Bounds: destinations are dropped as soon as they are idle, those with a record of failures when that is `deadTime` old.

import HeapModule
import MailModel

/// The state of one transport.
struct TransportQueue {
    /// Recipients that are not to be tried now.
    struct GivenBack {
        let job: Int
        let message: QueueID
        let recipients: [UInt32]
    }
    private struct Alarm: Comparable {
        let at: Int64
        let slot: Int
        static func < (a: Alarm, b: Alarm) -> Bool { a.at < b.at }
    }

    let name: String
    var policy: TransportPolicy
    /// Deliveries in flight.
    var busy = 0
    /// Deliveries that wait.
    var pending = 0
    /// Destinations for which something waits.
    private(set) var waitingDestinations = 0
    /// Set while the transport itself cannot be used.
    private var outage: (until: Int64, cause: SuspensionCause)?
    /// `transport_rate_delay`: nothing is begun before.
    var pausedUntil: Int64 = .min

    var destinations = Slab<DestinationQueue>()
    private var slotOfKey: [String: Int] = [:]
    var jobs = Slab<Job>()
    var peers = Slab<Peer>()
    var turns = SenderTurns()
    private var lastJob: UInt64 = 0
    private var lastStamp: UInt64 = 0
    /// First peers of destinations with room, by size of jobs.
    var ready = [IndexedHeap<Turn>](repeating: IndexedHeap(), count: Job.classes)
    /// Bit i: ``ready``[i] is not empty.
    var readyClasses: UInt32 = 0
    private var alarms = Heap<Alarm>()

    init(name: String, policy: TransportPolicy) {
        self.name = name
        self.policy = policy
    }

    var destinationCount: Int { slotOfKey.count }

    // MARK: Coming in

    /// Whether anything for a destination may be added now.
    mutating func suspension(of destination: Destination, now: Int64) -> SuspensionCause? {
        expireAlarms(now: now)
        if let (until, cause) = outage {
            if now < until { return cause }
            outage = nil
        }
        guard let slot = slotOfKey[destination.key] else { return nil }
        return destinations[slot]?.suspension(now: now)
    }

    /// Adds a job: a message's recipients at destinations that ``suspension(of:now:)`` admits.
    ///
    /// - Returns: its number.
    mutating func add(
        message: QueueID, groups: [(destination: Destination, recipients: [UInt32])], sender: String?, isRetry: Bool, now: Int64
    ) -> Int {
        func limit(_ count: Int) -> Int { policy.recipientLimit > 0 ? policy.recipientLimit : count }
        let total = groups.reduce(0) { $0 + ($1.recipients.count + limit($1.recipients.count) - 1) / limit($1.recipients.count) }
        let (tag, flow) = turns.enter(sender: sender, isRetry: isRetry)
        lastJob += 1
        let job = jobs.insert(Job(message: message, number: lastJob, tag: tag, flow: flow, queued: now, total: total))
        for (destination, recipients) in groups {
            let slot = slot(of: destination)
            let peer = peers.insert(
                Peer(
                    job: job, slot: slot, sizeClass: Job.sizeClass(total), recipients: recipients, limit: limit(recipients.count),
                    turn: Turn(tag: tag, job: lastJob, depth: 0, round: 0)))
            jobs[job]?.peers.append(peer)
            jobs[job]?.livePeers += 1
            change(pendingBy: peers[peer]?.left ?? 0, slot)
            place(peer)
            expose(slot, now: now)
        }
        return job
    }

    private mutating func slot(of destination: Destination) -> Int {
        if let slot = slotOfKey[destination.key] { return slot }
        let slot = destinations.insert(DestinationQueue(destination, policy: policy))
        slotOfKey[destination.key] = slot
        return slot
    }

    /// Puts a peer into the order of its destination under its present turn.
    mutating func place(_ peer: Int) {
        lastStamp += 1
        peers[peer]?.stamp = lastStamp
        guard let placed = peers[peer] else { return }
        destinations[placed.slot]?.insert(
            DestinationQueue.Place(turn: placed.turn, peer: peer, stamp: lastStamp), sizeClass: placed.sizeClass)
    }

    mutating func change(pendingBy difference: Int, _ slot: Int) {
        let before = destinations[slot]?.pending ?? 0
        destinations[slot]?.pending += difference
        pending += difference
        if before == 0 && difference > 0 { waitingDestinations += 1 }
        if before > 0 && before + difference == 0 { waitingDestinations -= 1 }
    }

    /// Shows the first peers of a destination in ``ready``, or takes them away; to be called after every change of it.
    mutating func expose(_ slot: Int, now: Int64) {
        guard let count = destinations[slot]?.classes.count else { return }
        let hasRoom = destinations[slot]?.hasRoom(now: now) == true && destinations[slot]?.death == nil
        for position in 0..<count {
            guard let index = destinations[slot]?.classes[position].number else { continue }
            if hasRoom, let turn = firstTurn(slot, position) { ready[index].set(slot, turn) } else { ready[index].remove(slot) }
            if ready[index].isEmpty { readyClasses &= ~(1 << UInt32(index)) } else { readyClasses |= 1 << UInt32(index) }
        }
        if destinations[slot]?.pending == 0 { destinations[slot]?.classes = [] }
    }

    /// The valid first of one size at a destination, without what is stale before it.
    mutating func firstPeer(_ slot: Int, _ position: Int) -> Int? {
        while let place = destinations[slot]?.classes[position].heap.min {
            if peers[place.peer]?.stamp == place.stamp { return place.peer }
            destinations[slot]?.classes[position].heap.removeMin()
        }
        return nil
    }

    private mutating func firstTurn(_ slot: Int, _ position: Int) -> Turn? {
        guard let peer = firstPeer(slot, position), var turn = peers[peer]?.turn else { return nil }
        if peers[peer]?.isFixed == false { turn.tag = max(turn.tag, destinations[slot]?.tag ?? 0) }
        return turn
    }

    // MARK: Leaving

    /// A delivery of this slot ended. Returns the cause and what is to be given back when the destination died of it.
    mutating func finished(
        slot: Int, feedback: DeliveryFeedback, now: Int64
    ) -> (cause: SuspensionCause, given: [GivenBack])? {
        busy -= 1
        destinations[slot]?.busy -= 1
        if policy.transportRateDelay > 0 { pausedUntil = now + policy.transportRateDelay }
        if policy.destinationRateDelay > 0 {
            destinations[slot]?.pausedUntil = now + policy.destinationRateDelay
            alarms.insert(Alarm(at: now + policy.destinationRateDelay, slot: slot))
        }
        defer { settle(slot, now: now) }
        guard destinations[slot]?.death == nil else {
            // Others of the cohort that ended later. A success is news that the destination lives again.
            if case .reached = feedback { destinations[slot]?.revive() }
            return nil
        }
        switch feedback {
        case .unknown: return nil
        case .reached:
            let inFlight = destinations[slot]?.busy ?? 0
            destinations[slot]?.window.succeeded(busy: inFlight + 1)
            return nil
        case .unreachable(let cause):
            guard destinations[slot]?.window.failed() == true else { return nil }
            destinations[slot]?.death = (now + policy.deadTime, cause)
            return (cause, drain(slot))
        }
    }

    /// The transport cannot be used for `transportRetryTime`. Returns what is to be given back.
    mutating func suspend(
        cause: SuspensionCause, now: Int64
    ) -> [(destination: Destination, given: [GivenBack])] {
        outage = (now + policy.transportRetryTime, cause)
        var all: [(destination: Destination, given: [GivenBack])] = []
        for slot in destinations.indices {
            guard let destination = destinations[slot]?.destination, destinations[slot]?.pending ?? 0 > 0 else { continue }
            all.append((destination, drain(slot)))
            settle(slot, now: now)
        }
        return all
    }

    /// Takes back everything that waits of a job. What was begun stays.
    mutating func withdraw(_ job: Int, now: Int64) -> [UInt32] {
        var recipients: [UInt32] = []
        for peer in jobs[job]?.peers ?? [] where peers[peer]?.job == job {
            guard let slot = peers[peer]?.slot else { continue }
            recipients += takeBack(peer)
            settle(slot, now: now)
        }
        return recipients
    }

    private mutating func drain(_ slot: Int) -> [GivenBack] {
        var given: [GivenBack] = []
        var places: [DestinationQueue.Place] = []
        for sizeClass in destinations[slot]?.classes ?? [] { places += sizeClass.heap.unordered }
        for place in places.sorted() where peers[place.peer]?.stamp == place.stamp {
            guard let job = peers[place.peer]?.job, let message = jobs[job]?.message else { continue }
            given.append(GivenBack(job: job, message: message, recipients: takeBack(place.peer)))
        }
        return given
    }

    /// Removes a peer with all that waits of it.
    private mutating func takeBack(_ peer: Int) -> [UInt32] {
        guard let taken = peers[peer] else { return [] }
        change(pendingBy: -taken.left, taken.slot)
        jobs[taken.job]?.selected += taken.left
        close(peer)
        return Array(taken.recipients[taken.next...])
    }

    /// Forgets a peer of which nothing waits; a job without peers stays for the caller to remove.
    mutating func close(_ peer: Int) {
        guard let job = peers[peer]?.job else { return }
        jobs[job]?.livePeers -= 1
        peers.remove(peer)
    }

    /// Forgets a job of which nothing waits.
    mutating func remove(job: Int) {
        guard let gone = jobs[job] else { return }
        if !gone.hasBegun { turns.leave(flow: gone.flow) }
        jobs.remove(job)
    }

    // MARK: Destinations

    func destination(of slot: Int) -> Destination? { destinations[slot]?.destination }
    func window(ofKey key: String) -> (size: Int, busy: Int, pending: Int)? {
        guard let slot = slotOfKey[key], let queue = destinations[slot] else { return nil }
        return (queue.window.size, queue.busy, queue.pending)
    }

    /// Ends outages and revives destinations, as a flush asks for.
    mutating func reviveAll(now: Int64) {
        outage = nil
        for slot in destinations.indices where destinations[slot]?.death != nil {
            destinations[slot]?.revive()
            settle(slot, now: now)
        }
    }

    /// As ``reviveAll(now:)``, for one destination and the transport itself.
    mutating func revive(key: String, now: Int64) {
        outage = nil
        guard let slot = slotOfKey[key], destinations[slot]?.death != nil else { return }
        destinations[slot]?.revive()
        settle(slot, now: now)
    }

    /// After a change of a destination: what it has to offer, and whether it can be forgotten.
    mutating func settle(_ slot: Int, now: Int64) {
        expose(slot, now: now)
        guard destinations[slot]?.isIdle == true, let queue = destinations[slot] else { return }
        if queue.death == nil && queue.window.failedCohorts == 0 && queue.pausedUntil <= now {
            slotOfKey[queue.destination.key] = nil
            destinations.remove(slot)
        } else {
            let record = queue.window.failedCohorts == 0 && queue.death == nil ? .min : now + policy.deadTime
            let time = max(queue.pausedUntil, record)
            destinations[slot]?.forgetAt = time
            alarms.insert(Alarm(at: time, slot: slot))
        }
    }

    // MARK: Time

    /// Ends pauses and forgets what is long over.
    mutating func expireAlarms(now: Int64) {
        while let alarm = alarms.min, alarm.at <= now {
            alarms.removeMin()
            // The slot may have been used since, or belong to another destination by now; its own note decides then.
            guard let queue = destinations[alarm.slot] else { continue }
            if !queue.isIdle {
                expose(alarm.slot, now: now)
            } else if queue.forgetAt <= now {
                slotOfKey[queue.destination.key] = nil
                destinations.remove(alarm.slot)
            }
        }
    }

    /// When something that waits can go because time has passed; nil where only the end of a delivery helps.
    func nextWakeUp(now: Int64) -> Int64? {
        guard pending > 0 else { return nil }
        if policy.transportRateDelay > 0 && busy == 0 && pausedUntil > now { return pausedUntil }
        guard policy.destinationRateDelay > 0, let alarm = alarms.min else { return nil }
        return max(alarm.at, now)
    }
}
