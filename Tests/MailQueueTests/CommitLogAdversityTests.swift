// Commit logs when several programs are at them at a time, when marks come late, when names move, and when the disk has failed.

import MailIPC
import MailModel
import SystemKit
import Testing

@testable import MailQueue

@Suite struct CommitLogAdversityTests {
    /// qmgr has marks of a log that was larger: their slots are where a smaller one has its records.
    @Test func aLateMarkOfALargerLogDoesNotHitARecordOfASmallerOne() throws {
        let queue = try CommitLogFixture()
        let log = try queue.acquire(size: 4 << 20)
        let old = try queue.write()
        var marks = CommitLogMarks(directories: queue.directories)
        let place = CommitLogPlace(log: 0, generation: log.generation, index: 514, offset: 0)
        try marks.note(old.id, at: place)
        log.close()
        var small = try queue.acquire()
        let new = try queue.write()
        try small.append([new])
        try marks.settle(old.id)
        // Nor does a notice that comes later than the smaller log.
        var others = CommitLogMarks(directories: queue.directories)
        try others.note(old.id, at: place)
        try others.settle(old.id)
        #expect(try queue.records() == [new.id])
        small.close()
    }

    /// A log that is found may have been left between its making and the sync of its header or of its name.
    @Test func aLogThatIsFoundBeginsANewGeneration() throws {
        let queue = try CommitLogFixture()
        let first = try queue.acquire()
        let generation = first.generation
        first.close()
        let second = try queue.acquire()
        #expect(second.generation > generation)
        second.close()
    }

    @Test func aLogWhoseNameIsGoneTakesNothing() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        try Files.unlink(log.path)
        let file = try queue.write()
        #expect(throws: SystemError.self) { try log.append([file]) }
        log.close()
    }

    /// What the owner of the queue has put in the place of the draft is not written to, by root least of all.
    @Test func recoveryDoesNotWriteIntoAFileThatIsThere() throws {
        let queue = try CommitLogFixture()
        let file = try queue.write()
        _ = try queue.leaveLog(with: [file])
        try Files.unlink(file.path)
        let other = "\(queue.directories.root)/hold/other"
        try FileDescriptor.open(other, [.writeOnly, .create]).writeAll(Array("x".utf8))
        try Files.link(other, "\(queue.directories.commit)/draft")
        #expect(try queue.recover() == [file.id])
        #expect(try Files.contents(of: other) == Array("x".utf8))
        #expect(try queue.bytes(.incoming, file.id) == file.bytes)
    }

    /// cleanups take logs, qmgr recovers, and an administrator looks at the queue, all at a time: each message is made again once, and whole.
    @Test func thoseWhoRecoverAtATimeDoNotDisturbEachOther() async throws {
        for _ in 0..<10 {
            let queue = try CommitLogFixture()
            var files: [CompletedQueueFile] = []
            var logs: [CommitLogFile] = []
            for _ in 0..<6 {
                var log = try queue.acquire()
                let batch = try (0..<12).map { try queue.write(String(repeating: "\($0)", count: 1000)) }
                try log.append(batch)
                logs.append(log)
                files += batch
            }
            for log in logs { log.close() }
            for file in files { try Files.unlink(file.path) }
            let directories = queue.directories
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<5 {
                    group.addTask {
                        let recovery = CommitLogRecovery(directories: directories, now: CommitLogFixture.start)
                        switch worker {
                        case 0, 1: #expect(try recovery.run().problems.isEmpty)
                        case 2: for _ in 0..<5 { _ = try recovery.inspect().missing }
                        default:
                            try CommitLogFile.acquire(in: directories, size: CommitLogFixture.size, now: CommitLogFixture.start).close()
                        }
                    }
                }
                try await group.waitForAll()
            }
            for file in files { #expect(try queue.bytes(.incoming, file.id) == file.bytes) }
        }
    }

    /// A message that is held and released again and again is found all the same, in whatever order its places are looked at.
    @Test func aMessageThatMovesIsFound() async throws {
        let queue = try CommitLogFixture()
        let file = try queue.write()
        _ = try queue.leaveLog(with: [file])
        let directories = queue.directories
        let id = file.id
        try directories.move(id, from: .incoming, to: .hold)
        let moving = Task.detached {
            while !Task.isCancelled {
                try directories.move(id, from: .hold, to: .deferred)
                try directories.move(id, from: .deferred, to: .hold)
            }
        }
        for _ in 0..<20_000 {
            #expect(try CommitLogRecovery(directories: directories, now: 0).inspect().missing.isEmpty)
        }
        moving.cancel()
        try await moving.value
    }

    /// The kernel says once that a page did not come to the disk, and takes it for clean then.
    @Test func whatCouldNotBeSyncedIsWrittenAgainBeforeTheNextSync() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        defer { log.close() }
        let file = try queue.write(String(repeating: "x", count: 20_000))
        let whole = try #require(file.bytes)
        try log.append([file])
        try queue.directories.move(file.id, from: .incoming, to: .deferred)
        // As the disk may have it, and what qmgr has marked meanwhile.
        let reader = try QueueFileReader(path: queue.directories.path(.deferred, file.id))
        let state = reader.stateOffsets[0]
        let damaged = whole.enumerated().map { (10_000..<14_000).contains($0.offset) ? 0 : $0.element }
        try queue.plant(damaged, .deferred, file.id)
        try QueueFileMark.setState(.done, at: state, path: queue.directories.path(.deferred, file.id))
        try QueueFileMark.setDelayNoticeSent(path: queue.directories.path(.deferred, file.id))
        log.distrustsFiles = true
        try log.settle(queue.directories, now: CommitLogFixture.start)
        var expected = whole
        expected[Int(state)] = RecipientState.done.rawValue
        expected[QueueFileHeader.delayNoticeOffset] = 1
        #expect(try queue.bytes(.deferred, file.id) == expected)
        #expect(log.isEmpty && !log.distrustsFiles)
    }

    /// One file that cannot be looked at does not keep the others from being recovered, and its log is not emptied.
    @Test func aFileThatCannotBeReadHoldsUpNoOther() throws {
        let queue = try CommitLogFixture()
        let files = try (0..<3).map { _ in try queue.write() }
        _ = try queue.leaveLog(with: files)
        for file in files { try Files.unlink(file.path) }
        try Files.makeDirectory(files[1].path)
        let (recovered, problems) = try CommitLogRecovery(directories: queue.directories, now: 0).run()
        #expect(recovered == [files[0].id, files[2].id])
        #expect(problems.count == 1)
        #expect(try queue.records() == files.map(\.id))
        try Files.removeDirectory(files[1].path)
        #expect(try queue.recover() == [files[1].id])
        #expect(try queue.records().isEmpty)
    }

    // MARK: What a power failure may leave

    enum Written: CaseIterable { case not, torn, whole }
    enum Generation: CaseIterable { case before, own, next }

    /// Every combination of what is durable: the batch, the file, the mark, the header. The second of three messages is looked at; the first
    /// is there in any case, the third goes as the batch does.
    @Test(arguments: Written.allCases, Written.allCases)
    func recoveryAfterEveryOrderInWhichThingsBecomeDurable(batch: Written, file remains: Written) throws {
        for isMarked in [false, true] {
            for generation in Generation.allCases {
                let queue = try CommitLogFixture()
                var log = try queue.acquire()
                let header = CommitLogHeader(size: UInt64(CommitLogFixture.size), generation: log.generation)
                let first = try queue.write("first")
                let firstPlace = try log.put([first])[0]
                let file = try queue.write(String(repeating: "second", count: 1000))
                let last = try queue.write("last")
                let place = try log.put([file, last])[0]
                log.close()
                let (whole, record) = (try #require(file.bytes), CommitLogRecordHeader.size + (first.bytes?.count ?? 0))
                let start = Int64(header.firstRecord) + Int64(CommitLogHeader.aligned(UInt64(record)))
                switch batch {
                case .not: try queue.write([UInt8](repeating: 0, count: 16_384), at: start)
                case .torn: try queue.write([UInt8](repeating: 0, count: 12_288), at: start + 4096)
                case .whole: break
                }
                switch remains {
                case .not: try Files.unlink(file.path)
                case .torn: try queue.plant(Array(whole.prefix(4096)), .incoming, file.id)
                case .whole: break
                }
                var marks = CommitLogMarks(directories: queue.directories)
                if isMarked {
                    try marks.note(file.id, at: place)
                    try marks.settle(file.id)
                }
                var written = header
                switch generation {
                case .before: written.generation -= 1
                case .own: break
                case .next: written.generation += 1
                }
                if generation != .own { try queue.write(written.encoded, at: 0) }
                try Files.unlink(first.path)
                try Files.unlink(last.path)
                #expect(firstPlace.index == 0 && place.index == 1)

                let counts = generation == .own && batch == .whole
                var expected: [QueueID] = generation == .own ? [first.id] : []
                if counts {
                    if remains != .whole && !isMarked { expected.append(file.id) }
                    expected.append(last.id)
                }
                let what: Comment = "mark \(isMarked), header \(generation)"
                #expect(try CommitLogRecovery(directories: queue.directories, now: 0).inspect().missing == expected, what)
                #expect(try queue.recover() == expected, what)
                let found = try queue.bytes(.incoming, file.id)
                switch remains {
                case .whole: #expect(found == (counts && isMarked ? nil : whole), what)
                case .not: #expect(found == (counts && !isMarked ? whole : nil), what)
                case .torn:
                    // Of a message that is done nothing is left; one that was never accepted is qmgr's to remove.
                    #expect(counts ? found == (isMarked ? nil : whole) : found?.count == 4096, what)
                }
                #expect(try queue.bytes(.incoming, first.id) == (generation == .own ? first.bytes : nil), what)
                #expect(try queue.bytes(.incoming, last.id) == (counts ? last.bytes : nil), what)
                #expect(try queue.records().isEmpty && queue.recover().isEmpty, what)
            }
        }
    }
}
