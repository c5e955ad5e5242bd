// What becomes of messages: delivered, bounced, deferred, expired; and the order in which it becomes durable.

import MailIPC
import MailModel
import MailQueue
import Scheduling
import ServiceKit
import SystemKit
import Testing

@testable import QueueManager

@Test func aMessageDeliveredAtTheFirstAttemptIsRemoved() async throws {
    try await onBench { bench in
        let id = try await bench.arrive(to: ["matt@receiver.test"])
        #expect(try bench.count(.incoming) == 0)
        #expect(bench.agents.requests.map(\.nextHop) == ["receiver.test"])
        #expect(
            bench.lines.all == [
                "qmgr: \(id): from=<phil@sender.test>, size=20, nrcpt=1 (queue active)", "qmgr: \(id): removed",
            ])
        #expect(bench.bounce.forgotten.isEmpty, "nothing was recorded, so nothing is to be forgotten")
    }
}

@Test func eachRecipientEndsInItsOwnState() async throws {
    try await onBench { bench in
        bench.agents.answer = { request in
            switch request.nextHop {
            case "good.test": reply(.relayed, "2.0.0")(request)
            case "bad.test": reply(.bounced, "5.1.1", "no such user")(request)
            default: reply(.deferred, "4.2.0", "greylisted")(request)
            }
        }
        let id = try await bench.arrive(to: ["a@good.test", "b@bad.test", "c@grey.test"])
        #expect(try bench.states(id, in: .deferred) == [.done, .bounced, .todo])
        #expect(Set(bench.bounce.records.map(\.log)) == [.bounce, .defer] && bench.bounce.records.count == 2)
        // The sender hears of the failure at once, not when the last recipient is done.
        #expect(bench.bounce.notices.map(\.kind) == [.failure])
        let due = try Files.status(of: bench.directories.path(.deferred, id)).modified
        #expect(due >= bench.time.now + 300 * second && due <= bench.time.now + 375 * second)
        #expect(bench.manager.due.due(of: id) == due)
        // Greylisted, later accepted: only that one is tried again.
        bench.agents.answer = reply(.relayed, "2.0.0")
        await bench.live(until: due)
        #expect(bench.agents.requests.last?.envelope.recipients.map(\.address) == [MailAddress("c@grey.test")])
        #expect(try bench.count(.deferred) == 0)
        #expect(bench.lines.all.last == "qmgr: \(id): removed")
        #expect(bench.bounce.forgotten == [id])
        #expect(bench.bounce.notices.count == 1)
    }
}

@Test func anAgentThatBreaksOffDefers() async throws {
    try await onBench { bench in
        bench.agents.answer = { _ in .broken("connection broken: closed by the other end") }
        let id = try await bench.arrive(to: ["a@one.test", "b@one.test"])
        #expect(try bench.states(id, in: .deferred) == [.todo, .todo])
        #expect(
            bench.lines.containing("\(id): to=<b@one.test>") == [
                "retry: \(id): to=<b@one.test>, relay=none, delay=0, delays=0/0/0/0, dsn=4.3.0, "
                    + "status=deferred (unknown mail transport error)"
            ])
    }
}

@Test func anAgentThatForgetsARecipientDefersIt() async throws {
    try await onBench { bench in
        bench.agents.answer = { _ in .reply(DeliveryReply(outcomes: [outcome(.relayed, "2.0.0")])) }
        let id = try await bench.arrive(to: ["a@one.test", "b@one.test"])
        #expect(try bench.states(id, in: .deferred) == [.done, .todo])
    }
}

@Test func anUnreachableTransportIsLeftAloneForAWhile() async throws {
    try await onBench { bench in
        bench.agents.answer = { _ in .unreachable("connect private/smtp: No such file or directory") }
        let first = try await bench.arrive(to: ["a@one.test"])
        let later = try await bench.arrive(to: ["a@two.test"])
        #expect(bench.agents.requests.count == 1)
        #expect(bench.lines.containing("\(first): to=").first?.contains("dsn=4.3.0, status=deferred (mail transport unavailable)") == true)
        #expect(
            bench.lines.containing("\(later): to=").first?.contains(
                "status=deferred (delivery temporarily suspended: mail transport unavailable)") == true)
        bench.time.now += 60 * second
        _ = try await bench.arrive(to: ["a@three.test"])
        #expect(bench.agents.requests.count == 2)
    }
}

@Test func aDeadDestinationIsNotTriedAgainAtOnce() async throws {
    try await onBench { bench in
        bench.agents.answer = { _ in
            let trouble = outcome(.deferred, "4.4.1", "connect to mx.test[192.0.2.1]:25: Connection refused")
            return .reply(DeliveryReply(outcomes: [trouble], destinationTrouble: trouble))
        }
        for _ in 0..<30 { _ = try await bench.arrive(to: ["a@dead.test"]) }
        #expect(bench.agents.requests.count == 4)
        #expect(try bench.count(.deferred) == 30)
        #expect(
            bench.lines.containing(
                "dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to mx.test[192.0.2.1]:25: Connection refused)"
            ).count == 26)
    }
}

@Test func aFailureThatIsNotRecordedDidNotHappen() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.bounced, "5.1.1")
        bench.bounce.isUp = false
        let id = try await bench.arrive(to: ["a@one.test"])
        #expect(try bench.states(id, in: .deferred) == [.todo])
        bench.bounce.isUp = true
        await bench.live(until: bench.time.now + 400 * second)
        #expect(bench.bounce.notices.map(\.kind) == [.failure])
        #expect(try bench.count(.deferred) == 0)
    }
}

/// The failure is recorded, then the service dies before the report is queued: the message waits, is not delivered again, and is reported
/// later.
@Test func aReportThatIsNotQueuedKeepsTheMessage() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.bounced, "5.1.1")
        bench.bounce.refusesNotices = true
        let id = try await bench.arrive(to: ["a@one.test"])
        #expect(try bench.states(id, in: .deferred) == [.bounced])
        bench.restart()
        bench.bounce.refusesNotices = false
        await bench.manager.recover()
        await bench.live(until: bench.time.now + 400 * second)
        #expect(bench.agents.requests.count == 1)
        #expect(bench.bounce.notices.map(\.kind) == [.failure])
        #expect(try bench.count(.deferred) == 0)
    }
}

@Test func theQueueManagersOwnAnswers() async throws {
    try await onBench { bench in
        let id = try await bench.arrive(to: ["a@error.test", "b@retry.test", "c@discard.test"])
        #expect(bench.agents.requests.isEmpty)
        #expect(try bench.states(id, in: .deferred) == [.bounced, .todo, .done])
        let tail = "relay=none, delay=0, delays=0/0/0/0, "
        #expect(
            bench.lines.containing("to=<") == [
                "error: \(id): to=<a@error.test>, \(tail)dsn=5.1.1, status=bounced (User unknown in virtual alias table)",
                "retry: \(id): to=<b@retry.test>, \(tail)dsn=4.3.0, status=deferred (address resolver failure)",
                "discard: \(id): to=<c@discard.test>, \(tail)dsn=2.0.0, status=sent (on purpose)",
            ])
    }
}

@Test func whoAskedForSuccessIsTold() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.relayedWithoutDSN, "2.0.0")
        _ = try await bench.arrive(to: ["a@one.test"], notify: [.success])
        #expect(bench.bounce.records.map(\.log) == [.trace])
        #expect(bench.bounce.notices.map(\.kind) == [.success])
        #expect(try bench.count(.incoming) == 0)
        // Where the next host reports itself, nothing is to be said here (RFC 3461 section 5.2.2).
        bench.agents.answer = reply(.relayed, "2.0.0")
        _ = try await bench.arrive(to: ["a@one.test"], notify: [.success])
        #expect(bench.bounce.notices.count == 1)
    }
}

@Test func whoWantsToHearNothingHearsNothing() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.bounced, "5.1.1")
        _ = try await bench.arrive(to: ["a@one.test"], notify: [.never])
        #expect(bench.bounce.records.isEmpty)
        #expect(bench.bounce.notices.isEmpty)
        #expect(try bench.count(.incoming) == 0)
    }
}

/// Five days of a dead receiver: attempts, one warning, the end.
@Test func aMessageForADeadReceiverIsTriedForFiveDaysAndReturned() async throws {
    let settings = QueueManagerSettings(retry: RetryPolicy(delayWarning: 4 * 3600 * second))
    try await onBench(settings: settings) { bench in
        bench.agents.answer = reply(.deferred, "4.4.1", "connect to mx.test: Connection refused")
        let start = bench.time.now
        let id = try await bench.arrive(to: ["matt@receiver.test"])
        await bench.live(until: start + 4 * 3600 * second + 4000 * second)
        #expect(bench.bounce.notices.map(\.kind) == [.delay])
        #expect(bench.bounce.notices.first?.retryUntil == start + 432_000 * second)
        let isNoted = try QueueFileReader(path: bench.directories.path(.deferred, id)).header.delayNoticeSent
        #expect(isNoted)
        // A restart in between changes nothing.
        await bench.live(until: start + 2 * 86_400 * second)
        bench.restart()
        await bench.manager.recover()
        await bench.manager.settled()
        await bench.live(until: start + 6 * 86_400 * second)
        #expect(bench.bounce.notices.map(\.kind) == [.delay, .failure])
        #expect(try bench.count(.deferred) == 0)
        #expect(bench.lines.containing("from=<phil@sender.test>, status=expired, returned to sender").count == 1)
        let last = try #require(bench.bounce.records.last { $0.log == .bounce })
        #expect(last.outcome.reason == "connect to mx.test: Connection refused" && last.outcome.status == EnhancedStatusCode(4, 4, 1))
        #expect(last.time >= start + 432_000 * second && last.time <= start + 432_300 * second)
        #expect((105...150).contains(bench.agents.requests.count), "\(bench.agents.requests.count) attempts")
    }
}

@Test func aReceiverThatComesBackGetsTheMessage() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.4.1")
        _ = try await bench.arrive(to: ["matt@receiver.test"])
        await bench.live(until: bench.time.now + 86_400 * second)
        bench.agents.answer = reply(.relayed, "2.0.0")
        await bench.live(until: bench.time.now + 4000 * second)
        #expect(try bench.count(.deferred) == 0)
        #expect(bench.bounce.notices.isEmpty)
    }
}

/// A process limit of 1 is one delivery at a time until the agent says that it takes more.
@Test func anAgentWithAnEventLoopTakesManyDeliveries() async throws {
    let settings = QueueManagerSettings(policy: { _ in TransportPolicy(processLimit: 1) })
    try await onBench(settings: settings) { bench in
        bench.agents.isHeld = true
        for number in 0..<5 { bench.manager.arrived(try bench.write(to: ["a@site\(number).test"])) }
        await bench.agents.begun(1)
        #expect(bench.agents.requests.count == 1)
        bench.agents.onCapacity?("smtp", 250)
        await bench.agents.begun(5)
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(try bench.count(.incoming) == 0)
    }
}
