// Messages that cleanup has told of and that are in its commit log alone: delivered from there, and files before they are anything else.

import MailIPC
import MailModel
import MailQueue
import ServiceKit
import SystemKit
import Testing

@testable import QueueManager

/// A cleanup with a log.
@ServiceActor
private final class LoggedCleanup {
    let bench: Bench
    var log: CommitLogFile
    private var made: UInt64 = 1000
    static let content = Array("Subject: x\r\n\r\nin the log\r\n".utf8)

    init(_ bench: Bench) throws {
        self.bench = bench
        if try !Files.exists(bench.directories.commit) { try Files.makeDirectory(bench.directories.commit) }
        log = try CommitLogFile.acquire(in: bench.directories, size: 65_536, now: bench.time.now)
    }

    /// Accepts a message into the log; what qmgr is to be told.
    func accept(to recipients: [String], notify: DSNNotify = []) throws -> ArrivalNotice {
        made += 1
        let envelope = Envelope(
            sender: MailAddress("phil@sender.test"), recipients: recipients.map { EnvelopeRecipient(MailAddress($0), notify: notify) },
            origin: .remoteSMTP, arrival: bench.time.now)
        let writer = QueueFileWriter(
            in: bench.directories.path(.incoming), envelope: envelope, now: bench.time.now + Int64(made), unique: made)
        try writer.append(LoggedCleanup.content)
        let file = try writer.finish(contentFacts: [])
        let place = log.places(for: [file])[0]
        try log.append([file])
        return ArrivalNotice(
            queueID: file.id, envelope: envelope, contentFacts: [], contentOffset: file.header.contentOffset,
            contentLength: file.header.contentLength, place: place, isFile: false)
    }

    func settle() throws { try log.settle(bench.directories, now: bench.time.now) }

    /// Where a message is a file, with its content.
    func places(_ id: QueueID) throws -> [QueueDirectory] {
        try [QueueDirectory.incoming, .deferred, .hold, .corrupt].filter { try bench.exists(id, in: $0) }
    }

    func finish() throws {
        log.close()
        for name in try Files.directoryEntries(bench.directories.commit) { try Files.unlink("\(bench.directories.commit)/\(name)") }
        try Files.removeDirectory(bench.directories.commit)
    }
}

@ServiceActor
private func withLog(
    settings: QueueManagerSettings = QueueManagerSettings(), _ body: @ServiceActor (Bench, LoggedCleanup) async throws -> Void
) async throws {
    try await onBench(settings: settings) { bench in
        let cleanup = try LoggedCleanup(bench)
        try await body(bench, cleanup)
        try cleanup.finish()
    }
}

@Test func whatIsDeliveredAtOnceIsNeverAFile() async throws {
    try await withLog { bench, cleanup in
        let notice = try cleanup.accept(to: ["a@one.test", "b@two.test"])
        bench.agents.isHeld = true
        bench.manager.arrived(notice)
        await bench.agents.begun(2)
        #expect(bench.agents.requests.map(\.content) == [LoggedCleanup.content, LoggedCleanup.content])
        #expect(try cleanup.places(notice.queueID) == [])
        // One of the two marks its state in a file; with a single recipient there is none.
        bench.agents.letGo()
        await bench.manager.settled()
        let single = try cleanup.accept(to: ["c@one.test"])
        bench.manager.arrived(single)
        await bench.manager.settled()
        #expect(bench.manager.active.isEmpty)
        #expect(bench.lines.containing(": removed").count == 2 && bench.lines.containing("warning").isEmpty)
        try cleanup.settle()
        for id in [notice.queueID, single.queueID] { #expect(try cleanup.places(id) == []) }
        // The notice comes once more, late.
        bench.manager.arrived(single)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 3)
    }
}

@Test func aLateNoticeOfAMessageThatIsDoneIsNotBelieved() async throws {
    try await withLog { bench, cleanup in
        let notice = try cleanup.accept(to: ["a@one.test"])
        bench.manager.arrived(notice)
        await bench.manager.settled()
        bench.restart()
        await bench.manager.recover()
        bench.manager.arrived(notice)
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 1)
    }
}

@Test(arguments: [false, true]) func whatIsDeferredIsAFileOnce(isSettledMeanwhile: Bool) async throws {
    try await withLog { bench, cleanup in
        let notice = try cleanup.accept(to: ["a@one.test"])
        bench.agents.answer = reply(.deferred, "4.4.1")
        bench.agents.isHeld = true
        bench.manager.arrived(notice)
        await bench.agents.begun(1)
        if isSettledMeanwhile { try cleanup.settle() }
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(try cleanup.places(notice.queueID) == [.deferred])
        try cleanup.settle()
        #expect(try cleanup.places(notice.queueID) == [.deferred])
        bench.agents.answer = reply(.relayed, "2.0.0")
        await bench.live(until: bench.time.now + 3 * 3600 * second)
        #expect(bench.agents.requests.last?.content == nil)
        #expect(try cleanup.places(notice.queueID) == [] && bench.manager.active.isEmpty)
        #expect(bench.agents.requests.count == 2)
    }
}

@Test func aReportFindsTheMessageInAFile() async throws {
    try await withLog { bench, cleanup in
        let notice = try cleanup.accept(to: ["a@one.test"])
        bench.agents.answer = reply(.bounced, "5.1.1")
        var seen: [QueueDirectory] = []
        bench.bounce.onNotify = { seen = (try? cleanup.places(notice.queueID)) ?? [] }
        bench.manager.arrived(notice)
        await bench.manager.settled()
        #expect(seen == [.incoming])
        #expect(try cleanup.places(notice.queueID) == [])
        try cleanup.settle()
        #expect(try cleanup.places(notice.queueID) == [])
    }
}

@Test func whatFindsNoRoomWaitsInTheLog() async throws {
    var settings = QueueManagerSettings()
    settings.activeLimit = 1
    try await withLog(settings: settings) { bench, cleanup in
        let notices = try ["a", "b", "c", "d"].map { try cleanup.accept(to: ["\($0)@one.test"]) }
        bench.agents.isHeld = true
        for notice in notices { bench.manager.arrived(notice) }
        await bench.agents.begun(1)
        var listed: [QueueID] = []
        try await bench.manager.list { listed += $0.map(\.queueID) }
        #expect(listed == notices.map(\.queueID))
        for notice in notices { #expect(try cleanup.places(notice.queueID) == []) }
        #expect(await bench.manager.execute(QueueCommand(.hold, .message(notices[1].queueID))) == 1)
        #expect(try cleanup.places(notices[1].queueID) == [.hold])
        #expect(await bench.manager.execute(QueueCommand(.delete, .message(notices[2].queueID))) == 1)
        bench.agents.letGo()
        await bench.manager.settled()
        bench.manager.feed()
        await bench.manager.settled()
        #expect(bench.agents.requests.map(\.queueID) == [notices[0].queueID, notices[3].queueID])
        #expect(bench.agents.requests.last?.content == LoggedCleanup.content)
        try cleanup.settle()
        #expect(try notices.map { try cleanup.places($0.queueID) } == [[], [.hold], [], []])
    }
}

@Test func aDeliveryAfterTheSettlementIsOfTheFile() async throws {
    try await withLog { bench, cleanup in
        let notice = try cleanup.accept(to: ["a@one.test"])
        try cleanup.settle()
        _ = try cleanup.accept(to: ["b@one.test"])
        bench.manager.arrived(notice)
        await bench.manager.settled()
        #expect(bench.agents.requests.first?.content == nil)
        #expect(try cleanup.places(notice.queueID) == [])
    }
}

/// A full disk when a message is to be deferred, reported on or held: it is known, tried again at its time, and an order is obeyed later.
@Test func whatCannotBecomeAFileStaysInTheLog() async throws {
    try await withLog { bench, cleanup in
        let notices = try ["a", "b", "c"].map { try cleanup.accept(to: ["\($0)@one.test"]) }
        let ids = notices.map(\.queueID)
        let incoming = bench.directories.path(.incoming)
        // No file can be made.
        try Files.rename(incoming, incoming + ".away")
        bench.agents.answer = { request in
            request.queueID == ids[1] ? reply(.bounced, "5.1.1")(request) : reply(.deferred, "4.4.1")(request)
        }
        bench.agents.isHeld = true
        for notice in notices { bench.manager.arrived(notice) }
        await bench.agents.begun(3)
        #expect(await bench.manager.execute(QueueCommand(.hold, .message(ids[2]))) == 1)
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.manager.active.isEmpty && bench.bounce.notices.isEmpty)
        var listed: [QueueID] = []
        func list() async throws {
            listed = []
            // Without the directory the rest of the list fails.
            do { try await bench.manager.list { listed += $0.map(\.queueID) } } catch is SystemError {}
        }
        try await list()
        #expect(listed == ids)
        #expect(await bench.manager.execute(QueueCommand(.flush, .all)) == 3)
        await bench.manager.settled()
        // The failure of the second one is known, though nobody could be told.
        #expect(bench.agents.requests.map(\.queueID) == ids + [ids[0]])
        #expect(bench.agents.requests.last?.content == LoggedCleanup.content)
        // There is room again.
        try Files.rename(incoming + ".away", incoming)
        await bench.live(until: bench.time.now + 3600 * second)
        #expect(try ids.map { try cleanup.places($0) } == [[.deferred], [], [.hold]])
        #expect(bench.bounce.notices.map(\.queueID) == [ids[1]])
        try cleanup.settle()
        #expect(try ids.map { try cleanup.places($0) } == [[.deferred], [], [.hold]])
    }
}

/// A full disk: who has the mail does not get it again with each attempt for somebody else, in the log or in the file that is made in the end.
@Test(arguments: [false, true]) func whoHasTheMailIsKnownWithoutAFile(isSettledBefore: Bool) async throws {
    try await withLog { bench, cleanup in
        let notice = try cleanup.accept(to: ["has@one.test", "later@two.test"])
        let incoming = bench.directories.path(.incoming)
        try Files.rename(incoming, incoming + ".away")
        bench.agents.answer = { request in
            request.nextHop.hasPrefix("two") ? reply(.deferred, "4.4.1")(request) : reply(.relayed, "2.0.0")(request)
        }
        bench.manager.arrived(notice)
        await bench.manager.settled()
        for _ in 0..<2 {
            #expect(await bench.manager.execute(QueueCommand(.flush, .all)) == 1)
            await bench.manager.settled()
        }
        var listed: [String] = []
        do { try await bench.manager.list { listed += $0.flatMap(\.recipients).map { "\($0.address)" } } } catch is SystemError {}
        #expect(listed.count == 1)
        // There is room again, for cleanup or for the queue manager first.
        try Files.rename(incoming + ".away", incoming)
        if isSettledBefore { try cleanup.settle() }
        await bench.live(until: bench.time.now + 3600 * second)
        #expect(try cleanup.places(notice.queueID) == [.deferred])
        // And by the file alone.
        bench.restart()
        await bench.manager.recover()
        bench.agents.answer = reply(.relayed, "2.0.0")
        await bench.live(until: bench.time.now + 3 * 3600 * second)
        #expect(try cleanup.places(notice.queueID) == [])
        #expect(bench.agents.requests.count { $0.nextHop.hasPrefix("one") } == 1)
        #expect(bench.agents.requests.count { $0.nextHop.hasPrefix("two") } > 3)
    }
}

/// An order to delete is for good at once, whatever is under way, is ordered later, or ends.
@Test(arguments: [false, true]) func whatIsDeletedIsGoneWhileItsDeliveryIsUnderWay(isFile: Bool) async throws {
    try await withLog { bench, cleanup in
        let notice = isFile ? try bench.write(to: ["a@one.test"]) : try cleanup.accept(to: ["a@one.test"])
        bench.agents.answer = reply(.deferred, "4.4.1")
        bench.agents.isHeld = true
        bench.manager.arrived(notice)
        await bench.agents.begun(1)
        #expect(await bench.manager.execute(QueueCommand(.delete, .message(notice.queueID))) == 1)
        for verb in [QueueCommand.Verb.requeue, .hold] {
            #expect(await bench.manager.execute(QueueCommand(verb, .message(notice.queueID))) == 0)
        }
        var listed = 0
        try await bench.manager.list { listed += $0.count }
        #expect(listed == 0)
        #expect(try cleanup.places(notice.queueID) == [])
        bench.agents.letGo()
        await bench.manager.settled()
        #expect(bench.manager.active.isEmpty && bench.lines.containing("warning").isEmpty)
        #expect(bench.lines.containing(": removed").count == 1)
        bench.restart()
        await bench.manager.recover()
        await bench.manager.settled()
        #expect(bench.agents.requests.count == 1)
    }
}

/// cleanup is killed between making a file and its last look at the slot.
@Test func aFileOfAMessageThatIsDoneIsRemovedByTheScan() async throws {
    try await withLog { bench, cleanup in
        let notice = try cleanup.accept(to: ["a@one.test"])
        bench.manager.arrived(notice)
        await bench.manager.settled()
        try bench.plant([1, 2, 3], notice.queueID, in: .incoming)
        await bench.manager.scanIncoming()
        bench.manager.feed()
        await bench.manager.settled()
        #expect(try cleanup.places(notice.queueID) == [])
        #expect(bench.agents.requests.count == 1)
    }
}

/// Its log is found by the next scan, also where no other cleanup is started.
@Test func theLogOfADeadCleanupIsRecoveredByTheScan() async throws {
    try await withLog { bench, cleanup in
        await bench.manager.recover()
        let notice = try cleanup.accept(to: ["a@one.test"])
        cleanup.log.close()
        await bench.manager.scanIncoming()
        bench.manager.feed()
        await bench.manager.settled()
        #expect(bench.agents.requests.map(\.queueID) == [notice.queueID])
        #expect(try cleanup.places(notice.queueID) == [])
        cleanup.log = try CommitLogFile.acquire(in: bench.directories, size: 65_536, now: bench.time.now)
    }
}

@Test func aQueueManagerThatDiesLeavesNothingInTheLogAlone() async throws {
    try await withLog { bench, cleanup in
        let notices = try ["a", "b"].map { try cleanup.accept(to: ["\($0)@one.test"]) }
        bench.agents.isHeld = true
        bench.manager.arrived(notices[0])
        await bench.agents.begun(1)
        bench.restart()
        bench.agents.isHeld = false
        // One was told to the dead one, of the other the notice is on its way.
        await bench.manager.recover()
        bench.manager.arrived(notices[1])
        await bench.manager.settled()
        #expect(bench.agents.requests.map(\.queueID) == [notices[0].queueID] + notices.map(\.queueID))
        try cleanup.settle()
        for notice in notices { #expect(try cleanup.places(notice.queueID) == []) }
    }
}
