// Mishaps in between: late notices, crashes between a success and its report, a directory that refuses.

import MailIPC
import MailModel
import MailQueue
import ServiceKit
import SystemKit
import Testing

@testable import QueueManager

@Test func aNoticeThatComesAfterTheMessageIsGoneDoesNothing() async throws {
    try await onBench { bench in
        // Announced to a queue manager that had found it by its scan meanwhile: without a look at the file it would bounce a second time.
        let notice = try bench.write(to: ["a@error.test"])
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(try bench.count(.incoming) == 0)
        bench.manager.arrived(notice)
        await bench.manager.settled()
        #expect(bench.bounce.notices.count == 1)
        #expect(try bench.count(.deferred) == 0)
    }
}

@Test func aSuccessIsReportedAfterACrashBeforeItsReport() async throws {
    try await onBench { bench in
        let notice = try bench.write(to: ["a@one.test", "b@one.test"], notify: [.success, .failure])
        let path = bench.directories.path(.incoming, notice.queueID)
        let offsets = try QueueFileReader(path: path).stateOffsets
        // Delivered, recorded, marked; then the crash.
        for offset in offsets { try QueueFileMark.setState(.done, at: offset, path: path) }
        bench.restart()
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(bench.agents.requests.isEmpty)
        #expect(bench.bounce.notices.map(\.kind) == [.success])
        #expect(try bench.count(.incoming) == 0)
    }
}

@Test func aMessageThatCannotBePutOnHoldIsNotForgotten() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.2.0")
        let id = try await bench.arrive(to: ["a@one.test"])
        try Files.removeDirectory(bench.directories.path(.hold))
        #expect(await bench.manager.execute(QueueCommand(.hold, .message(id))) == 0)
        #expect(try bench.exists(id, in: .deferred))
        bench.agents.answer = reply(.relayed, "2.0.0")
        await bench.live(until: bench.time.now + 3600 * second)
        #expect(bench.agents.requests.count == 2)
        #expect(try bench.count(.deferred) == 0)
    }
}

@Test func aDeletionThatCrossesAReportIsCarriedOut() async throws {
    try await onBench { bench in
        bench.agents.answer = { request in
            .reply(DeliveryReply(outcomes: [outcome(.bounced, "5.1.1"), outcome(.deferred, "4.2.0")]))
        }
        let notice = try bench.write(to: ["a@one.test", "b@one.test"])
        bench.bounce.onNotify = { _ = await bench.manager.execute(QueueCommand(.delete, .message(notice.queueID))) }
        bench.manager.arrived(notice)
        await bench.manager.settled()
        #expect(try bench.count(.incoming) == 0)
        #expect(try bench.count(.deferred) == 0)
    }
}
