// A flood does not keep out other mail: shares of the active messages, and lanes for what waits.

import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit
import Testing

@testable import QueueManager

private let small = QueueManagerSettings(activeLimit: 100, activeRecipientLimit: 100)

@Test func aFloodToASlowDestinationLeavesRoom() async throws {
    try await onBench(settings: small) { bench in
        bench.agents.isHeld = true
        for number in 0..<200 { bench.manager.arrived(try bench.write(from: "s\(number)@flood.test", to: ["a@slow.test"])) }
        await bench.agents.begun(5)
        #expect(bench.manager.active.count == 45, "half of what the reserve of ten leaves")
        // mailq shows all of them.
        var listed = 0
        try await bench.manager.list { listed += $0.count }
        #expect(listed == 200)
        bench.manager.arrived(try bench.write(from: "ann@quiet.test", to: ["b@quick.test"]))
        await bench.agents.begun(6)
        #expect(bench.agents.requests.last?.nextHop == "quick.test")
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 201)
        #expect(try bench.count(.incoming) == 0)
        #expect(bench.manager.inBacklog.isEmpty)
    }
}

@Test func aFloodOfOneSenderLeavesRoom() async throws {
    try await onBench(settings: small) { bench in
        bench.agents.isHeld = true
        for number in 0..<150 { bench.manager.arrived(try bench.write(from: "flood+\(number)@x.test", to: ["a@d\(number).test"])) }
        #expect(bench.manager.active.count == 45)
        bench.manager.arrived(try bench.write(from: "ann@quiet.test", to: ["b@quick.test"]))
        #expect(bench.manager.active.count == 46)
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(Set(bench.agents.requests.map(\.nextHop)).count == 151)
        #expect(try bench.count(.incoming) == 0)
    }
}

/// Deferred mail that is due for a slow destination: it waits by id only, and an order of the administrator finds it.
@Test func deferredMailWaitsForItsShare() async throws {
    try await onBench(settings: small) { bench in
        for number in 0..<120 {
            let notice = try bench.write(from: "s\(number)@x.test", to: ["a@slow.test"], in: .deferred)
            try bench.setDue(notice.queueID, bench.time.now)
        }
        bench.agents.isHeld = true
        bench.manager.run { await bench.manager.recover() }
        await bench.agents.begun(5)
        while bench.manager.due.nextDue().map({ $0 < QueueManager.inLane }) == true { await Task.yield() }
        #expect(bench.manager.active.count == 45 && bench.manager.due.count == 75)
        let waiting = try #require(bench.manager.due.messages.map(\.id).sorted().first)
        #expect(await bench.manager.execute(QueueCommand(.delete, .message(waiting))) == 1)
        bench.manager.arrived(try bench.write(from: "ann@quiet.test", to: ["b@quick.test"]))
        await bench.agents.begun(6)
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 120)
        #expect(try bench.count(.deferred) == 0 && bench.manager.due.isEmpty)
    }
}

/// New mail while much deferred mail is due: it is the next to go.
@Test func newMailDoesNotWaitForDeferredMail() async throws {
    let settings = QueueManagerSettings(policy: { _ in TransportPolicy(processLimit: 5) })
    try await onBench(settings: settings) { bench in
        for number in 0..<300 {
            let notice = try bench.write(from: "s\(number)@x.test", to: ["a@d\(number).test"], in: .deferred)
            try bench.setDue(notice.queueID, bench.time.now)
        }
        bench.agents.isHeld = true
        bench.manager.run { await bench.manager.recover() }
        await bench.agents.begun(5)
        while bench.manager.active.count < 300 { await Task.yield() }
        bench.manager.arrived(try bench.write(from: "ann@quiet.test", to: ["b@new.test"]))
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.agents.requests[5].nextHop == "new.test")
        #expect(bench.agents.requests.count == 301)
        #expect(try bench.count(.deferred) == 0)
    }
}

/// A message with more recipients than may be in memory is active all the same, and others beside it.
@Test func aListDoesNotUseUpTheRecipients() async throws {
    try await onBench(settings: small) { bench in
        bench.agents.isHeld = true
        bench.manager.arrived(try bench.write(from: "list@x.test", to: (0..<500).map { "u\($0)@d\($0 % 50).test" }))
        bench.manager.arrived(try bench.write(from: "ann@quiet.test", to: ["b@quick.test"]))
        #expect(bench.manager.active.count == 2)
        bench.manager.arrived(try bench.write(from: "list2@x.test", to: (0..<500).map { "u\($0)@d\($0 % 50).test" }))
        #expect(bench.manager.active.count == 2, "a second one waits")
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(try bench.count(.incoming) == 0)
    }
}

@Test func aPauseBetweenDeliveriesWakesTheQueueManager() async throws {
    let settings = QueueManagerSettings(policy: { _ in TransportPolicy(destinationRateDelay: 10 * second) })
    try await onBench(settings: settings) { bench in
        let start = bench.time.now
        for _ in 0..<3 { bench.manager.arrived(try bench.write(to: ["a@one.test"])) }
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 1)
        #expect(bench.manager.nextWakeUp == start + 10 * second)
        await bench.live(until: start + 25 * second)
        #expect(bench.agents.requests.count == 3)
        #expect(try bench.count(.incoming) == 0)
    }
}
