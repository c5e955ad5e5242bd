// Commit logs: what was committed is found again, whole and once; what was not, is never taken for a message.

import MailIPC
import MailModel
import SystemKit
import Testing

@testable import MailQueue

@Suite struct CommitLogTests {
    /// What is left of a message's file when recovery comes.
    enum Remains: CaseIterable {
        case nothing, empty, cut, otherContent, whole, wholeInDeferred, cutInDeferred, wholeInHold, cutInCorrupt, wholeInCorrupt
    }

    @Test(arguments: Remains.allCases, [false, true])
    func recoveryMakesAFileAgainWhereThereIsNoneThatIsWhole(remains: Remains, isSettled: Bool) throws {
        let queue = try CommitLogFixture()
        let file = try queue.write()
        let (id, whole) = (file.id, try #require(file.bytes))
        let place = try queue.leaveLog(with: [file])[0]
        if isSettled {
            var marks = CommitLogMarks(directories: queue.directories)
            try marks.note(id, at: place)
            try marks.settle(id)
        }
        let changed = whole.enumerated().map { $0.offset == whole.count - 20 ? $0.element ^ 1 : $0.element }
        let incoming = queue.directories.path(.incoming, id)
        var expected = QueueDirectory.incoming
        switch remains {
        case .whole: break
        case .nothing: try Files.unlink(incoming)
        case .empty: try queue.plant([], .incoming, id)
        case .cut: try queue.plant(Array(whole.dropLast()), .incoming, id)
        case .otherContent: try queue.plant(changed, .incoming, id)
        case .wholeInDeferred, .cutInDeferred:
            expected = .deferred
            try queue.directories.move(id, from: .incoming, to: .deferred)
            if remains == .cutInDeferred { try queue.plant(Array(whole.prefix(100)), .deferred, id) }
        case .wholeInHold:
            expected = .hold
            try queue.directories.move(id, from: .incoming, to: .hold)
        case .cutInCorrupt:
            try queue.directories.move(id, from: .incoming, to: .corrupt)
            try queue.plant(Array(whole.prefix(100)), .corrupt, id)
        case .wholeInCorrupt:
            expected = .corrupt
            try queue.directories.move(id, from: .incoming, to: .corrupt)
        }
        let isWhole = [.whole, .wholeInDeferred, .wholeInHold, .wholeInCorrupt].contains(remains)
        let isMissing = !isWhole && !isSettled
        #expect(try CommitLogRecovery(directories: queue.directories, now: 0).inspect().missing == (isMissing ? [id] : []))
        #expect(try queue.recover() == (isMissing ? [id] : []))
        // Done, and not removed before qmgr died.
        let isDone = isSettled && (remains == .nothing || remains == .whole)
        if isMissing || isWhole && !isDone { #expect(try queue.bytes(expected, id) == whole) }
        if isDone { #expect(try queue.bytes(.incoming, id) == nil) }
        // The log is empty, and stays so.
        #expect(try queue.records().isEmpty)
        try? Files.unlink(queue.directories.path(expected, id))
        #expect(try queue.recover().isEmpty)
    }

    @Test func whatWasMadeInHoldComesBackThere() throws {
        let queue = try CommitLogFixture()
        let file = try queue.write(isHeld: true)
        _ = try queue.leaveLog(with: [file])
        try Files.unlink(queue.directories.path(.hold, file.id))
        #expect(try queue.recover() == [file.id])
        #expect(try queue.bytes(.hold, file.id) == file.bytes)
    }

    @Test func batchesAreReadInOrder() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        defer { log.close() }
        var ids: [QueueID] = []
        for count in [1, 3, 2] {
            // Of sizes with which a batch ends in a page, and at the end of one.
            let files = try (0..<count).map { try queue.write(String(repeating: "x", count: 3000 * $0)) }
            let places = try log.put(files)
            #expect(places.map(\.index) == (0..<count).map { UInt32(ids.count + $0) })
            ids += files.map(\.id)
        }
        #expect(try queue.records() == ids)
        #expect(!log.isEmpty)
    }

    /// Each byte of the last batch changed, or all from there on lost: what is before it counts.
    @Test func aTornBatchHasNothingBehindTheTear() throws {
        let queue = try CommitLogFixture()
        let files = try (0..<3).map { _ in try queue.write() }
        _ = try queue.leaveLog(with: files)
        let log = try Files.contents(of: "\(queue.directories.commit)/log.0")
        let record = CommitLogRecordHeader.size + (files[0].bytes?.count ?? 0)
        let first = 4096 + 8 * 512
        for position in stride(from: first, to: first + 3 * record, by: 7) {
            let before = (position - first) / record
            try queue.write([log[position] ^ 0x55], at: Int64(position))
            #expect(try queue.records() == files.prefix(before).map(\.id), "changed at \(position)")
            try queue.write([UInt8](repeating: 0, count: log.count - position), at: Int64(position))
            #expect(try queue.records().count <= before + 1, "lost from \(position)")
            try queue.write(Array(log[position...]), at: Int64(position))
        }
        #expect(try queue.records() == files.map(\.id))
    }

    @Test func whatAnEarlierGenerationLeftDoesNotCount() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let old = try (0..<3).map { _ in try queue.write() }
        let places = try log.put(old)
        try log.settle(queue.directories, now: CommitLogFixture.start)
        #expect(log.isEmpty)
        #expect(try queue.records().isEmpty)
        // Of the same length, so that the old second record stands exactly behind it.
        let new = try queue.write()
        let place = try log.put([new])[0]
        #expect(place.index == 0 && place.generation > places[0].generation)
        #expect(try queue.records() == [new.id])
        // A late mark of the old generation does not settle the new record, which has the same slot.
        var marks = CommitLogMarks(directories: queue.directories)
        try marks.note(old[0].id, at: places[0])
        try marks.settle(old[0].id)
        log.close()
        try Files.unlink(queue.directories.path(.incoming, new.id))
        #expect(try queue.recover() == [new.id])
    }

    @Test func aLogOfALivingCleanupIsLeftAlone() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        let file = try queue.write()
        try log.append([file])
        try Files.unlink(queue.directories.path(.incoming, file.id))
        #expect(try queue.recover().isEmpty)
        #expect(try CommitLogRecovery(directories: queue.directories, now: 0).inspect().missing.isEmpty)
        let second = try queue.acquire()
        #expect(second.number == 1)
        second.close()
        log.close()
        // Whoever takes the log recovers it first.
        let again = try queue.acquire()
        #expect(again.number == 0 && again.isEmpty)
        #expect(try queue.bytes(.incoming, file.id) == file.bytes)
        again.close()
    }

    @Test func aHeaderThatWasCutHasASecondCopy() throws {
        let queue = try CommitLogFixture()
        let file = try queue.write()
        _ = try queue.leaveLog(with: [file])
        try Files.unlink(queue.directories.path(.incoming, file.id))
        try queue.write([UInt8](repeating: 0xFF, count: 512), at: 0)
        #expect(try queue.recover() == [file.id])
    }

    /// Cut anywhere, or without a header: what can be read comes back, the rest is told of, once, and a whole log is made in its place.
    @Test(arguments: [0, 1, 4095, 4096, 8192, 8192 + 100, 8192 + 4096 + 100, 65_535, 65_536])
    func aLogThatLacksSomethingIsToldOf(size: Int) throws {
        let queue = try CommitLogFixture()
        let files = [try queue.write(isFile: false), try queue.write(isFile: false)]
        var log = try queue.acquire()
        for file in files { _ = try log.put([file]) }
        log.close()
        let path = "\(queue.directories.commit)/log.0"
        try FileDescriptor.open(path, [.writeOnly]).truncate(to: Int64(size))
        if size == 65_536 { try queue.write([UInt8](repeating: 0, count: 4096), at: 0) }
        let expected = size == 65_536 ? [] : files.map(\.id).prefix(size >= 8192 + 4096 + 1000 ? 2 : size >= 8192 + 1000 ? 1 : 0)
        let recovery = CommitLogRecovery(directories: queue.directories, now: CommitLogFixture.start)
        let found = try recovery.inspect()
        #expect(found.missing == Array(expected) && found.damages.map(\.log) == ["log.0"])
        #expect(throws: QueueFileError.self) { try queue.acquire() }
        let (recovered, problems) = try recovery.run()
        #expect(recovered == Array(expected))
        let hasHeader = size >= 4096 && size < 65_536
        let what = hasHeader ? "it has \(size) bytes of 65536" : "it has \(size) bytes, and no header"
        #expect(problems == ["\(path): \(what): what was in \(hasHeader ? "the others" : "it") is lost unless it is in the queue"])
        for file in files.prefix(expected.count) { #expect(try queue.bytes(.incoming, file.id) == file.bytes) }
        #expect(try Files.directoryEntries("\(queue.directories.root)/corrupt") == ["log.0.\(CommitLogFixture.start)"])
        #expect(try recovery.inspect().damages.isEmpty)
        #expect(try queue.recover().isEmpty)
        let again = try queue.acquire()
        #expect(again.number == 0 && again.isEmpty)
        again.close()
    }

    /// Of whatever size, and with whatever in it: a crash while a log is made leaves a draft, which is nothing.
    @Test(arguments: [0, 4096, 40_000, 65_536], [false, true]) func aLogThatWasBeingMadeIsPassedOver(size: Int, hasHeader: Bool) throws {
        let queue = try CommitLogFixture()
        let draft = try FileDescriptor.open("\(queue.directories.commit)/draft", [.writeOnly, .create])
        try draft.truncate(to: Int64(size))
        if hasHeader { try draft.pwriteAll(CommitLogHeader(size: 65_536, generation: 7).encoded, at: 0) }
        let recovery = CommitLogRecovery(directories: queue.directories, now: 0)
        #expect(try recovery.inspect().damages.isEmpty)
        #expect(try queue.recover().isEmpty)
        let log = try queue.acquire()
        #expect(try Files.directoryEntries(queue.directories.commit) == ["log.0"])
        #expect(try recovery.inspect().damages.isEmpty)
        log.close()
        #expect(try queue.recover().isEmpty)
    }

    @Test func aLogOfAnUnknownVersionIsNotTouched() throws {
        let queue = try CommitLogFixture()
        _ = try queue.leaveLog(with: [try queue.write()])
        var head = Array(CommitLogHeader(size: 65_536, generation: 7).encoded.prefix(34))
        head[8] = 9
        var checksum = CRC32C()
        checksum.update(head)
        let page = head + withUnsafeBytes(of: checksum.value.littleEndian) { Array($0) }
        for offset in [0, 2048] as [Int64] { try queue.write(page, at: offset) }
        let before = try Files.contents(of: "\(queue.directories.commit)/log.0")
        let (recovered, problems) = try CommitLogRecovery(directories: queue.directories, now: 0).run()
        #expect(recovered.isEmpty && problems.count == 1)
        #expect(throws: QueueFileError.unknownVersion(9)) { try queue.acquire() }
        #expect(try Files.contents(of: "\(queue.directories.commit)/log.0") == before)
    }

    @Test func thereIsRoomForWhatFits() throws {
        let queue = try CommitLogFixture()
        var log = try queue.acquire()
        defer { log.close() }
        let files = try (0..<20).map { _ in try queue.write(String(repeating: "x", count: 5000)) }
        let fit = log.room(for: files)
        #expect(fit == (65_536 - 8192) / (CommitLogRecordHeader.size + (files[0].bytes?.count ?? 0)))
        try log.append(Array(files.prefix(fit)))
        #expect(log.room(for: files) == 0)
        #expect(try queue.records() == files.prefix(fit).map(\.id))
        #expect(try Files.status(of: log.path).size == 65_536, "a log does not grow")
        // What is too large to be kept is for its own sync.
        #expect(try queue.write(String(repeating: "x", count: 70_000)).bytes == nil)
    }

    @Test func aLogOfAnotherSizeIsMadeAnew() throws {
        let queue = try CommitLogFixture()
        let file = try queue.write()
        _ = try queue.leaveLog(with: [file])
        try Files.unlink(queue.directories.path(.incoming, file.id))
        let log = try queue.acquire(size: 100_000)
        defer { log.close() }
        #expect(try Files.status(of: log.path).size == 102_400)
        #expect(try queue.bytes(.incoming, file.id) == file.bytes)
    }

    @Test func qmgrLearnsWhereMessagesStand() throws {
        let queue = try CommitLogFixture()
        let files = try (0..<3).map { _ in try queue.write() }
        _ = try queue.leaveLog(with: files)
        for id in files.map(\.id) { try Files.unlink(queue.directories.path(.incoming, id)) }
        var marks = CommitLogMarks(directories: queue.directories)
        #expect(marks.learn().isEmpty)
        try marks.settle(files[1].id)
        // What it does not know has nothing to settle.
        try marks.settle(try #require(QueueID("abcdef0123z1")))
        #expect(try queue.recover() == [files[0].id, files[2].id])
    }
}
