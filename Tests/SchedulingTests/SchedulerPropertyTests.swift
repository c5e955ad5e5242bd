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
        "relay": TransportPolicy(processLimit: 0, initialConcurrency: 1, concurrencyLimit: 0, recipientLimit: 0, failedCohortLimit: 0),
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
            if policy.processLimit > 0 { #expect(ofTransport.count <= policy.processLimit) }
            if policy.recipientLimit > 0 { #expect(delivery.recipients.count <= policy.recipientLimit) }
            if policy.concurrencyLimit > 0 {
                #expect(ofTransport.filter { $0.destination == delivery.destination }.count <= policy.concurrencyLimit)
            }
        }
    }

    for _ in 0..<3000 {
        now += Int64.random(in: 0...second, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35:
            messages += 1
            let id = QueueID(microseconds: Int64(messages), unique: 7)
            let placements = (0..<UInt32.random(in: 1...20, using: &random)).map { index in
                let transport = ["smtp", "smtp", "local", "relay"].randomElement(using: &random) ?? "smtp"
                return RecipientPlacement(
                    recipient: index, destination: Destination(transport: transport, nextHop: "d\(Int.random(in: 0..<12, using: &random))"))
            }
            for placement in placements { waiting.insert(Placed(message: id, recipient: placement.recipient)) }
            created += placements.count
            note(scheduler.add(message: id, recipients: placements, now: now))
        case 35..<85:
            guard let index = flying.indices.randomElement(using: &random) else { break }
            let delivery = flying.remove(at: index)
            let isBad = delivery.destination.nextHop.hasSuffix("3")
            let feedback: DeliveryFeedback =
                isBad || Int.random(in: 0..<20, using: &random) == 0
                ? .unreachable(cause) : Bool.random(using: &random) ? .reached : .unknown
            done += delivery.recipients.count
            note(scheduler.finished(delivery.id, feedback: feedback, now: now))
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
    while !flying.isEmpty {
        let delivery = flying.removeFirst()
        done += delivery.recipients.count
        note(scheduler.finished(delivery.id, feedback: .reached, now: now))
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
