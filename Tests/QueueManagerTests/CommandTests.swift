// What an administrator orders.

import MailIPC
import MailModel
import MailQueue
import ServiceKit
import SystemKit
import Testing

@testable import QueueManager

@Test func aFlushTriesEverythingNow() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        for _ in 0..<5 { _ = try await bench.arrive(to: ["a@one.test"]) }
        bench.time.now += second
        #expect(await bench.manager.execute(QueueCommand(.flush, .all)) == 5)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 10)
    }
}

@Test func aFlushOfOneMessageTriesADeadDestination() async throws {
    try await onBench { bench in
        bench.agents.answer = { _ in
            let trouble = outcome(.deferred, "4.4.1")
            return .reply(DeliveryReply(outcomes: [trouble], destinationTrouble: trouble))
        }
        var last: QueueID?
        for _ in 0..<6 { last = try await bench.arrive(to: ["a@dead.test"]) }
        #expect(bench.agents.requests.count == 4)
        let id = try #require(last)
        #expect(await bench.manager.execute(QueueCommand(.flush, .message(id))) == 1)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 5)
        #expect(bench.agents.requests.last?.queueID == id)
    }
}

@Test func aFlushOfASiteTriesItsMessagesOnly() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        _ = try await bench.arrive(to: ["a@one.test"])
        let two = try await bench.arrive(to: ["b@Two.test", "c@three.test"])
        #expect(await bench.manager.execute(QueueCommand(.flush, .site("two.TEST"))) == 1)
        await bench.manager.settled()
        #expect(bench.agents.requests.dropFirst(3).allSatisfy { $0.queueID == two })
        #expect(bench.agents.requests.count == 5)
    }
}

@Test func holdAndRelease() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        let id = try await bench.arrive(to: ["a@one.test"])
        #expect(await bench.manager.execute(QueueCommand(.hold, .message(id))) == 1)
        #expect(try bench.exists(id, in: .hold))
        await bench.live(until: bench.time.now + 86_400 * second)
        #expect(bench.agents.requests.count == 1)
        #expect(await bench.manager.execute(QueueCommand(.release, .message(id))) == 1)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 2)
        #expect(bench.lines.containing("placed on hold") == ["qmgr: \(id): placed on hold"])
        #expect(bench.lines.containing("released from hold") == ["qmgr: \(id): released from hold"])
    }
}

@Test func aMessageThatCameHeldIsLeftAloneUntilReleased() async throws {
    try await onBench { bench in
        let held = try bench.write(to: ["a@one.test"], isHeld: true)
        await bench.manager.recover()
        #expect(try bench.exists(held.queueID, in: .hold))
        #expect(bench.agents.requests.isEmpty)
        #expect(await bench.manager.execute(QueueCommand(.release, .all)) == 1)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 1)
        #expect(try bench.count(.hold) + bench.count(.deferred) == 0)
    }
}

@Test func aMessageUnderWayIsHeldWhenItsDeliveryHasEnded() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        bench.agents.isHeld = true
        let notice = try bench.write(to: ["a@one.test", "b@two.test"])
        bench.manager.arrived(notice)
        await bench.agents.begun(2)
        #expect(await bench.manager.execute(QueueCommand(.hold, .message(notice.queueID))) == 1)
        #expect(try bench.exists(notice.queueID, in: .incoming))
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(try bench.exists(notice.queueID, in: .hold))
    }
}

@Test func deletedMessagesAreGone() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        let waiting = try await bench.arrive(to: ["a@one.test"])
        let held = try bench.write(to: ["a@one.test"], in: .hold).queueID
        bench.agents.isHeld = true
        let flying = try bench.write(to: ["a@one.test"])
        bench.manager.arrived(flying)
        await bench.agents.begun(1)
        #expect(await bench.manager.execute(QueueCommand(.delete, .all)) == 3)
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(try bench.count(.incoming) + bench.count(.deferred) + bench.count(.hold) == 0)
        #expect(Set(bench.lines.containing("removed")) == Set([waiting, held, flying.queueID].map { "qmgr: \($0): removed" }))
        #expect(bench.bounce.notices.isEmpty)
        #expect(await bench.manager.execute(QueueCommand(.delete, .message(waiting))) == 0)
    }
}

@Test func requeuedMessagesAreTriedAtOnce() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        let id = try await bench.arrive(to: ["a@one.test"])
        #expect(await bench.manager.execute(QueueCommand(.requeue, .message(id))) == 1)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 2)
        #expect(bench.lines.containing("requeued") == ["qmgr: \(id): requeued"])
    }
}

@Test func aMessageUnderWayIsRequeuedWhenItsDeliveryHasEnded() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        bench.agents.isHeld = true
        let notice = try bench.write(to: ["a@one.test", "b@two.test"])
        bench.manager.arrived(notice)
        await bench.agents.begun(2)
        #expect(await bench.manager.execute(QueueCommand(.requeue, .message(notice.queueID))) == 1)
        #expect(bench.agents.requests.count == 2)
        bench.agents.isHeld = false
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 4)
        #expect(bench.lines.containing("requeued") == ["qmgr: \(notice.queueID): requeued"])
        #expect(try bench.exists(notice.queueID, in: .deferred))
    }
}

@Test func theListShowsEachMessageInItsPlace() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0", "later")
        let waiting = try await bench.arrive(to: ["a@one.test"])
        let held = try bench.write(to: ["b@one.test"], in: .hold).queueID
        bench.agents.isHeld = true
        let flying = try bench.write(from: "", to: ["c@one.test", "d@two.test"])
        bench.manager.arrived(flying)
        await bench.agents.begun(2)
        var entries: [QueueEntry] = []
        // bounce writes why a message waits; who lists the queue reads it there.
        for record in bench.bounce.records where record.log == .defer {
            let log = try FileDescriptor.open(bench.directories.path(.defer, record.queueID), [.writeOnly, .create, .append])
            try log.writeAll(BounceLogFile.line(record))
        }
        try await bench.manager.list { entries += $0 }
        try #require(entries.map(\.queueID) == [flying.queueID, waiting, held])
        #expect(entries.map(\.place) == [.active, .deferred, .hold])
        #expect(entries[0].recipients.count == 2 && entries[0].sender.isNull)
        #expect(entries[1].recipients.map(\.delayReason) == ["later"])
        #expect(entries[1].nextAttempt > bench.time.now)
        bench.agents.letGo()
        await bench.manager.settled()
    }
}
