// Small mail before large mail: what postconf(5) and SCHEDULER_README say about delivery slots.

import MailModel
import Scheduling
import Testing

private func id(_ number: Int) -> QueueID { QueueID(microseconds: Int64(number), unique: 1) }
private let numbers = Dictionary(uniqueKeysWithValues: (0..<10_000).map { (id($0), $0) })
private func placements(_ count: Int, _ nextHop: String = "list.example") -> [RecipientPlacement] {
    (0..<count).map { RecipientPlacement(recipient: UInt32($0), destination: Destination(transport: "smtp", nextHop: nextHop)) }
}

/// One delivery at a time, one recipient a delivery: the order in which messages go, by number; and what comes meanwhile.
private func order(
    _ messages: [Int], cost: Int = 5, loan: Int = 3, discount: Int = 50, minimum: Int = 3, count: Int = .max,
    meanwhile: (Int, inout Scheduler) -> Void = { _, _ in }
) -> [Int] {
    var scheduler = Scheduler { _ in
        TransportPolicy(
            processLimit: 1, concurrencyLimit: 0, recipientLimit: 1, slotCost: cost, slotLoan: loan, slotDiscount: discount,
            minimumSlots: minimum)
    }
    for (number, size) in messages.enumerated() {
        _ = scheduler.add(message: id(number), recipients: placements(size), now: Int64(number))
    }
    var order: [Int] = []
    while order.count < count, let delivery = scheduler.nextDelivery(now: Int64(order.count) * second) {
        order.append(numbers[delivery.message] ?? -1)
        _ = scheduler.finished(delivery.id, feedback: .reached, now: Int64(order.count) * second)
        meanwhile(order.count, &scheduler)
    }
    return order
}

/// "One slot for each slot_cost deliveries": after the first, which lends a slot, each five of the list let one other go first.
@Test func fiveDeliveriesOfAListEarnOneOfAnother() {
    let order = order([100] + [Int](repeating: 1, count: 10))
    #expect(Array(order.prefix(14)) == [0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 3])
    #expect(order.count == 110)
}

/// "The delivery slot cost of 0 disables preemption."
@Test(arguments: [0, 1]) func withoutCostThereIsNoPreemption(cost: Int) {
    #expect(order([20, 1, 1], cost: cost) == [Int](repeating: 0, count: 20) + [1, 2])
}

/// "A message that has not enough recipients for the minimum number of slots is not preempted": 3 slots of 5.
@Test func whatIsSmallItselfIsNotPreempted() {
    #expect(order([14, 1]) == [Int](repeating: 0, count: 14) + [1])
    #expect(order([15, 1]) == [0, 1] + [Int](repeating: 0, count: 14))
}

/// Six deliveries need 6 x (100 - 50) % = 3 slots: the loan is enough at once. Without a loan three slots have to be earned, without the
/// discount six.
@Test func loanAndDiscount() {
    func before(loan: Int, discount: Int) -> Int? { order([100, 6], loan: loan, discount: discount).firstIndex(of: 1) }
    #expect(before(loan: 3, discount: 50) == 1)
    #expect(before(loan: 0, discount: 50) == 15)
    #expect(before(loan: 0, discount: 0) == 30)
    #expect(before(loan: 3, discount: 0) == 15)
    #expect(before(loan: 0, discount: 100) == 1)
}

/// "The full amount will still have to be accumulated before another preemption can take place."
@Test func aLoanIsPaidBack() {
    let order = order([200, 6]) { count, scheduler in
        if count == 7 { _ = scheduler.add(message: id(2), recipients: placements(1), now: 7 * second) }
    }
    #expect(Array(order[1..<7]) == [1, 1, 1, 1, 1, 1])
    // 6 x 5 slots owed, one had: after 30 more the next one goes.
    #expect(order.firstIndex(of: 2) == 7 + 30)
}

/// "What does not fit into the slots that the message will ever have is no candidate."
@Test func whatIsTooLargeWaits() {
    let order = order([50, 11])
    #expect(order.firstIndex(of: 1) == 50 && order.count == 61)
}

/// "Mailing-list deliveries are not extended by more than 20-25 percent even in the worst case", with the cost of 5; twice with 2.
@Test(arguments: [(5, 1.25), (2, 2.0), (10, 1.12)]) func aListTakesLittleLonger(cost: Int, factor: Double) {
    var number = 1000
    let order = order([1000], cost: cost, count: 2500) { _, scheduler in
        // Always something smaller at hand.
        for _ in 0..<2 {
            number += 1
            _ = scheduler.add(message: id(number), recipients: placements(1, "single.example"), now: 0)
        }
    }
    let end = order.lastIndex(of: 0) ?? 0
    #expect(order.prefix(end + 1).filter { $0 == 0 }.count == 1000)
    #expect(Double(end + 1) <= 1000 * factor + 10, "ended after \(end + 1)")
    #expect(Double(end + 1) >= 1000 * (1 + 1 / Double(cost)) - 10, "and the others had their slots")
}

/// A preempting message that is itself large is preempted in its turn.
@Test func preemptionNests() {
    let order = order([1000, 20], loan: 20) { count, scheduler in
        if count == 5 { _ = scheduler.add(message: id(2), recipients: placements(1), now: 5 * second) }
    }
    #expect(Array(order.prefix(8)) == [0, 1, 1, 1, 1, 2, 1, 1])
    #expect(order.count == 1021)
}

/// A message preempts at all its destinations, not only at the one that was looked at.
@Test func aPreemptingMessageGoesToAllItsDestinations() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1, concurrencyLimit: 0, recipientLimit: 1) }
    _ = scheduler.add(message: id(0), recipients: placements(100), now: 0)
    let three = ["a.example", "b.example", "c.example"].enumerated().map { index, name in
        RecipientPlacement(recipient: UInt32(index), destination: Destination(transport: "smtp", nextHop: name))
    }
    _ = scheduler.add(message: id(1), recipients: three, now: 1)
    var order: [QueueID] = []
    for _ in 0..<5 {
        guard let delivery = scheduler.nextDelivery(now: 0) else { break }
        order.append(delivery.message)
        _ = scheduler.finished(delivery.id, feedback: .reached, now: 0)
    }
    #expect(order == [id(0), id(1), id(1), id(1), id(0)])
}
