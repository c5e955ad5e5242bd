// Starting on a queue that an earlier life left: the state table, row by row; and garbage.

import MailIPC
import MailModel
import MailQueue
import NIOCore
import Scheduling
import ServiceKit
import SystemKit
import Testing

@testable import QueueManager

@Test func theScanGivesTheSameResultAsTheNotice() async throws {
    try await onBench { bench in
        let recipients = ["a@one.test", "b@one.test", "c@two.test"]
        let told = try bench.write(to: recipients)
        bench.manager.arrived(told)
        await bench.manager.settled()
        let found = try bench.write(to: recipients)
        await bench.manager.recover()
        await bench.manager.settled()
        @ServiceActor func essence(_ id: QueueID) -> [String] {
            bench.agents.requests.filter { $0.queueID == id }.map { request in
                var plain = request
                plain.queueID = told.queueID
                return "\(plain)"
            }
        }
        #expect(essence(told.queueID).count == 2)
        #expect(essence(told.queueID) == essence(found.queueID))
        #expect(try bench.count(.incoming) == 0)
    }
}

@Test func aFileThatIsBeingWrittenIsLeftAlone() async throws {
    try await onBench { bench in
        let envelope = Envelope(sender: .null, recipients: [EnvelopeRecipient(MailAddress("a@one.test"))], origin: .remoteSMTP, arrival: 0)
        let writer = QueueFileWriter(in: bench.directories.path(.incoming), envelope: envelope, now: bench.time.now, unique: 1)
        // So much that it is a file from now on.
        try writer.append([UInt8](repeating: 65, count: 300_000))
        await bench.manager.recover()
        #expect(try bench.exists(writer.id, in: .incoming))
        // Complete, but its writer still holds the lock: the 250 is not given, and the notice will come.
        var file = try writer.finish(contentFacts: [])
        try file.makeFile()
        await bench.manager.scanIncoming()
        #expect(bench.manager.inBacklog.isEmpty)
        // The writer died after its commit, before its notice: the next scan finds the message.
        file.close()
        await bench.manager.scanIncoming()
        bench.manager.feed()
        await bench.manager.settled()
        #expect(bench.agents.requests.map(\.queueID) == [file.id])
    }
}

@Test func aFileWhoseWriterDiedIsRemoved() async throws {
    try await onBench { bench in
        let empty = try #require(QueueID("abcdef0123z1"))
        try bench.plant([], empty, in: .incoming)
        try Files.setTimes(bench.directories.path(.incoming, empty), modified: bench.time.now - 11 * second)
        // This one's writer may be about to lock it.
        let young = try #require(QueueID("abcdef0123z3"))
        try bench.plant([], young, in: .incoming)
        try Files.setTimes(bench.directories.path(.incoming, young), modified: bench.time.now - 9 * second)
        let whole = try Files.contents(of: bench.directories.path(.incoming, try bench.write(to: ["a@one.test"]).queueID))
        let torn = try #require(QueueID("abcdef0123z2"))
        try bench.plant(Array(whole.dropLast(20)), torn, in: .incoming)
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(try bench.directories.ids(in: .incoming) == [young])
        #expect(bench.agents.requests.count == 1)
        #expect(bench.lines.containing("warning: incoming/\(torn): incomplete").count == 1)
        #expect(bench.lines.containing("warning: incoming/\(empty): incomplete").count == 1)
    }
}

@Test(arguments: [QueueDirectory.incoming, .deferred])
func garbageIsMovedToCorruptAndTheServiceGoesOn(directory: QueueDirectory) async throws {
    try await onBench { bench in
        let good = try bench.write(to: ["a@one.test"])
        let bad = try #require(QueueID("abcdef0123z1"))
        try bench.plant((0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }, bad, in: directory)
        // A message with one flipped byte in its envelope is garbage too.
        let flipped = try bench.write(to: ["b@one.test"], in: directory).queueID
        var bytes = try Files.contents(of: bench.directories.path(directory, flipped))
        bytes[100] ^= 1
        try bench.plant(bytes, flipped, in: directory)
        if directory == .deferred { for id in [bad, flipped] { try bench.setDue(id, bench.time.now) } }
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(Set(try bench.directories.ids(in: .corrupt)) == [bad, flipped])
        #expect(bench.lines.containing("moved to corrupt").count == 2)
        #expect(bench.agents.requests.map(\.queueID) == [good.queueID])
    }
}

/// Row S4: some recipients are marked; the restart tries the others only.
@Test func aRestartTriesOnlyWhatIsNotMarked() async throws {
    try await onBench { bench in
        bench.agents.answer = { request in request.nextHop == "good.test" ? reply(.relayed, "2.0.0")(request) : .broken("crash") }
        let id = try await bench.arrive(to: ["a@good.test", "b@later.test"])
        bench.restart()
        bench.agents.requests = []
        bench.agents.answer = reply(.relayed, "2.0.0")
        await bench.manager.recover()
        await bench.live(until: bench.time.now + 400 * second)
        #expect(bench.agents.requests.map(\.nextHop) == ["later.test"])
        #expect(try !bench.exists(id, in: .deferred))
    }
}

/// Row S7: everything is marked, the file is still there.
@Test func aFinishedMessageIsRemovedWithoutDelivery() async throws {
    try await onBench { bench in
        let notice = try bench.write(to: ["a@good.test", "b@good.test"])
        let path = bench.directories.path(.incoming, notice.queueID)
        let offsets = try QueueFileReader(path: path).stateOffsets
        for offset in offsets { try QueueFileMark.setState(.done, at: offset, path: path) }
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(bench.agents.requests.isEmpty)
        #expect(try bench.count(.incoming) == 0)
    }
}

/// A record was appended, and qmgr died before it postponed the message: nothing in the file says so.
@Test func theLogsOfAnEarlierLifeGoWithTheMessage() async throws {
    try await onBench { bench in
        let old = try bench.write(to: ["a@good.test"]).queueID
        bench.time.now += second
        bench.restart()
        bench.time.now += second
        let new = try bench.write(to: ["a@good.test"]).queueID
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(bench.agents.requests.map(\.queueID) == [old, new])
        #expect(try bench.count(.incoming) == 0)
        #expect(bench.bounce.forgotten == [old])
    }
}

@Test func aLostNoticeIsMadeUpForByTheRescan() async throws {
    try await onBench(settings: QueueManagerSettings(rescanInterval: 300 * second)) { bench in
        _ = try bench.write(to: ["a@one.test"])
        await bench.live(until: bench.time.now + 299 * second)
        #expect(bench.agents.requests.isEmpty)
        await bench.live(until: bench.time.now + 2 * second)
        #expect(bench.agents.requests.count == 1)
    }
}

@Test func aNoticeThatComesTwiceDeliversOnce() async throws {
    try await onBench { bench in
        bench.agents.isHeld = true
        let notice = try bench.write(to: ["a@one.test"])
        bench.manager.arrived(notice)
        bench.manager.arrived(notice)
        await bench.agents.begun(1)
        await bench.manager.scanIncoming()
        bench.manager.feed()
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 1)
    }
}

@Test func twentyThousandDeferredMessagesAreKnownByTimeOnly() async throws {
    try await onBench { bench in
        for number in 0..<20_000 {
            let id = QueueID(microseconds: Int64(number), unique: 9)
            try bench.plant([], id, in: .deferred)
            try bench.setDue(id, bench.time.now + Int64(number + 1) * second)
        }
        let begin = SystemClock.monotonic()
        await bench.manager.recover()
        print("20,000 deferred messages known after \((SystemClock.monotonic() - begin) / 1000) ms")
        #expect(bench.manager.due.count == 20_000)
        #expect(bench.manager.active.isEmpty)
        #expect(bench.manager.due.nextDue() == bench.time.now + second)
    }
}

@Test func activeMessagesAreBounded() async throws {
    try await onBench(settings: QueueManagerSettings(activeLimit: 10)) { bench in
        bench.agents.isHeld = true
        for _ in 0..<40 { bench.manager.arrived(try bench.write(to: ["a@one.test"])) }
        for _ in 0..<20 { try bench.setDue(try bench.write(to: ["a@two.test"], in: .deferred).queueID, bench.time.now) }
        await bench.agents.begun(5)
        #expect(bench.manager.active.count == 10)
        #expect(bench.manager.inBacklog.count == 30)
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 40)
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 60)
        #expect(try bench.count(.incoming) + bench.count(.deferred) == 0)
    }
}

@Test func drainingFinishesWhatIsUnderWayAndBeginsNothing() async throws {
    let settings = QueueManagerSettings(policy: { _ in TransportPolicy(processLimit: 1) })
    try await onBench(settings: settings) { bench in
        bench.agents.isHeld = true
        for _ in 0..<3 { bench.manager.arrived(try bench.write(to: ["a@one.test"])) }
        await bench.agents.begun(1)
        let manager = bench.manager
        let drained = Task { @ServiceActor in await manager.drain(patience: .seconds(60)) }
        while !manager.isDraining { await Task.yield() }
        bench.agents.letGo()
        await drained.value
        #expect(bench.agents.requests.count == 1)
        #expect(try bench.count(.incoming) == 2)
    }
}

@Test func recipientsInMemoryAreBounded() async throws {
    try await onBench(settings: QueueManagerSettings(activeRecipientLimit: 100)) { bench in
        bench.agents.isHeld = true
        let many = (0..<60).map { "u\($0)@site\($0).test" }
        for _ in 0..<4 { bench.manager.arrived(try bench.write(to: many)) }
        await bench.agents.begun(1)
        #expect(bench.manager.active.count == 1, "a second one would exceed the limit")
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 240)
        #expect(try bench.count(.incoming) == 0)
    }
}

/// A notice or a file without recipients must not pass for a message that is finished.
@Test func aMessageWithoutRecipientsIsNotRemoved() async throws {
    try await onBench { bench in
        var lying = try bench.write(to: ["a@one.test"])
        lying.envelope.recipients = []
        bench.manager.arrived(lying)
        bench.manager.feed()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 1, "the file tells the truth")
        let none = try bench.write(to: [])
        await bench.manager.scanIncoming()
        bench.manager.feed()
        #expect(try bench.exists(none.queueID, in: .corrupt))
    }
}

/// The scan after a restart finds a message and it is delivered; then the notice arrives that cleanup could not send before.
@Test func aLateNoticeDoesNotBringBackAMessage() async throws {
    try await onBench { bench in
        let notice = try bench.write(to: ["a@one.test"])
        await bench.manager.recover()
        await bench.manager.settled()
        bench.manager.arrived(notice)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 1)
        #expect(bench.lines.containing("warning").isEmpty)
    }
}

@Test func aMessageWhoseFileIsGoneIsForgotten() async throws {
    try await onBench { bench in
        bench.agents.answer = { _ in .noFile("open: No such file or directory") }
        let notice = try bench.write(to: ["a@one.test", "b@two.test"])
        try Files.unlink(bench.directories.path(.incoming, notice.queueID))
        bench.manager.arrived(notice)
        await bench.manager.settled()
        #expect(bench.manager.active.isEmpty)
        #expect(bench.bounce.records.isEmpty)
        #expect(bench.lines.containing("status=").isEmpty)
    }
}

@Test func aLogThatCannotBeRecoveredIsTriedAgainWithTheNextScan() async throws {
    try await onBench { bench in
        try? Files.makeDirectory(bench.directories.commit)
        let envelope = Envelope(
            sender: .null, recipients: [EnvelopeRecipient(MailAddress("a@one.test"))], origin: .remoteSMTP, arrival: bench.time.now)
        let writer = QueueFileWriter(in: bench.directories.path(.incoming), envelope: envelope, now: bench.time.now, unique: 1)
        var file = try writer.finish(contentFacts: [])
        try file.makeFile()
        file.close()
        var log = try CommitLogFile.acquire(in: bench.directories, size: 65_536, now: bench.time.now)
        try log.append([file])
        log.close()
        // What stands in its place can be neither read nor replaced.
        try Files.unlink(file.path)
        try Files.makeDirectory(file.path)
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(bench.agents.requests.isEmpty)
        #expect(bench.lines.containing("warning: commit log: ").count == 1)
        try Files.removeDirectory(file.path)
        await bench.manager.scanIncoming()
        bench.manager.feed()
        await bench.manager.settled()
        #expect(bench.agents.requests.map(\.queueID) == [file.id])
    }
}

/// Called again and again for what is due, it would never have nothing under way, and its successor would wait for its patience to end.
@Test func aQueueManagerThatEndsWantsNoFurtherCalls() async throws {
    try await onBench { bench in
        bench.agents.answer = reply(.deferred, "4.4.1")
        _ = try await bench.arrive(to: ["a@one.test"])
        bench.time.now += 86_400 * second
        #expect(bench.manager.nextWakeUp <= bench.time.now)
        var isTold = false
        bench.manager.onWakeUpChange = { isTold = true }
        await bench.manager.drain(patience: .seconds(60))
        #expect(isTold && bench.manager.nextWakeUp == .max)
    }
}
