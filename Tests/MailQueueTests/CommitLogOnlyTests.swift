// Messages that are in a commit log alone: read there, made files by qmgr or by the settling cleanup, whoever comes first, and never twice.

import MailIPC
import MailModel
import SystemKit
import Testing

@testable import MailQueue

@Suite struct CommitLogOnlyTests {
    private func logOnly(_ queue: CommitLogFixture, _ log: inout CommitLogFile, count: Int = 1) throws -> [(
        CompletedQueueFile, CommitLogPlace
    )] {
        let files = try (0..<count).map { try queue.write(String(repeating: "x", count: 3000 * $0), isFile: false) }
        return Array(zip(files, try log.put(files)))
    }

    private func marks(_ queue: CommitLogFixture, _ messages: [(CompletedQueueFile, CommitLogPlace)]) throws -> CommitLogMarks {
        var marks = CommitLogMarks(directories: queue.directories)
        for (file, place) in messages { try marks.note(file.id, at: place) }
        return marks
    }

    @Test func itIsReadWhereItStands() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let messages = try logOnly(queue, &log, count: 5)
        let marks = try marks(queue, messages)
        for (file, place) in messages {
            #expect(try marks.read(file.id, at: place) == file.bytes)
            #expect(try queue.bytes(.incoming, file.id) == nil)
        }
        #expect(try marks.read(messages[0].0.id, at: messages[1].1) == nil)
        try log.settle(queue.directories, now: CommitLogFixture.start)
        // The next generation is where the one before was.
        _ = try logOnly(queue, &log, count: 5)
        for (file, place) in messages { #expect(try marks.read(file.id, at: place) == nil) }
        log.close()
    }

    /// What became of a message before its log is settled, or recovered.
    enum Fate: CaseIterable { case untouched, done, filed, filedAndDeferred, filedAndDone }

    @Test(arguments: Fate.allCases, [false, true])
    func whatIsLeftBecomesAFileOnce(fate: Fate, isRecovered: Bool) throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let messages = try logOnly(queue, &log, count: 2)
        let (file, place) = messages[1]
        var marks = try marks(queue, messages)
        var expected: QueueDirectory? = .incoming
        if fate == .filed || fate == .filedAndDeferred || fate == .filedAndDone {
            try marks.materialize(file.id, at: place)
            #expect(try queue.bytes(.incoming, file.id) == file.bytes)
        }
        if fate == .filedAndDeferred {
            try marks.leave(file.id)
            try queue.directories.move(file.id, from: .incoming, to: .deferred)
            expected = .deferred
        }
        if fate == .done || fate == .filedAndDone {
            try marks.settle(file.id)
            try? Files.unlink(file.path)
            expected = nil
        }
        if isRecovered {
            log.close()
            // One that qmgr had made a file is not recovered, but left.
            let recovered = [messages[0].0.id] + (fate == .untouched ? [file.id] : [])
            #expect(try queue.recover() == recovered)
        } else {
            try log.settle(queue.directories, now: CommitLogFixture.start)
            log.close()
        }
        #expect(try queue.bytes(.incoming, messages[0].0.id) == messages[0].0.bytes)
        for directory in CommitLogSettlement.places {
            #expect(try queue.bytes(directory, file.id) == (directory == expected ? file.bytes : nil), "\(directory)")
        }
        #expect(try Files.directoryEntries(queue.directories.commit) == ["log.0"])
        #expect(try queue.records().isEmpty)
    }

    /// What may be somewhere, for who removes what belongs to messages that are gone.
    @Test func recordsThatAreNotSettledAreFoundWhereverTheyStand() throws {
        let queue = try CommitLogFixture()
        #expect(try CommitLogLookup.unsettled(in: queue.directories).isEmpty)
        var log = try queue.acquire()
        let batches = try (0..<3).map { _ in try logOnly(queue, &log, count: 2) }
        let ids = batches.joined().map(\.0.id)
        var marks = try marks(queue, Array(batches.joined()))
        #expect(try CommitLogLookup.unsettled(in: queue.directories) == Set(ids))
        try marks.materialize(ids[1], at: batches[0][1].1)
        try marks.settle(ids[5])
        #expect(try CommitLogLookup.unsettled(in: queue.directories) == Set(ids[..<5]))
        // The second batch is damaged; the third counts all the same.
        try queue.write([0xFF], at: Int64(batches[1][0].1.offset) + 70)
        #expect(try CommitLogLookup.unsettled(in: queue.directories) == [ids[0], ids[1], ids[4]])
        log.close()
    }

    /// qmgr asks for a file after the settlement has made it, and needs none any more.
    @Test func aFileThatCleanupMadeIsTakenAsItIs() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let messages = try logOnly(queue, &log)
        let marks = try marks(queue, messages)
        try log.settle(queue.directories, now: CommitLogFixture.start)
        try marks.materialize(messages[0].0.id, at: messages[0].1)
        #expect(try queue.bytes(.incoming, messages[0].0.id) == messages[0].0.bytes)
        try queue.directories.move(messages[0].0.id, from: .incoming, to: .deferred)
        try marks.materialize(messages[0].0.id, at: messages[0].1)
        #expect(try queue.bytes(.incoming, messages[0].0.id) == nil)
        log.close()
    }

    /// A qmgr that begins while cleanup lives: nobody tells it of what its predecessor knew.
    @Test func aNewQueueManagerMakesFilesOfWhatItFinds() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let messages = try logOnly(queue, &log, count: 4)
        var first = try marks(queue, messages)
        try first.settle(messages[0].0.id)
        try first.materialize(messages[1].0.id, at: messages[1].1)
        try first.leave(messages[1].0.id)
        try queue.directories.move(messages[1].0.id, from: .incoming, to: .deferred)
        var second = CommitLogMarks(directories: queue.directories)
        #expect(second.learn(makesFiles: true).isEmpty)
        #expect(Set(try queue.directories.ids(in: .incoming)) == [messages[2].0.id, messages[3].0.id])
        // Of those that were made files no late notice is believed.
        #expect(try messages.map { try second.isSpokenFor($0.1) } == [true, true, true, true])
        for (file, _) in messages.dropFirst() { try second.settle(file.id) }
        for (file, _) in messages { try? Files.unlink(file.path) }
        try log.settle(queue.directories, now: CommitLogFixture.start)
        #expect(try queue.directories.ids(in: .incoming).isEmpty)
        log.close()
    }

    /// No room, no inodes, no descriptors: what could not be made a file when it was wanted is made one when the log is settled.
    @Test(arguments: [false, true]) func aFileThatCouldNotBeMadeIsMadeLater(isFiledAllTheSame: Bool) throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let (file, place) = try logOnly(queue, &log)[0]
        let marks = try marks(queue, [(file, place)])
        try Files.makeDirectory(file.path)
        #expect(throws: SystemError.self) { try marks.materialize(file.id, at: place) }
        try Files.removeDirectory(file.path)
        if isFiledAllTheSame {
            try CommitLogSlot(descriptor: log.descriptor, generation: place.generation, index: place.index).say(.filed)
        } else {
            try marks.leave(file.id)
            #expect(try !marks.isSpokenFor(place))
        }
        try log.settle(queue.directories, now: CommitLogFixture.start)
        #expect(try queue.bytes(.incoming, file.id) == file.bytes)
        log.close()
    }

    @Test func oneThatCannotBeMadeAFileDoesNotHoldUpTheOthers() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let messages = try logOnly(queue, &log, count: 3)
        try Files.makeDirectory(messages[1].0.path)
        #expect(throws: SystemError.self) { try log.settle(queue.directories, now: CommitLogFixture.start) }
        #expect(try queue.bytes(.incoming, messages[2].0.id) == messages[2].0.bytes)
        try Files.removeDirectory(messages[1].0.path)
        try log.settle(queue.directories, now: CommitLogFixture.start)
        for (file, _) in messages { #expect(try queue.bytes(.incoming, file.id) == file.bytes) }
        log.close()
    }

    /// The last sync of a settlement fails: the header is in memory, and everything was durable before.
    @Test func aSettlementWhoseLastSyncFailedIsDoneTheNextTime() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let messages = try logOnly(queue, &log, count: 2)
        var header = CommitLogHeader(size: 65_536, generation: log.generation + 7)
        header.generation = log.generation + 7
        try queue.write(header.encoded, at: 0)
        try log.settle(queue.directories, now: CommitLogFixture.start)
        #expect(log.isEmpty && log.generation > messages[0].1.generation)
        log.close()
    }

    /// A block of the log that went bad takes its own batch with it, and says so.
    @Test func behindADamagedBatchTheOthersAreRecovered() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        var messages: [(CompletedQueueFile, CommitLogPlace)] = []
        for _ in 0..<3 { messages += try logOnly(queue, &log) }
        log.close()
        try queue.write([0x55], at: Int64(messages[1].1.offset) + 100)
        let (recovered, problems) = try CommitLogRecovery(directories: queue.directories, now: CommitLogFixture.start).run()
        #expect(recovered == [messages[0].0.id, messages[2].0.id])
        #expect(problems.count == 1 && problems[0].hasSuffix("record 1 is damaged, and its message is lost unless it is in the queue"))
    }

    /// What the log may have, but was made durable otherwise, or refused, is not made of the record.
    @Test func whatIsDisownedIsNotMade() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let messages = try logOnly(queue, &log, count: 2)
        log.disown([(messages[0].0.id, false), (messages[1].0.id, true)])
        try log.settle(queue.directories, now: CommitLogFixture.start)
        #expect(try queue.directories.ids(in: .incoming).isEmpty)
        log.close()
    }

    /// cleanup settles while qmgr ends with some messages, makes files of others and moves them on: each is done, or a file, once.
    @Test func qmgrAndASettlementDoNotDisturbEachOther() async throws {
        for round in 0..<20 {
            let queue = try CommitLogFixture()
            var log = try queue.acquire(size: 1 << 20)
            let files = try (0..<300).map { try queue.write("\($0)", isFile: false) }
            let places = try log.put(files)
            let (taken, directories) = (log, queue.directories)
            let settling = Task.detached {
                var log = taken
                try log.settle(directories, now: CommitLogFixture.start)
                log.close()
            }
            var marks = CommitLogMarks(directories: queue.directories)
            for (file, place) in zip(files, places) { try? marks.note(file.id, at: place) }
            for (number, (file, place)) in zip(files, places).enumerated().shuffled() {
                switch number % 3 {
                case 0:
                    try marks.settle(file.id)
                    try? Files.unlink(file.path)
                case 1:
                    try marks.materialize(file.id, at: place)
                    try marks.leave(file.id)
                    try queue.directories.move(file.id, from: .incoming, to: .deferred)
                default: try marks.materialize(file.id, at: place)
                }
            }
            try await settling.value
            for (number, file) in files.enumerated() {
                let found = try CommitLogSettlement.places.filter { try queue.bytes($0, file.id) == file.bytes }
                #expect(found == [[], [.deferred], [.incoming]][number % 3], "round \(round), message \(number)")
            }
        }
    }
}
