// What is delivered where, when, and how many at a time. Pure: the clock is an argument, nothing is read or written.
//
// A message's recipients are grouped by destination and cut into entries of at most the transport's recipient limit. Transports are served
// in turn, within a transport the destinations in turn, within a destination first come first served. A destination that could not be
// reached too often is dead for a while: what waits for it is given back at once, to be deferred without an attempt, and so is what is
// added.
//
// Every entry leaves in exactly one way: as a Delivery, as a Suspension, or withdrawn with its message. The tests hold it to that.
// Limits: memory is bounded by what is added; the queue manager bounds that (qmgr_message_active_limit).

public import MailModel

/// The scheduler of the queue manager.
public struct Scheduler {
    private struct Entry {
        let message: QueueID
        let recipients: [UInt32]
        let transport: Int
        let slot: Int
    }
    private struct InFlight {
        let transport: Int
        let slot: Int
    }

    private let policyOf: @Sendable (String) -> TransportPolicy
    private var transports: [TransportQueue] = []
    private var transportOfName: [String: Int] = [:]
    /// The transport that is asked first next time.
    private var cursor = 0
    private var entries: [UInt64: Entry] = [:]
    /// Entries made for a message while any of them waits; those that left are still named.
    private var entriesOfMessage: [QueueID: (ids: [UInt64], waiting: Int)] = [:]
    private var inFlight: [UInt64: InFlight] = [:]
    private var lastID: UInt64 = 0

    /// - Parameter policy: the limits of a transport by its name; asked once for each name.
    public init(policy: @escaping @Sendable (String) -> TransportPolicy) { policyOf = policy }

    /// Entries that wait.
    public var waitingCount: Int { entries.count }
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
    public mutating func add(message: QueueID, recipients: [RecipientPlacement], now: Int64) -> [Suspension] {
        var order: [Destination] = []
        var groups: [Destination: [UInt32]] = [:]
        for placement in recipients {
            if groups[placement.destination] == nil { order.append(placement.destination) }
            groups[placement.destination, default: []].append(placement.recipient)
        }
        var suspensions: [Suspension] = []
        for destination in order {
            let group = groups[destination] ?? []
            let transport = transportIndex(destination.transport)
            switch transports[transport].admit(destination, now: now) {
            case .suspended(let cause):
                suspensions.append(Suspension(message: message, destination: destination, recipients: group, cause: cause))
            case .admitted(let slot):
                let limit = transports[transport].policy.recipientLimit
                let size = limit > 0 ? limit : group.count
                for start in stride(from: 0, to: group.count, by: size) {
                    lastID += 1
                    entries[lastID] = Entry(
                        message: message, recipients: Array(group[start..<min(start + size, group.count)]), transport: transport, slot: slot
                    )
                    entriesOfMessage[message, default: ([], 0)].ids.append(lastID)
                    entriesOfMessage[message, default: ([], 0)].waiting += 1
                    transports[transport].enqueue(lastID, in: slot)
                }
            }
        }
        return suspensions
    }

    /// The next delivery to make, nil while every limit is reached or nothing waits. Call until nil after every change.
    public mutating func nextDelivery(now: Int64) -> Delivery? {
        for step in 0..<transports.count {
            let transport = (cursor + step) % transports.count
            guard transports[transport].pending > 0 else { continue }
            guard let (id, slot) = transports[transport].select(now: now, among: entries),
                let entry = takeEntry(id), let destination = transports[transport].destination(of: slot)
            else { continue }
            cursor = (transport + 1) % transports.count
            inFlight[id] = InFlight(transport: transport, slot: slot)
            return Delivery(id: id, message: entry.message, destination: destination, recipients: entry.recipients)
        }
        return nil
    }

    /// A delivery ended. Returns what is to be deferred without an attempt because the destination died of it.
    public mutating func finished(_ id: UInt64, feedback: DeliveryFeedback, now: Int64) -> [Suspension] {
        guard let flight = inFlight.removeValue(forKey: id) else { return [] }
        let destination = transports[flight.transport].destination(of: flight.slot)
        guard let (cause, given) = transports[flight.transport].finished(slot: flight.slot, feedback: feedback, now: now), let destination
        else { return [] }
        return giveBack(given, destination: destination, cause: cause)
    }

    /// A transport cannot be used at all (its service does not answer). Returns everything that waits for it; what is added within the
    /// transport's retry time comes back at once.
    public mutating func suspend(transport name: String, cause: SuspensionCause, now: Int64) -> [Suspension] {
        let transport = transportIndex(name)
        var suspensions: [Suspension] = []
        for (destination, given) in transports[transport].suspend(cause: cause, now: now) {
            suspensions += giveBack(given, destination: destination, cause: cause)
        }
        return suspensions
    }

    /// Withdraws what waits of a message (deleted, put on hold). Deliveries in flight are not touched: they must still be finished.
    ///
    /// - Returns: indices of the recipients withdrawn.
    public mutating func withdraw(message: QueueID, now: Int64) -> [UInt32] {
        var recipients: [UInt32] = []
        for id in entriesOfMessage.removeValue(forKey: message)?.ids ?? [] {
            guard let entry = entries.removeValue(forKey: id) else { continue }
            recipients += entry.recipients
            transports[entry.transport].withdrawn(from: entry.slot, now: now)
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
        transports[transportIndex(transport)].setProcessLimit(limit)
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

    private mutating func takeEntry(_ id: UInt64) -> Entry? {
        guard let entry = entries.removeValue(forKey: id) else { return nil }
        entriesOfMessage[entry.message]?.waiting -= 1
        if entriesOfMessage[entry.message]?.waiting == 0 { entriesOfMessage[entry.message] = nil }
        return entry
    }

    private mutating func giveBack(_ ids: [UInt64], destination: Destination, cause: SuspensionCause) -> [Suspension] {
        ids.compactMap { id in
            takeEntry(id).map { Suspension(message: $0.message, destination: destination, recipients: $0.recipients, cause: cause) }
        }
    }
}
