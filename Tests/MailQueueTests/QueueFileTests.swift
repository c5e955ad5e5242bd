// The queue file: what is written is read; what is torn or changed is never taken for a message.

import MailModel
import MailQueue
import SystemKit
import Testing

/// A directory of its own, removed at the end.
final class ScratchDirectory {
    let path: String

    init() throws {
        var name = "/tmp/martlet-queue-test-\(ProcessSpawn.currentProcessID)-"
        name += "\(UInt64.random(in: 0..<UInt64.max))"
        path = name
        try Files.makeDirectory(path)
    }

    deinit {
        for entry in (try? Files.directoryEntries(path)) ?? [] { try? Files.unlink("\(path)/\(entry)") }
        try? Files.removeDirectory(path)
    }
}

private func sampleEnvelope(recipients: Int = 3) -> Envelope {
    Envelope(
        sender: MailAddress("phil@sender.test"),
        recipients: (0..<recipients).map {
            EnvelopeRecipient(
                MailAddress("user\($0)@receiver.test"), originalAddress: $0 == 1 ? MailAddress("alias@receiver.test") : nil,
                originalRecipient: Array("rfc822;user\($0)@receiver.test".utf8), notify: $0 == 2 ? [.success, .failure] : [])
        },
        origin: .remoteSMTP, arrival: 1_700_000_000_123_456,
        client: ClientFacts(protocolName: "ESMTP", helo: "h", name: "n.test", address: "192.0.2.1", port: 4711, tls: "", login: ""),
        envelopeID: Array("env id".utf8), returnContent: .headers, body: .eightBitMIME, isSMTPUTF8: true, userID: 1000,
        fullName: Array("Phil".utf8), isHeld: false)
}

private func write(_ content: [UInt8], recipients: Int = 3, unique: UInt64 = 7, in directory: String) throws -> CompletedQueueFile {
    let writer = QueueFileWriter(
        in: directory, envelope: sampleEnvelope(recipients: recipients), now: 1_700_000_000_123_456, unique: unique)
    var rest = content[...]
    while !rest.isEmpty {
        try writer.append(rest.prefix(100_000))
        rest = rest.dropFirst(100_000)
    }
    var file = try writer.finish(contentFacts: [.eightBitBody, .longLines])
    try file.makeFile()
    #expect(QueueCommit.commit([file], directory: directory) == [nil])
    file.close()
    return file
}

@Suite struct QueueFileTests {
    @Test(arguments: [0, 1, 4600, 300_000, 1_000_001])
    func whatIsWrittenIsRead(size: Int) throws {
        let scratch = try ScratchDirectory()
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let file = try write(content, in: scratch.path)
        let reader = try QueueFileReader(path: file.path)
        #expect(reader.envelope == sampleEnvelope())
        #expect(reader.states == [.todo, .todo, .todo])
        #expect(reader.header.contentFacts == [.eightBitBody, .longLines])
        #expect(reader.header.contentLength == UInt64(size))
        var read: [UInt8] = []
        while true {
            let chunk = try reader.content(at: UInt64(read.count), upTo: 65536)
            if chunk.isEmpty { break }
            read += chunk
        }
        #expect(read == content)
        #expect(try reader.verifyContent())
    }

    @Test func statesAndNoticeChangeInPlace() throws {
        let scratch = try ScratchDirectory()
        let file = try write(Array("content\r\n".utf8), in: scratch.path)
        let offsets = try QueueFileReader(path: file.path).stateOffsets
        try QueueFileMark.setState(.done, at: offsets[0], path: file.path)
        try QueueFileMark.setState(.bounced, at: offsets[2], path: file.path)
        try QueueFileMark.setDelayNoticeSent(path: file.path)
        let reader = try QueueFileReader(path: file.path)
        #expect(reader.states == [.done, .todo, .bounced])
        #expect(reader.header.delayNoticeSent)
        #expect(reader.envelope == sampleEnvelope())
    }

    /// A file cut at any length is incomplete or no queue file, never a shorter message.
    @Test func tornFilesAreNeverMessages() throws {
        let scratch = try ScratchDirectory()
        let file = try write(Array("some content\r\nof two lines\r\n".utf8), in: scratch.path)
        let whole = try Files.contents(of: file.path)
        for length in 0..<whole.count {
            let path = "\(scratch.path)/torn"
            let torn = try FileDescriptor.open(path, [.writeOnly, .create, .truncate])
            try torn.writeAll(whole[..<length])
            #expect(throws: QueueFileError.self) { _ = try QueueFileReader(path: path).states }
        }
    }

    /// One changed byte of header or envelope is noticed, or was one of the bytes that may change; of content, by verifyContent.
    @Test func changedBytesAreNoticed() throws {
        let scratch = try ScratchDirectory()
        let file = try write(Array("some content\r\n".utf8), in: scratch.path)
        let whole = try Files.contents(of: file.path)
        let good = try QueueFileReader(path: file.path)
        let mutable = Set(good.stateOffsets.map(Int.init) + [QueueFileHeader.delayNoticeOffset])
        let contentStart = Int(good.header.contentOffset)
        for index in whole.indices where !mutable.contains(index) && index < whole.count - 8 {
            var changed = whole
            changed[index] ^= 0x20
            let path = "\(scratch.path)/changed"
            let copy = try FileDescriptor.open(path, [.writeOnly, .create, .truncate])
            try copy.writeAll(changed)
            if index < contentStart && !(53..<64).contains(index) {
                #expect(throws: QueueFileError.self, "byte \(index)") { _ = try QueueFileReader(path: path).states }
            } else if index >= contentStart && index < whole.count - 16 {
                #expect(try QueueFileReader(path: path).verifyContent() == false, "byte \(index)")
            }
        }
    }

    @Test func otherVersionsAreRefusedByName() throws {
        let scratch = try ScratchDirectory()
        let file = try write([], in: scratch.path)
        let descriptor = try FileDescriptor.open(file.path, [.writeOnly])
        try descriptor.pwriteAll([3, 0], at: 8)
        #expect(throws: QueueFileError.unknownVersion(3)) { _ = try QueueFileReader(path: file.path).states }
    }

    @Test func aDroppedWriterLeavesNothing() throws {
        let scratch = try ScratchDirectory()
        do {
            let writer = QueueFileWriter(in: scratch.path, envelope: sampleEnvelope(), now: 1, unique: 1)
            try writer.append([UInt8](repeating: 65, count: 600_000))
        }
        #expect(try Files.directoryEntries(scratch.path) == [])
    }

    /// Small pieces are gathered, large ones written from where they are: the file is the same.
    @Test(arguments: [
        [70_000], [10, 70_000, 10], [16_384, 16_384, 16_384, 16_384, 1], [65_000], [300_000, 1, 1, 300_000],
        [1, 20_000, 3, 50_000, 5, 270_000], Array(repeating: 65_536, count: 20) + [7], [600_000, 1, 600_000, 2, 600_000, 3],
    ])
    func howContentIsCutDoesNotMatter(sizes: [Int]) throws {
        let scratch = try ScratchDirectory()
        let content = (0..<sizes.reduce(0, +)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 1000) }
        func written(_ sizes: [Int], _ unique: UInt64, _ room: ContentRoom? = nil) throws -> [UInt8] {
            let writer = QueueFileWriter(in: scratch.path, envelope: sampleEnvelope(), now: 1, unique: unique, room: room)
            var rest = content[...]
            for size in sizes {
                try writer.append(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
            var file = try writer.finish(contentFacts: [])
            #expect(room != nil || (file.bytes == nil) == file.isFile, "what is not kept is a file")
            try file.makeFile()
            file.close()
            return try Files.contents(of: file.path)
        }
        let whole = try written(sizes, 1)
        for (unique, room) in [0, 1 << 20, 2 << 20].enumerated() {
            #expect(try whole == written(sizes, UInt64(10 + unique), ContentRoom(bytes: room)))
        }
        #expect(try whole == written(Array(repeating: 7000, count: content.count / 7000 + 1), 2))
        #expect(whole.dropFirst(whole.count - content.count - QueueFileHeader.endSize).dropLast(QueueFileHeader.endSize) == content[...])
    }

    /// What waits for its commit in memory is no file before, and no more of it than there is room for.
    @Test func contentWaitsWhereThereIsRoomForIt() throws {
        let scratch = try ScratchDirectory()
        let room = ContentRoom(bytes: 3 << 20)
        func message(_ size: Int, _ unique: UInt64) throws -> QueueFileWriter {
            let writer = QueueFileWriter(in: scratch.path, envelope: sampleEnvelope(), now: 1, unique: unique, room: room)
            for _ in 0..<(size / 50_000) { try writer.append([UInt8](repeating: 65, count: 50_000)) }
            return writer
        }
        let (first, second) = (try message(1_000_000, 1), try message(1_000_000, 2))
        #expect(try Files.directoryEntries(scratch.path) == [])
        // No room for a third.
        let third = try message(300_000, 3)
        #expect(try Files.directoryEntries(scratch.path) == [third.id.text])
        var file = try first.finish(contentFacts: [])
        #expect(!file.isFile && file.bytes == nil)
        try file.makeFile()
        #expect(file.isFile)
        #expect(try Files.contents(of: file.path).count == file.header.fileLength)
        file.close()
        first.leaveRoom()
        first.leaveRoom()
        let fourth = try message(300_000, 4)
        #expect(try Files.directoryEntries(scratch.path).sorted() == [first.id.text, third.id.text].sorted())
        // More than may wait, for all the room there is.
        let fifth = try message(1_300_000, 5)
        #expect(try Files.directoryEntries(scratch.path).contains(fifth.id.text))
        second.leaveRoom()
        let sixth = try message(1_300_000, 6)
        #expect(try Files.directoryEntries(scratch.path).contains(sixth.id.text))
        withExtendedLifetime((third, fourth)) {}
    }

    /// A file that cannot be made is told to who makes it, and nothing is left.
    @Test func aLargeFileThatCannotBeMadeIsSaid() throws {
        let scratch = try ScratchDirectory()
        let room = ContentRoom(bytes: 2 << 20)
        let writer = QueueFileWriter(in: scratch.path + "/gone", envelope: sampleEnvelope(), now: 1, unique: 1, room: room)
        try writer.append([UInt8](repeating: 65, count: 900_000))
        var file = try writer.finish(contentFacts: [])
        #expect(throws: SystemError.self) { try file.makeFile() }
        #expect(!file.isFile)
    }

    @Test func whatIsSmallBecomesAFileOnlyWhenThatIsWanted() throws {
        let scratch = try ScratchDirectory()
        let writer = QueueFileWriter(in: scratch.path, envelope: sampleEnvelope(), now: 1, unique: 1)
        try writer.append([UInt8](repeating: 65, count: 4096))
        var file = try writer.finish(contentFacts: [])
        #expect(try Files.directoryEntries(scratch.path) == [] && !file.isFile)
        try file.makeFile()
        #expect(try Files.contents(of: file.path) == file.bytes)
        file.close()
    }

    /// A clock that was set back, and a process with the number of an earlier one: the file that is there stays as it is.
    @Test func aNameIsNotTakenTwice() throws {
        let scratch = try ScratchDirectory()
        let file = try write([65], in: scratch.path)
        #expect(throws: SystemError.self) { try write([66], in: scratch.path) }
        #expect(try Files.contents(of: file.path) == file.bytes)
        #expect(try Files.directoryEntries(scratch.path) == [file.id.text])
    }
}
