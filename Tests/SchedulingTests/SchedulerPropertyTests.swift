// Random histories on a virtual clock. Whatever happens, nothing is forgotten, nothing is handed out twice, and no limit is exceeded.

import MailModel
import Scheduling
import Testing

private struct Placed: Hashable {
    let message: QueueID
    let recipient: UInt32
}

@Test(arguments: (1...12).map { UInt64($0) &* 0xA5A5_1234_9E37 })
func nothingIsForgottenAndNoLimitIsExceeded(seed: UInt64) {
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let policies: [String: TransportPolicy] = [
        "smtp": TransportPolicy(processLimit: 30, initialConcurrency: 5, concurrencyLimit: 8, recipientLimit: 7, deadTime: 40 * second),
        "local": TransportPolicy(processLimit: 3, initialConcurrency: 2, concurrencyLimit: 2, recipientLimit: 1, deadTime: 10 * second),
        "relay": TransportPolicy(
            processLimit: 0, initialConcurrency: 1, concurrencyLimit: 0, recipientLimit: 0, failedCohortLimit: 0,
            positiveFeedback: ConcurrencyFeedback(1, per: .squareRoot), negativeFeedback: ConcurrencyFeedback(0.5, per: .concurrency)),
        "bulk": TransportPolicy(processLimit: 4, recipientLimit: 1, deadTime: 20 * second, slotCost: 2, slotLoan: 1, minimumSlots: 1),
        "paced": TransportPolicy(processLimit: 9, recipientLimit: 4, destinationRateDelay: 3 * second),
        "drip": TransportPolicy(processLimit: 9, recipientLimit: 9, transportRateDelay: second),
    ]
    var scheduler = Scheduler { policies[$0] ?? TransportPolicy() }
    let cause = SuspensionCause(status: EnhancedStatusCode(4, 4, 1), reason: "x")
    var now: Int64 = 0
    var waiting: Set<Placed> = []
    var flying: [Delivery] = []
    var later: [Placed: Destination] = [:]
    var done = 0
    var created = 0
    var messages = 0
    /// When the last delivery that had to be followed by a pause ended, by what had to pause.
    var pauses: [String: Int64] = [:]

    func note(_ suspensions: [Suspension]) {
        for suspension in suspensions {
            for recipient in suspension.recipients {
                let placed = Placed(message: suspension.message, recipient: recipient)
                #expect(waiting.remove(placed) != nil, "given back although not waiting")
                later[placed] = suspension.destination
            }
        }
    }
    func start() {
        while let delivery = scheduler.nextDelivery(now: now) {
            for recipient in delivery.recipients {
                #expect(waiting.remove(Placed(message: delivery.message, recipient: recipient)) != nil, "handed out although not waiting")
            }
            flying.append(delivery)
            let policy = policies[delivery.destination.transport] ?? TransportPolicy()
            let ofTransport = flying.filter { $0.destination.transport == delivery.destination.transport }
            #expect(now >= pauses["\(delivery.destination.transport) \(delivery.destination.nextHop)"] ?? .min, "a pause was not kept")
            if policy.transportRateDelay > 0 { #expect(ofTransport.count == 1 && now >= pauses["drip"] ?? .min) }
            if policy.destinationRateDelay > 0 {
                #expect(ofTransport.filter { $0.destination == delivery.destination }.count == 1)
            }
            if policy.processLimit > 0 { #expect(ofTransport.count <= policy.processLimit) }
            if policy.recipientLimit > 0 { #expect(delivery.recipients.count <= policy.recipientLimit) }
            if policy.concurrencyLimit > 0 {
                #expect(ofTransport.filter { $0.destination == delivery.destination }.count <= policy.concurrencyLimit)
            }
        }
    }

    func end(_ delivery: Delivery, _ feedback: DeliveryFeedback) {
        done += delivery.recipients.count
        let name = delivery.destination.transport
        if name == "paced" { pauses["paced \(delivery.destination.nextHop)"] = now + 3 * second }
        if name == "drip" { pauses["drip"] = now + second }
        note(scheduler.finished(delivery.id, feedback: feedback, now: now))
    }

    for _ in 0..<3000 {
        now += Int64.random(in: 0...second, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35:
            messages += 1
            let id = QueueID(microseconds: Int64(messages), unique: 7)
            let placements = (0..<UInt32.random(in: 1...20, using: &random)).map { index in
                let transport = ["smtp", "smtp", "local", "relay", "bulk", "paced", "drip"].randomElement(using: &random) ?? "smtp"
                return RecipientPlacement(
                    recipient: index, destination: Destination(transport: transport, nextHop: "d\(Int.random(in: 0..<12, using: &random))"))
            }
            for placement in placements { waiting.insert(Placed(message: id, recipient: placement.recipient)) }
            created += placements.count
            let sender = Int.random(in: 0..<4, using: &random) == 0 ? nil : "s\(Int.random(in: 0..<9, using: &random))"
            note(
                scheduler.add(
                    message: id, recipients: placements, sender: sender, isRetry: Bool.random(using: &random), now: now))
        case 35..<85:
            guard let index = flying.indices.randomElement(using: &random) else { break }
            let delivery = flying.remove(at: index)
            let isBad = delivery.destination.nextHop.hasSuffix("3")
            let feedback: DeliveryFeedback =
                isBad || Int.random(in: 0..<20, using: &random) == 0
                ? .unreachable(cause) : Bool.random(using: &random) ? .reached : .unknown
            end(delivery, feedback)
        case 85..<95:
            // What was given back is tried again.
            for (placed, destination) in later.prefix(30) {
                later[placed] = nil
                waiting.insert(placed)
                let placement = RecipientPlacement(recipient: placed.recipient, destination: destination)
                note(scheduler.add(message: placed.message, recipients: [placement], now: now))
            }
        case 95..<97:
            guard let message = waiting.randomElement(using: &random)?.message else { break }
            let withdrawn = scheduler.withdraw(message: message, now: now)
            #expect(Set(withdrawn) == Set(waiting.filter { $0.message == message }.map(\.recipient)))
            for recipient in withdrawn { waiting.remove(Placed(message: message, recipient: recipient)) }
            done += withdrawn.count
        case 97: note(scheduler.suspend(transport: "smtp", cause: cause, now: now))
        case 98: scheduler.reviveAll(now: now)
        default: now += 15 * second
        }
        start()
    }
    // At the end everything still waiting can be delivered.
    while !flying.isEmpty || scheduler.waitingCount > 0 {
        if flying.isEmpty {
            guard let next = scheduler.nextWakeUp(now: now), next > now else { break }
            now = next
        } else {
            end(flying.removeFirst(), .reached)
        }
        start()
    }
    #expect(waiting.isEmpty)
    #expect(done + later.count == created)
    #expect(scheduler.waitingCount == 0)
    #expect(scheduler.inFlightCount == 0)
    now += 3600 * second
    scheduler.reviveAll(now: now)
    _ = scheduler.add(message: QueueID(microseconds: 1, unique: 1), recipients: [], now: now)
    #expect(created > 5000)
}

/// Saturation: as much mail as can be delivered comes for ever, some of it of ever new senders. A message is tagged at most `ahead` + 1 turns
/// after virtual time, 4 more when it is retried. A turn is over when as many jobs were begun as senders wait; from then on nobody who comes
/// goes before it. What came until then is no more than what was begun. So it has to wait for that, and for what waited when it came.
@Test(arguments: (1...4).map { UInt64($0) &* 0x5851_F42D })
func whoWaitsIsNotOvertakenForEver(seed: UInt64) {
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1, concurrencyLimit: 0) }
    var waiting: [QueueID: (sender: String, begun: Int, ahead: Int, senders: Int, isRetry: Bool, before: Int)] = [:]
    var begun = 0
    var worst = 0.0
    for step in 0..<2000 {
        for _ in 0..<(step < 200 ? 2 : step < 1700 ? 1 : 0) {
            let id = QueueID(microseconds: Int64(step), unique: UInt64(waiting.count) + 1)
            guard waiting[id] == nil else { continue }
            let isRetry = Int.random(in: 0..<4, using: &random) == 0
            // Most are of few senders; some were never seen before.
            let old = min(Int.random(in: 0..<40, using: &random), Int.random(in: 0..<40, using: &random))
            let sender = Int.random(in: 0..<3, using: &random) == 0 ? "new\(step)" : "s\(old)"
            let ahead = waiting.values.filter { $0.sender == sender && $0.isRetry == isRetry }.count
            waiting[id] = (sender, begun, ahead, 0, isRetry, waiting.count)
            let destination = Destination(transport: "smtp", nextHop: "d\(Int.random(in: 0..<500, using: &random))")
            _ = scheduler.add(
                message: id, recipients: [RecipientPlacement(recipient: 0, destination: destination)], sender: sender, isRetry: isRetry,
                now: Int64(step))
        }
        let senders = Set(waiting.values.map { $0.sender + ($0.isRetry ? "*" : "") }).count
        for id in Array(waiting.keys) where (waiting[id]?.senders ?? 0) < senders { waiting[id]?.senders = senders }
        guard let delivery = scheduler.nextDelivery(now: Int64(step)) else { continue }
        begun += 1
        _ = scheduler.finished(delivery.id, feedback: .reached, now: Int64(step))
        guard let known = waiting.removeValue(forKey: delivery.message) else {
            Issue.record("begun twice")
            continue
        }
        // One turn more because its destination has turns too.
        let bound = known.before + (2 + known.ahead + (known.isRetry ? 4 : 0)) * known.senders
        worst = max(worst, Double(begun - known.begun) / Double(bound))
        #expect(begun - known.begun <= bound)
    }
    while let delivery = scheduler.nextDelivery(now: 2000) {
        _ = scheduler.finished(delivery.id, feedback: .reached, now: 2000)
        waiting[delivery.message] = nil
    }
    #expect(waiting.isEmpty)
    print("saturation: the longest wait was \(Int(worst * 100)) % of its bound")
}

/// One busy site: a list of 20,000 recipients at 100 destinations, one of them dead, one slow, beside single messages, which must not wait
/// for it.
@Test func aBusySiteKeepsSingleMessagesMoving() {
    var scheduler = Scheduler { _ in TransportPolicy() }
    var events: [(at: Int64, delivery: Delivery)] = []
    var now: Int64 = 0
    var delivered = 0
    var deferred = 0
    var singleWaits: [Int64] = []
    var arrivalOfSingle: [QueueID: Int64] = [:]
    let list = QueueID(microseconds: 1, unique: 1)
    let cause = SuspensionCause(status: EnhancedStatusCode(4, 4, 1), reason: "connect timed out")
    let recipients = (0..<20_000).map {
        RecipientPlacement(recipient: UInt32($0), destination: Destination(transport: "smtp", nextHop: "d\($0 % 100).example"))
    }
    deferred += scheduler.add(message: list, recipients: recipients, now: 0).reduce(0) { $0 + $1.recipients.count }
    var nextSingle: Int64 = 0
    var singles = 0
    while true {
        while let delivery = scheduler.nextDelivery(now: now) {
            if let arrival = arrivalOfSingle[delivery.message] { singleWaits.append(now - arrival) }
            let takes: Int64 =
                switch delivery.destination.nextHop {
                case "d7.example": 30 * second
                case "d8.example": 10 * second
                default: second / 2
                }
            let at = now + takes
            let place = events.firstIndex { $0.at > at } ?? events.count
            events.insert((at, delivery), at: place)
        }
        if let first = events.first, first.at <= nextSingle || singles == 200 {
            events.removeFirst()
            now = first.at
            let isDead = first.delivery.destination.nextHop == "d7.example"
            if isDead { deferred += first.delivery.recipients.count } else { delivered += first.delivery.recipients.count }
            deferred += scheduler.finished(first.delivery.id, feedback: isDead ? .unreachable(cause) : .reached, now: now)
                .reduce(0) { $0 + $1.recipients.count }
        } else if singles < 200 {
            now = nextSingle
            singles += 1
            nextSingle += second / 10
            let id = QueueID(microseconds: now + 2, unique: 2)
            arrivalOfSingle[id] = now
            let destination = Destination(transport: "smtp", nextHop: "single\(singles).example")
            _ = scheduler.add(message: id, recipients: [RecipientPlacement(recipient: 0, destination: destination)], now: now)
        } else {
            break
        }
    }
    #expect(delivered + deferred == 20_200)
    #expect(deferred == 200)
    #expect(singleWaits.count == 200)
    let worst = singleWaits.max() ?? 0
    print("busy site: longest wait of a single message \(Double(worst) / 1e6) s, all done after \(now / second) s")
    #expect(worst <= 3 * second)
}
