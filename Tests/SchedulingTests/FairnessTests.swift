// Nobody waits for somebody else's flood: turns of senders and destinations, new mail before retried mail, slow destinations, rates.

import MailModel
import Scheduling
import Testing

private func id(_ number: Int) -> QueueID { QueueID(microseconds: Int64(number), unique: 1) }
private func to(_ nextHop: String, recipients: Int = 1) -> [RecipientPlacement] {
    (0..<recipients).map { RecipientPlacement(recipient: UInt32($0), destination: Destination(transport: "smtp", nextHop: nextHop)) }
}

/// Delivers one at a time and gives the messages in their order.
private func deliver(_ count: Int, _ scheduler: inout Scheduler, now: Int64 = 0) -> [QueueID] {
    var order: [QueueID] = []
    while order.count < count, let delivery = scheduler.nextDelivery(now: now) {
        order.append(delivery.message)
        _ = scheduler.finished(delivery.id, feedback: .reached, now: now)
    }
    return order
}

@Test(arguments: [true, false]) func athousandMessagesOfOneSenderDoNotHoldUpAnothers(isOneDestination: Bool) {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1) }
    for number in 0..<1000 {
        _ = scheduler.add(message: id(number), recipients: to(isOneDestination ? "relay" : "d\(number)"), sender: "flood", now: 0)
    }
    for round in 0..<20 {
        _ = deliver(7, &scheduler)
        let single = id(5000 + round)
        _ = scheduler.add(message: single, recipients: to(isOneDestination ? "relay" : "single\(round)"), sender: "one\(round)", now: 0)
        #expect(deliver(2, &scheduler).contains(single), "round \(round)")
    }
    #expect(deliver(10_000, &scheduler).count == 1000 - 20 * 8)
}

@Test func sendersHaveTurns() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1) }
    var senderOf: [QueueID: Int] = [:]
    for number in 0..<500 {
        senderOf[id(number)] = number / 100
        _ = scheduler.add(message: id(number), recipients: to("d\(number % 37)"), sender: "s\(number / 100)", now: 0)
    }
    var counts = [Int](repeating: 0, count: 5)
    for message in deliver(100, &scheduler) { counts[senderOf[message] ?? 0] += 1 }
    #expect(counts.allSatisfy { (15...25).contains($0) }, "\(counts)")
}

@Test func destinationsHaveTurns() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1, concurrencyLimit: 0) }
    for number in 0..<1000 { _ = scheduler.add(message: id(number), recipients: to("big"), sender: "s\(number)", now: 0) }
    _ = deliver(300, &scheduler)
    var isSmall: Set<QueueID> = []
    for number in 1000..<1010 {
        isSmall.insert(id(number))
        _ = scheduler.add(message: id(number), recipients: to("small"), sender: "s\(number)", now: 0)
    }
    let order = deliver(25, &scheduler)
    #expect(isSmall.contains(order[0]) || isSmall.contains(order[1]))
    #expect(order.filter(isSmall.contains).count >= 9, "\(order.map(isSmall.contains))")
}

@Test func newMailGoesBeforeRetriedMailAndDoesNotStarveIt() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1) }
    for number in 0..<1000 {
        _ = scheduler.add(message: id(number), recipients: to("d\(number)"), sender: "s\(number)", isRetry: true, now: 0)
    }
    _ = deliver(500, &scheduler)
    _ = scheduler.add(message: id(2000), recipients: to("new"), sender: "new", now: 0)
    #expect(deliver(1, &scheduler) == [id(2000)])
    // As much new mail as can be delivered, from ever new senders: the others have their turn all the same.
    var rest = Set((0..<1000).map(id))
    rest.subtract(deliver(450, &scheduler))
    var steps = 0
    while scheduler.waitingCount > 20, steps < 2000 {
        steps += 1
        _ = scheduler.add(message: id(3000 + steps), recipients: to("n\(steps)"), sender: "n\(steps)", now: 0)
        for message in deliver(1, &scheduler) { rest.remove(message) }
        if rest.count <= 500 { break }
    }
    #expect(rest.count <= 500 && steps <= 5 * 51, "\(rest.count) left after \(steps)")
}

/// Tarpits: destinations that take a delivery and never answer. Each holds its first window, whatever waits for it.
@Test func slowDestinationsHoldTheirFirstWindow() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 100) }
    for number in 0..<3000 { _ = scheduler.add(message: id(number), recipients: to("tar\(number % 15)"), now: 0) }
    var flying: [Delivery] = []
    while let delivery = scheduler.nextDelivery(now: 0) { flying.append(delivery) }
    #expect(Dictionary(grouping: flying, by: \.destination).values.allSatisfy { $0.count == 5 } && flying.count == 75)
    _ = scheduler.add(message: id(9000), recipients: to("good"), now: 0)
    #expect(scheduler.nextDelivery(now: 0)?.message == id(9000))
}

@Test func deliveriesToOneDestinationKeepTheirPause() {
    var scheduler = Scheduler { _ in TransportPolicy(destinationRateDelay: 10 * second) }
    for number in 0..<3 { _ = scheduler.add(message: id(number), recipients: to("a"), now: 0) }
    _ = scheduler.add(message: id(3), recipients: to("b"), now: 0)
    var starts: [Int64] = []
    var now: Int64 = 0
    #expect(scheduler.nextDelivery(now: 0)?.message == id(0))
    #expect(scheduler.nextDelivery(now: 0)?.message == id(3), "the other destination does not wait")
    #expect(scheduler.nextDelivery(now: 0) == nil)
    #expect(scheduler.nextWakeUp(now: 0) == nil, "only the end of a delivery helps")
    var flying: [UInt64] = [1]
    while let flight = flying.popLast() {
        now += second
        _ = scheduler.finished(flight, feedback: .reached, now: now)
        #expect(scheduler.nextDelivery(now: now) == nil)
        guard let next = scheduler.nextWakeUp(now: now) else { break }
        #expect(scheduler.nextDelivery(now: next - 1) == nil)
        now = next
        guard let delivery = scheduler.nextDelivery(now: now) else { break }
        starts.append(now)
        flying.append(delivery.id)
    }
    #expect(starts == [11 * second, 22 * second])
    // An idle destination keeps the pause too.
    _ = scheduler.add(message: id(7), recipients: to("a"), now: now + second)
    #expect(scheduler.nextDelivery(now: now + second) == nil)
    #expect(scheduler.nextDelivery(now: now + 10 * second)?.message == id(7))
}

@Test func deliveriesOfOneTransportKeepTheirPause() {
    var scheduler = Scheduler { _ in TransportPolicy(transportRateDelay: 5 * second) }
    for number in 0..<3 { _ = scheduler.add(message: id(number), recipients: to("d\(number)"), now: 0) }
    guard let first = scheduler.nextDelivery(now: 0) else {
        Issue.record("nothing to begin")
        return
    }
    #expect(scheduler.nextDelivery(now: 0) == nil, "one at a time")
    _ = scheduler.finished(first.id, feedback: .reached, now: second)
    #expect(scheduler.nextWakeUp(now: second) == 6 * second)
    #expect(scheduler.nextDelivery(now: 6 * second - 1) == nil)
    #expect(scheduler.nextDelivery(now: 6 * second)?.message == id(1))
}

/// A list to 100,000 recipients in 20,000 domains, two deliveries each, beside single messages: none waits for more than slot_cost
/// deliveries of the list for itself and each one before it.
@Test func aListOfAHundredThousandHoldsUpASingleMessageForSixDeliveriesAtMost() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 100, recipientLimit: 3) }
    let list = (0..<100_000).map {
        RecipientPlacement(recipient: UInt32($0), destination: Destination(transport: "smtp", nextHop: "d\($0 % 20_000)"))
    }
    _ = scheduler.add(message: id(0), recipients: list, sender: "list", now: 0)
    var random = SeededGenerator(seed: 7)
    var flying: [Delivery] = []
    var begun = 0
    var arrivals: [QueueID: (begun: Int, ahead: Int)] = [:]
    var worst = 0
    var singles = 0
    while scheduler.waitingCount > 0 {
        while let delivery = scheduler.nextDelivery(now: Int64(begun) * 1000) {
            begun += 1
            flying.append(delivery)
            guard let (at, ahead) = arrivals.removeValue(forKey: delivery.message) else { continue }
            worst = max(worst, begun - at)
            #expect(begun - at <= 6 * (1 + ahead))
        }
        let ended = flying.remove(at: Int.random(in: 0..<flying.count, using: &random))
        _ = scheduler.finished(ended.id, feedback: .reached, now: Int64(begun) * 1000)
        if Int.random(in: 0..<20, using: &random) == 0 {
            singles += 1
            arrivals[id(singles)] = (begun, arrivals.count)
            // The sender of the list too writes to somebody now and then.
            let sender = singles % 3 == 0 ? "list" : "s\(singles)"
            _ = scheduler.add(message: id(singles), recipients: to("d\(singles % 20_000)"), sender: sender, now: Int64(begun) * 1000)
        }
    }
    #expect(arrivals.isEmpty && singles > 1000)
    print("list of 100,000: \(begun) deliveries, \(singles) single messages, the longest waited for \(worst) deliveries")
}
