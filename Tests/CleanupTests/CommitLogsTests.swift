// What cleanup does with commit logs beside writing them: what qmgr is told, and what becomes of a batch when the log fails.

import MailIPC
import MailLog
import MailModel
import MailQueue
import NIOCore
import NIOPosix
import ServiceKit
import SystemKit
import Testing

@testable import Cleanup

@ServiceActor
@Suite(.timeLimit(.minutes(1)))
struct CommitLogsTests {
    /// A batch that the log did not take is synced file by file. Its records may have come to the disk all the same, so qmgr is told of them.
    @Test func aBatchThatTheLogDoesNotTakeHasItsPlacesAllTheSame() throws {
        let root = "/tmp/martlet-commit-work-test-\(UInt64.random(in: 0..<UInt64.max))"
        let directories = QueueDirectories(root: root)
        try Files.makeDirectory(root)
        for name in ["incoming", "deferred", "hold", "corrupt", "commit"] { try Files.makeDirectory("\(root)/\(name)") }
        let log = try CommitLogFile.acquire(in: directories, size: 65_536, now: 1)
        let files = try (1...3).map { number in
            let writer = QueueFileWriter(
                in: directories.path(.incoming), envelope: envelope("matt@example.org"), now: Int64(number), unique: 1)
            // The last one is not kept for a log.
            try writer.append([UInt8](repeating: 65, count: number == 3 ? 100_000 : 100))
            return try writer.finish(contentFacts: [])
        }
        try Files.unlink(log.path)
        let work = CommitWork.run(files, log)
        #expect(work.logProblem != nil)
        let places = try work.outcomes.map { try $0.get() }
        #expect(places.map { $0.place?.index } == [0, 1, nil])
        for file in files { #expect(try Files.exists(file.path)) }
        log.close()
        for name in ["incoming", "deferred", "hold", "corrupt", "commit"] {
            for entry in try Files.directoryEntries("\(root)/\(name)") { try Files.unlink("\(root)/\(name)/\(entry)") }
            try Files.removeDirectory("\(root)/\(name)")
        }
        try Files.removeDirectory(root)
    }

    /// A queue of its own with logs of 64 KB.
    private func withCommitter(_ body: (GroupCommitter, CommitLogs, QueueDirectories) async throws -> Void) async throws {
        let root = "/tmp/martlet-commit-log-test-\(UInt64.random(in: 0..<UInt64.max))"
        let directories = QueueDirectories(root: root)
        try Files.makeDirectory(root)
        for name in ["incoming", "deferred", "hold", "corrupt", "commit"] { try Files.makeDirectory("\(root)/\(name)") }
        let log = MailLog(program: "cleanup", syslogName: "test", destination: .file("\(root)/log"))
        let logs = CommitLogs(directories: directories, size: 65_536, log: log)
        try await body(GroupCommitter(logs: logs, log: log), logs, directories)
        for name in ["incoming", "deferred", "hold", "corrupt", "commit"] {
            for entry in try Files.directoryEntries("\(root)/\(name)") { try Files.unlink("\(root)/\(name)/\(entry)") }
            try Files.removeDirectory("\(root)/\(name)")
        }
        if try Files.exists("\(root)/log") { try Files.unlink("\(root)/log") }
        try Files.removeDirectory(root)
    }

    private func message(_ number: Int, size: Int, in directories: QueueDirectories) throws -> CompletedQueueFile {
        let writer = QueueFileWriter(
            in: directories.path(.incoming), envelope: envelope("matt@example.org"), now: 1, unique: UInt64(number))
        try writer.append([UInt8](repeating: 65, count: size))
        return try writer.finish(contentFacts: [])
    }

    /// Large messages would write 64 MB of logs for nothing, on the disk that they wait for.
    @Test(arguments: [(100, true), (100_000, false)]) func onlyWhatALogTakesIsAReasonToMakeOne(size: Int, isMade: Bool) async throws {
        try await withCommitter { committer, logs, directories in
            for round in 1...4 {
                // The first one alone, the others together behind it.
                let files = try (1...3).map { try message(round * 10 + $0, size: size, in: directories) }
                var outcomes: [GroupCommitter.Outcome] = []
                for file in files { ServiceActor.start { outcomes.append(await committer.commit(file)) } }
                while outcomes.count < files.count { await Task.yield() }
                for outcome in outcomes { #expect(throws: Never.self) { try outcome.get() } }
            }
            await logs.finish()
            #expect(try Files.directoryEntries(directories.commit).isEmpty != isMade)
        }
    }

    @Test func smallMailDoesNotWaitForLargeMail() async throws {
        try await withCommitter { committer, logs, directories in
            // Both threads of large mail are kept busy, as by a slow disk.
            let pipe = try FileDescriptor.pipe()
            let reading = pipe.read.rawValue
            for _ in 1...2 {
                committer.large.pool.submit { _ in
                    _ = try? FileDescriptor.borrowing(reading) { end throws(SystemError) in try end.read(upTo: 1) }
                }
            }
            var done: [Int] = []
            for (number, size) in [100_000, 100_000, 100_000, 100].enumerated() {
                let file = try message(number, size: size, in: directories)
                ServiceActor.start { if case .success = await committer.commit(file) { done.append(size) } }
            }
            while done.isEmpty { await Task.yield() }
            #expect(done == [100])
            for _ in 1...2 { try pipe.write.writeAll([1]) }
            while done.count < 4 { await Task.yield() }
            await logs.finish()
        }
    }

    /// qmgr has to know where a held message stands, because it is qmgr that removes it.
    @Test(arguments: [false, true]) func qmgrIsToldOfEachMessage(isHeld: Bool) async throws {
        let queue = try QueueFixture()
        let listener = try Sockets.listenUnix(path: "\(queue.root)/public/qmgr")
        try listener.setNonBlocking(true)
        var given = envelope("matt@example.org")
        given.isHeld = isHeld
        let id = try await queue.queue(given, "Subject: x\r\n\r\nhello\r\n")
        var accepted: Int32 = -1
        while accepted < 0 {
            if let descriptor = try Sockets.accept(listener.rawValue) { accepted = descriptor.release() } else { await Task.yield() }
        }
        // Read by the notifier's preamble: it is this very loop that writes it.
        var beside: IPCBeside?
        while beside == nil {
            await Task.yield()
            beside = IPCPreambleReader.read(from: accepted, patience: 0)
        }
        var told: [QueueID] = []
        let server = try await IPCConnection.serve(
            descriptor: accepted, beside: try #require(beside), protocol: .queueManager, capacity: 10
        ) { stream in
            ServiceActor.start {
                while let frame = try? await stream.receive(deadline: .now() + .seconds(30)) {
                    if let notice = try? ArrivalNotice(decoding: frame.payload[...]) { told.append(notice.queueID) }
                }
            }
        }
        while told.isEmpty { await Task.yield() }
        #expect(told == [id])
        server.close(.broken("done"))
    }
}
