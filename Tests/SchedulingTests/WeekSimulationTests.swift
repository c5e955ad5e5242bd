// A week of a site on a virtual clock: scheduler, due times and retries together, as the queue manager uses them.

import MailModel
import Testing

@testable import Scheduling

/// A site that writes to 10,000 destinations of which 2 % are down: half of those for the whole week, half for the first half of it.
private struct Site {
    struct Message {
        let destination: Int
        let arrival: Int64
        let sender: String
    }

    static let destinations = 10_000
    static let week = 7 * 86_400 * second

    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 50) }
    var due = DueQueue()
    let retry = RetryPolicy()
    var random: SeededGenerator
    var messages: [QueueID: Message] = [:]
    var ends = IndexedHeap<Int64>()
    var flying: [Int: Delivery] = [:]
    var now: Int64 = 0
    var made = 0
    var delivered = 0
    var expired = 0
    var attempts = 0
    var suspended = 0
    var attemptsAtDead = 0
    var longestWaitOfGood: Int64 = 0
    var mostInFlight = 0

    func isDown(_ destination: Int) -> Bool {
        destination % 50 == 0 && (destination % 100 == 0 || now < Site.week / 2)
    }

    mutating func arrive() {
        made += 1
        let message = QueueID(microseconds: now, unique: UInt64(made))
        let sender = "user\(min(Int.random(in: 0..<300, using: &random), Int.random(in: 0..<300, using: &random)))"
        messages[message] = Message(
            destination: Int.random(in: 0..<Site.destinations, using: &random), arrival: now, sender: sender)
        attempt(message, isRetry: false)
    }

    mutating func attempt(_ message: QueueID, isRetry: Bool) {
        guard let known = messages[message] else { return }
        let destination = Destination(transport: "smtp", nextHop: "d\(known.destination)")
        deferAll(
            scheduler.add(
                message: message, recipients: [RecipientPlacement(recipient: 0, destination: destination)], sender: known.sender,
                isRetry: isRetry, now: now))
        pump()
    }

    mutating func pump() {
        while let delivery = scheduler.nextDelivery(now: now) {
            attempts += 1
            guard let message = messages[delivery.message] else { continue }
            let isDown = isDown(message.destination)
            if isDown { attemptsAtDead += 1 }
            if message.destination % 50 != 0 { longestWaitOfGood = max(longestWaitOfGood, now - message.arrival) }
            flying[Int(delivery.id)] = delivery
            ends.set(Int(delivery.id), now + (isDown ? 30 * second : Int64.random(in: second / 10...2 * second, using: &random)))
            mostInFlight = max(mostInFlight, flying.count)
        }
    }

    mutating func end(_ number: Int) {
        ends.remove(number)
        guard let delivery = flying.removeValue(forKey: number), let message = messages[delivery.message] else { return }
        let isDown = isDown(message.destination)
        let cause = SuspensionCause(status: EnhancedStatusCode(4, 4, 1), reason: "timed out")
        deferAll(scheduler.finished(delivery.id, feedback: isDown ? .unreachable(cause) : .reached, now: now))
        if isDown {
            postpone(delivery.message)
        } else {
            delivered += 1
            messages[delivery.message] = nil
        }
        pump()
    }

    mutating func deferAll(_ suspensions: [Suspension]) {
        suspended += suspensions.count
        for suspension in suspensions { postpone(suspension.message) }
    }

    mutating func postpone(_ message: QueueID) {
        guard let known = messages[message] else { return }
        if retry.isExpired(arrival: known.arrival, isNullSender: false, now: now) {
            expired += 1
            messages[message] = nil
        } else {
            let next = retry.nextAttempt(arrival: known.arrival, isNullSender: false, now: now, random: random.next())
            due.schedule(message, due: next)
        }
    }

    /// Lives until nothing is left to do: one message every `interval` for a week, then the rest.
    mutating func live(interval: Int64) {
        var nextArrival: Int64 = 0
        while true {
            let arrival = nextArrival < Site.week ? nextArrival : .max
            let event = min(arrival, ends.first?.key ?? .max, due.nextDue() ?? .max)
            guard event < .max else { return }
            now = max(now, event)
            if let end = ends.first, end.key <= now {
                self.end(end.index)
            } else if let message = due.popDue(now: now) {
                attempt(message, isRetry: true)
            } else {
                arrive()
                nextArrival += interval
            }
        }
    }
}

@Test func aWeekOfASiteWithTenThousandDestinations() {
    var site = Site(random: SeededGenerator(seed: 2026))
    let start = ContinuousClock.now
    site.live(interval: 40 * second)
    let took = ContinuousClock.now - start
    print(
        "a week: \(site.made) messages, \(site.attempts) deliveries begun (\(site.attemptsAtDead) at dead destinations), \(site.suspended) "
            + "deferred without an attempt, \(site.delivered) delivered, \(site.expired) returned, at most \(site.mostInFlight) in flight, "
            + "longest wait for a living destination \(Double(site.longestWaitOfGood) / 1e6) s; simulated in \(took)")
    #expect(site.delivered + site.expired == site.made && site.messages.isEmpty && site.due.isEmpty)
    // Half of the 2 % came back: nothing of those that live, or live again, is returned.
    #expect(Double(site.expired) < 0.0125 * Double(site.made) && site.expired > 0)
    #expect(site.longestWaitOfGood <= 5 * second)
    #expect(site.scheduler.waitingCount == 0 && site.scheduler.inFlightCount == 0)
}

/// What a delivery costs the scheduler with 20,000 active messages. Figures only: the machine that runs the tests may be busy.
@Test(arguments: [1, 1000, 10_000]) func whatADecisionCosts(destinations: Int) {
    var scheduler = Scheduler { _ in TransportPolicy(processLimit: 1000) }
    let all = (0..<destinations).map { [RecipientPlacement(recipient: 0, destination: Destination(transport: "smtp", nextHop: "d\($0)"))] }
    #if DEBUG
        let (build, active, deliveries) = ("debug", 2000, 3000)
    #else
        let (build, active, deliveries) = ("release", 20_000, 300_000)
    #endif
    let senders = (0..<500).map { "user\($0)@site.example" }
    let ids = (0..<active + deliveries).map { QueueID(microseconds: Int64($0) + 1_700_000_000_000_000, unique: 1) }
    for number in 0..<active {
        _ = scheduler.add(message: ids[number], recipients: all[number % destinations], sender: senders[number % 500], now: 0)
    }
    var flying = FirstInFirstOut<UInt64>()
    let start = ContinuousClock.now
    for number in active..<active + deliveries {
        while let delivery = scheduler.nextDelivery(now: Int64(number)) { flying.append(delivery.id) }
        if let ended = flying.popFirst() { _ = scheduler.finished(ended, feedback: .reached, now: Int64(number)) }
        _ = scheduler.add(
            message: ids[number], recipients: all[number &* 7919 % destinations], sender: senders[number &* 31 % 500], now: Int64(number))
    }
    let each = (ContinuousClock.now - start) / deliveries
    print("scheduler, \(build): \(active) active messages, \(destinations) destinations: \(each) for a message added, begun and finished")
    #expect(scheduler.waitingCount + scheduler.inFlightCount == active)
}
