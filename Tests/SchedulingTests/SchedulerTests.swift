// Single decisions of the scheduler, each in a small case.

import MailModel
import Scheduling
import Testing

private func id(_ number: Int) -> QueueID { QueueID(microseconds: Int64(number), unique: 1) }
private func to(_ nextHop: String, _ transport: String = "smtp") -> Destination { Destination(transport: transport, nextHop: nextHop) }
private func one(_ nextHop: String, recipients: Int = 1) -> [RecipientPlacement] {
    (0..<recipients).map { RecipientPlacement(recipient: UInt32($0), destination: to(nextHop)) }
}
private let refused = SuspensionCause(status: EnhancedStatusCode(4, 4, 1), reason: "connect to a.example[192.0.2.1]:25: Connection refused")

private func drain(_ scheduler: inout Scheduler, now: Int64 = 0) -> [Delivery] {
    var all: [Delivery] = []
    while let delivery = scheduler.nextDelivery(now: now) { all.append(delivery) }
    return all
}

@Test func recipientsOfOneDestinationShareDeliveriesUpToTheLimit() {
    var scheduler = Scheduler { _ in TransportPolicy(recipientLimit: 50) }
    #expect(scheduler.add(message: id(1), recipients: one("a.example", recipients: 120), now: 0).isEmpty)
    #expect(drain(&scheduler).map(\.recipients.count) == [50, 50, 20])
}

@Test func aDestinationStartsWithFiveAndGrowsByOneForEachSuccess() {
    var scheduler = Scheduler { _ in TransportPolicy() }
    for number in 0..<200 { _ = scheduler.add(message: id(number), recipients: one("a.example"), now: 0) }
    var flying = drain(&scheduler)
    #expect(flying.count == 5)
    var largest = 5
    while !flying.isEmpty {
        _ = scheduler.finished(flying.removeFirst().id, feedback: .reached, now: 0)
        flying += drain(&scheduler)
        largest = max(largest, flying.count)
        #expect(flying.count <= 20)
    }
    #expect(largest == 20)
    #expect(scheduler.waitingCount == 0)
    #expect(scheduler.destinationCount == 0)
}

@Test func limitZeroMeansUnlimited() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 0, concurrencyLimit: 0, recipientLimit: 0) }
    for number in 0..<400 { _ = scheduler.add(message: id(number), recipients: one("a.example", recipients: 60), now: 0) }
    var flying = drain(&scheduler)
    #expect(flying.first?.recipients.count == 60)
    var largest = 0
    while !flying.isEmpty {
        _ = scheduler.finished(flying.removeFirst().id, feedback: .reached, now: 0)
        flying += drain(&scheduler)
        largest = max(largest, flying.count)
    }
    #expect(largest > 20)
}

@Test func firstComeFirstServedWithinADestinationAndTurnsBetweenThem() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1) }
    for number in 0..<3 { _ = scheduler.add(message: id(number), recipients: one("big.example"), now: 0) }
    _ = scheduler.add(message: id(3), recipients: one("small.example"), now: 0)
    var order: [QueueID] = []
    while let delivery = scheduler.nextDelivery(now: 0) {
        order.append(delivery.message)
        _ = scheduler.finished(delivery.id, feedback: .reached, now: 0)
    }
    #expect(order == [id(0), id(3), id(1), id(2)])
}

@Test func transportsAreServedInTurn() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 2) }
    for number in 0..<4 {
        _ = scheduler.add(
            message: id(number),
            recipients: [.init(recipient: 0, destination: to("a.example")), .init(recipient: 1, destination: to("a", "local"))],
            now: 0)
    }
    #expect(drain(&scheduler).map(\.destination.transport) == ["smtp", "local", "smtp", "local"])
    #expect(scheduler.busy(transport: "smtp") == 2)
}

/// The cohort arithmetic of Postfix with the defaults: 1/5 + 1/4 + 1/3 + 1/2 exceeds 1, so the fourth failure in a row kills.
@Test func aDestinationDiesOfOneFailedCohortAndWhatWaitsComesBack() {
    var scheduler = Scheduler { _ in TransportPolicy(deadTime: 300 * second) }
    for number in 0..<10 { _ = scheduler.add(message: id(number), recipients: one("a.example"), now: 0) }
    var suspended: [Suspension] = []
    var attempts = 0
    while let delivery = scheduler.nextDelivery(now: 0) {
        attempts += 1
        suspended += scheduler.finished(delivery.id, feedback: .unreachable(refused), now: 0)
    }
    #expect(attempts == 4)
    #expect(suspended.map(\.message) == (4..<10).map(id))
    #expect(suspended.allSatisfy { $0.cause == refused && $0.recipients == [0] })
    // Dead: given back at once, until its time is over.
    #expect(scheduler.add(message: id(20), recipients: one("a.example"), now: 299 * second).count == 1)
    #expect(scheduler.add(message: id(21), recipients: one("b.example"), now: 299 * second).isEmpty)
    #expect(scheduler.add(message: id(22), recipients: one("a.example"), now: 300 * second).isEmpty)
    #expect(Set(drain(&scheduler, now: 300 * second).map(\.message)) == [id(21), id(22)])
}

@Test func aSuccessClearsTheRecordOfFailures() {
    var scheduler = Scheduler { _ in TransportPolicy() }
    for number in 0..<40 { _ = scheduler.add(message: id(number), recipients: one("a.example"), now: 0) }
    for round in 0..<40 {
        guard let delivery = scheduler.nextDelivery(now: 0) else { break }
        let feedback: DeliveryFeedback = round % 2 == 1 ? .reached : .unreachable(refused)
        #expect(scheduler.finished(delivery.id, feedback: feedback, now: 0).isEmpty)
    }
    #expect(scheduler.waitingCount == 0)
}

@Test func failuresOfSingleMessagesAddUpWithinTheDeadTime() {
    var scheduler = Scheduler { _ in TransportPolicy(deadTime: 300 * second) }
    var suspensions = 0
    for number in 0..<6 {
        let now = Int64(number) * second
        suspensions += scheduler.add(message: id(number), recipients: one("a.example"), now: now).count
        if let delivery = scheduler.nextDelivery(now: now) {
            _ = scheduler.finished(delivery.id, feedback: .unreachable(refused), now: now)
        }
    }
    #expect(suspensions == 2)
    #expect(scheduler.destinationCount == 1)
    _ = scheduler.add(message: id(9), recipients: one("b.example"), now: 1000 * second)
    #expect(scheduler.destinationCount == 1, "the dead destination is forgotten when its time is over")
}

@Test func anUnusableTransportGivesEverythingBackForItsRetryTime() {
    var scheduler = Scheduler { _ in TransportPolicy(transportRetryTime: 60 * second) }
    _ = scheduler.add(message: id(1), recipients: one("a.example"), now: 0)
    _ = scheduler.add(message: id(2), recipients: one("b.example"), now: 0)
    let cause = SuspensionCause(status: EnhancedStatusCode(4, 3, 0), reason: "mail transport unavailable")
    #expect(scheduler.suspend(transport: "smtp", cause: cause, now: 0).map(\.message) == [id(1), id(2)])
    #expect(scheduler.nextDelivery(now: 0) == nil)
    #expect(scheduler.add(message: id(3), recipients: one("a.example"), now: 59 * second).map(\.cause) == [cause])
    #expect(scheduler.add(message: id(3), recipients: one("a.example"), now: 60 * second).isEmpty)
    #expect(scheduler.nextDelivery(now: 60 * second)?.message == id(3))
}

@Test func aFlushRevives() {
    var scheduler = Scheduler { _ in TransportPolicy(initialConcurrency: 1) }
    _ = scheduler.add(message: id(1), recipients: one("a.example"), now: 0)
    if let delivery = scheduler.nextDelivery(now: 0) { _ = scheduler.finished(delivery.id, feedback: .unreachable(refused), now: 0) }
    #expect(scheduler.add(message: id(2), recipients: one("a.example"), now: 1).count == 1)
    scheduler.reviveAll(now: 2)
    #expect(scheduler.add(message: id(2), recipients: one("a.example"), now: 2).isEmpty)
}

@Test func aWithdrawnMessageIsNotDelivered() {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1, recipientLimit: 1) }
    _ = scheduler.add(message: id(1), recipients: one("a.example", recipients: 3), now: 0)
    _ = scheduler.add(message: id(2), recipients: one("a.example"), now: 0)
    let flying = scheduler.nextDelivery(now: 0)
    #expect(flying?.message == id(1))
    #expect(scheduler.withdraw(message: id(1), now: 0) == [1, 2])
    if let flying { _ = scheduler.finished(flying.id, feedback: .reached, now: 0) }
    #expect(drain(&scheduler).map(\.message) == [id(2)])
}

/// A recipient limit of 1 makes the concurrency limit one for each recipient, through the key.
@Test func keysTellWindowsApart() {
    var scheduler = Scheduler { _ in TransportPolicy(initialConcurrency: 2, concurrencyLimit: 2, recipientLimit: 1) }
    for number in 0..<5 {
        let users = ["ann", "bob"].enumerated().map { index, user in
            RecipientPlacement(recipient: UInt32(index), destination: Destination(transport: "local", nextHop: "h", key: "\(user)@h"))
        }
        _ = scheduler.add(message: id(number), recipients: users, now: 0)
    }
    let flying = drain(&scheduler)
    #expect(flying.count == 4)
    #expect(flying.filter { $0.recipients == [0] }.count == 2)
}
