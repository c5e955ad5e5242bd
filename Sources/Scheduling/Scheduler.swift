// What is delivered where, when, and how many at a time. Pure: the clock is an argument, nothing is read or written.
//
// A message's recipients are a job for each transport, the recipients of a job at one destination are cut into deliveries of at most the
// transport's recipient limit. Transports are served in turn; within a transport senders and destinations have their turns, and small
// jobs may go before large ones (Turn.swift, TransportQueue+Selecting.swift). A destination that could not be reached too often is dead
// for a while: what waits for it is given back at once, to be deferred without an attempt, and so is what is added.
//
// Every recipient leaves in exactly one way: in a Delivery, in a Suspension, or withdrawn with its message. The tests hold it to that.
// ARCHITECTURE.md, "The scheduler", states the bounds.
// Limits: memory is bounded by what is added; the queue manager bounds that (qmgr_message_active_limit).

public import MailModel

/// The scheduler of the queue manager.
public struct Scheduler {
    private struct Place: Hashable {
        let transport: Int
        /// A job in ``jobsOfMessage``, a destination's slot in ``inFlight``.
        let number: Int
    }

    private let policyOf: @Sendable (String) -> TransportPolicy
    private var transports: [TransportQueue] = []
    private var transportOfName: [String: Int] = [:]
    /// The transport that is asked first next time.
    private var cursor = 0
    /// Jobs of which something waits, by message.
    private var jobsOfMessage: [QueueID: [Place]] = [:]
    private var inFlight: [UInt64: Place] = [:]
    private var lastID: UInt64 = 0

    /// - Parameter policy: the limits of a transport by its name; asked once for each name.
    public init(policy: @escaping @Sendable (String) -> TransportPolicy) { policyOf = policy }

    /// Deliveries that wait.
    public var waitingCount: Int { transports.reduce(0) { $0 + $1.pending } }
    /// Deliveries handed out and not yet finished.
    public var inFlightCount: Int { inFlight.count }
    /// Destinations that are remembered.
    public var destinationCount: Int { transports.reduce(0) { $0 + $1.destinationCount } }

    /// Deliveries in flight for one transport.
    public func busy(transport: String) -> Int { transportOfName[transport].map { transports[$0].busy } ?? 0 }

    /// The window of a destination, with what is in flight and what waits; nil where nothing is known about it.
    public func window(of destination: Destination) -> (size: Int, busy: Int, pending: Int)? {
        transportOfName[destination.transport].flatMap { transports[$0].window(ofKey: destination.key) }
    }

    /// Adds recipients of a message. Returns those that cannot be tried now because their destination is dead or their transport unusable.
    ///
    /// May be called again for the same message with other recipients.
    ///
    /// - Parameters:
    ///   - sender: whose turn the message takes; nil makes it a sender of its own.
    ///   - isRetry: not the first attempt; new mail goes before, within bounds.
    public mutating func add(
        message: QueueID, recipients: [RecipientPlacement], sender: String? = nil, isRetry: Bool = false, now: Int64
    ) -> [Suspension] {
        var order: [Destination] = []
        var groups: [Destination: [UInt32]] = [:]
        for placement in recipients {
            if groups[placement.destination] == nil { order.append(placement.destination) }
            groups[placement.destination, default: []].append(placement.recipient)
        }
        var suspensions: [Suspension] = []
        var admitted: [Int: [(destination: Destination, recipients: [UInt32])]] = [:]
        for destination in order {
            let group = groups[destination] ?? []
            let transport = transportIndex(destination.transport)
            if let cause = transports[transport].suspension(of: destination, now: now) {
                suspensions.append(Suspension(message: message, destination: destination, recipients: group, cause: cause))
            } else {
                admitted[transport, default: []].append((destination, group))
            }
        }
        for (transport, groups) in admitted.sorted(by: { $0.key < $1.key }) {
            let job = transports[transport].add(message: message, groups: groups, sender: sender, isRetry: isRetry, now: now)
            jobsOfMessage[message, default: []].append(Place(transport: transport, number: job))
        }
        return suspensions
    }

    /// The next delivery to make, nil while every limit is reached or nothing waits. Call until nil after every change, and at
    /// ``nextWakeUp(now:)``.
    public mutating func nextDelivery(now: Int64) -> Delivery? {
        for step in 0..<transports.count {
            let transport = (cursor + step) % transports.count
            guard transports[transport].pending > 0 else { continue }
            guard let (job, slot, recipients) = transports[transport].select(now: now),
                let message = transports[transport].jobs[job]?.message,
                let destination = transports[transport].destination(of: slot)
            else { continue }
            cursor = (transport + 1) % transports.count
            removeIfDone(job, transport, message)
            lastID += 1
            inFlight[lastID] = Place(transport: transport, number: slot)
            return Delivery(id: lastID, message: message, destination: destination, recipients: recipients)
        }
        return nil
    }

    /// When something can be begun because time has passed (rate delays); nil where only the end of a delivery helps.
    public func nextWakeUp(now: Int64) -> Int64? { transports.compactMap { $0.nextWakeUp(now: now) }.min() }

    /// A delivery ended. Returns what is to be deferred without an attempt because the destination died of it.
    public mutating func finished(_ id: UInt64, feedback: DeliveryFeedback, now: Int64) -> [Suspension] {
        guard let flight = inFlight.removeValue(forKey: id),
            let destination = transports[flight.transport].destination(of: flight.number),
            let (cause, given) = transports[flight.transport].finished(slot: flight.number, feedback: feedback, now: now)
        else { return [] }
        return giveBack(given, of: flight.transport, destination: destination, cause: cause)
    }

    /// A transport cannot be used at all (its service does not answer). Returns everything that waits for it; what is added within the
    /// transport's retry time comes back at once.
    public mutating func suspend(transport name: String, cause: SuspensionCause, now: Int64) -> [Suspension] {
        let transport = transportIndex(name)
        var suspensions: [Suspension] = []
        for (destination, given) in transports[transport].suspend(cause: cause, now: now) {
            suspensions += giveBack(given, of: transport, destination: destination, cause: cause)
        }
        return suspensions
    }

    /// Withdraws what waits of a message (deleted, put on hold). Deliveries in flight are not touched: they must still be finished.
    ///
    /// - Returns: indices of the recipients withdrawn.
    public mutating func withdraw(message: QueueID, now: Int64) -> [UInt32] {
        var recipients: [UInt32] = []
        for place in jobsOfMessage.removeValue(forKey: message) ?? [] {
            recipients += transports[place.transport].withdraw(place.number, now: now)
            transports[place.transport].remove(job: place.number)
        }
        return recipients
    }

    /// Forgets that a destination is dead and its transport unusable: the administrator asked for an attempt for a message there.
    public mutating func revive(_ destination: Destination, now: Int64) {
        guard let transport = transportOfName[destination.transport] else { return }
        transports[transport].revive(key: destination.key, now: now)
    }

    /// Sets how many deliveries of a transport may be in flight; 0 = unlimited. What is in flight stays.
    public mutating func setProcessLimit(_ limit: Int, transport: String) {
        transports[transportIndex(transport)].policy.processLimit = max(0, limit)
    }

    /// Forgets that destinations are dead and transports unusable: the administrator asked for an attempt now.
    public mutating func reviveAll(now: Int64) {
        for transport in transports.indices { transports[transport].reviveAll(now: now) }
    }

    private mutating func transportIndex(_ name: String) -> Int {
        if let index = transportOfName[name] { return index }
        transports.append(TransportQueue(name: name, policy: policyOf(name)))
        transportOfName[name] = transports.count - 1
        return transports.count - 1
    }

    private mutating func giveBack(
        _ given: [TransportQueue.GivenBack], of transport: Int, destination: Destination, cause: SuspensionCause
    ) -> [Suspension] {
        given.map { given in
            removeIfDone(given.job, transport, given.message)
            return Suspension(message: given.message, destination: destination, recipients: given.recipients, cause: cause)
        }
    }

    /// Forgets a job of which nothing waits any more.
    private mutating func removeIfDone(_ job: Int, _ transport: Int, _ message: QueueID) {
        guard transports[transport].jobs[job]?.livePeers == 0 else { return }
        transports[transport].remove(job: job)
        let place = Place(transport: transport, number: job)
        if jobsOfMessage[message]?.count == 1 {
            jobsOfMessage[message] = nil
        } else {
            jobsOfMessage[message]?.removeAll { $0 == place }
        }
    }
}
