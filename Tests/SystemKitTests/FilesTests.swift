import Testing

@testable import SystemKit

@Suite struct FilesTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    @Test func namesComeWithTheirTimes() throws {
        for (name, time) in [("a", Int64(1_700_000_000_123_456)), (".b", 5_000_000)] {
            _ = try FileDescriptor.open(directory.path + "/" + name, [.writeOnly, .create], mode: 0o600)
            try Files.setTimes(directory.path + "/" + name, modified: time)
        }
        // A link is not followed: its own time counts, and it may lead nowhere.
        try Files.symbolicLink("nowhere", at: directory.path + "/c")
        var found: [String: Int64?] = [:]
        try Files.forEachTime(in: directory.path) { found[String(decoding: $0, as: UTF8.self)] = $1 }
        #expect(found.keys.sorted() == [".b", "a", "c"])
        #expect(found["a"] == 1_700_000_000_123_456 && found[".b"] == 5_000_000)
        #expect(throws: SystemError.self) { try Files.forEachTime(in: directory.path + "/none") { _, _ in } }
    }

    @Test func writesAndReadsBack() throws {
        let path = directory.path + "/a"
        let bytes = [UInt8]((0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        do {
            let file = try FileDescriptor.open(path, [.writeOnly, .create, .exclusive], mode: 0o640)
            try file.writeAll(bytes)
            try file.startWriteback()
            try file.synchronizeData()
            try file.pwriteAll([1, 2, 3], at: 10)
            try file.setTimes(modified: 1_700_000_000_123_456)
        }
        try Files.synchronizeDirectory(directory.path)
        let file = try FileDescriptor.open(path, .readOnly)
        var expected = bytes
        expected.replaceSubrange(10..<13, with: [1, 2, 3])
        #expect(try file.readAll(limit: 200_000) == expected)
        #expect(try file.read(upTo: 10) == [])
        #expect(try file.pread(upTo: 3, at: 10) == [1, 2, 3])
        let status = try file.status()
        #expect(status.size == 200_000 && status.isRegularFile && !status.isDirectory && status.links == 1)
        #expect(status.modified == 1_700_000_000_123_456)
        #expect(status.mode & ~0o640 == 0)
    }

    @Test func piecesAreWrittenAsOne() throws {
        let path = directory.path + "/a"
        let file = try FileDescriptor.open(path, [.readWrite, .create])
        let pieces = (0..<150).map { number in ArraySlice([UInt8](repeating: UInt8(number), count: number * 7 % 400)) } + [[]]
        try file.pwriteAll(pieces, at: 3)
        #expect(try file.pread(upTo: 200_000, at: 3) == pieces.flatMap(\.self))
        try file.pwriteAll([], at: 0)
        let other = try FileDescriptor.open(path, .readOnly)
        #expect(throws: SystemError.self) { try other.pwriteAll([[1]], at: 0) }
    }

    /// After a write that the kernel did in part.
    @Test func theRestOfPiecesIsWhatWasNotWritten() {
        let pieces: [ArraySlice<UInt8>] = [[], [1, 2, 3], [], [], [9, 4, 5][1...], [6], []]
        let all = pieces.flatMap(\.self)
        for start in 0...pieces.count {
            let some = pieces[start...]
            let bytes = some.flatMap(\.self)
            for count in 0...bytes.count {
                let rest = FileDescriptor.rest(of: some, after: count)
                #expect(rest.flatMap(\.self) == Array(bytes.dropFirst(count)), "\(start) \(count)")
                #expect(rest.first?.isEmpty != true, "\(start) \(count)")
                #expect(rest.isEmpty == (count == bytes.count), "\(start) \(count)")
            }
        }
        #expect(all == [1, 2, 3, 4, 5, 6])
    }

    @Test func piecesThatDoNotFitAreAnError() throws {
        let file = try FileDescriptor.open("/dev/full", [.writeOnly])
        #expect(throws: SystemError.self) { try file.pwriteAll([[1], [2, 3]], at: 0) }
    }

    @Test func readAllRefusesALongerFile() throws {
        let path = directory.path + "/a"
        try FileDescriptor.open(path, [.writeOnly, .create]).writeAll([UInt8](repeating: 7, count: 11))
        #expect(try Files.contents(of: path, limit: 11).count == 11)
        #expect(throws: SystemError.self) { try Files.contents(of: path, limit: 10) }
    }

    @Test func errorsNameOperationObjectAndReason() {
        let error = #expect(throws: SystemError.self) { try Files.contents(of: "/nonexistent/x") }
        #expect(error?.description == "open /nonexistent/x: No such file or directory")
        #expect(error?.isNotFound == true)
    }

    @Test func exclusiveCreationSeesAnExistingFile() throws {
        let path = directory.path + "/a"
        _ = try FileDescriptor.open(path, [.writeOnly, .create, .exclusive])
        let error = #expect(throws: SystemError.self) { _ = try FileDescriptor.open(path, [.writeOnly, .create, .exclusive]) }
        #expect(error?.isAlreadyThere == true)
    }

    @Test func noFollowRefusesASymbolicLink() throws {
        try FileDescriptor.open(directory.path + "/a", [.writeOnly, .create]).writeAll([1])
        try Files.symbolicLink("a", at: directory.path + "/l")
        #expect(try Files.contents(of: directory.path + "/l") == [1])
        #expect(throws: SystemError.self) { _ = try FileDescriptor.open(directory.path + "/l", [.readOnly, .noFollow]) }
        #expect(try Files.linkStatus(of: directory.path + "/l").isSymbolicLink)
    }

    @Test func directoriesListWithoutDots() throws {
        try Files.makeDirectory(directory.path + "/d", mode: 0o755)
        for name in ["x", "y", ".z"] { _ = try FileDescriptor.open("\(directory.path)/d/\(name)", [.writeOnly, .create]) }
        #expect(try Files.directoryEntries(directory.path + "/d").sorted() == [".z", "x", "y"])
        try Files.rename(directory.path + "/d/x", directory.path + "/d/w")
        try Files.link(directory.path + "/d/w", directory.path + "/d/v")
        try Files.unlink(directory.path + "/d/y")
        #expect(try Files.directoryEntries(directory.path + "/d").sorted() == [".z", "v", "w"])
        #expect(try Files.status(of: directory.path + "/d/v").links == 2)
        #expect(try Files.exists(directory.path + "/d/v"))
        #expect(try !Files.exists(directory.path + "/d/y"))
        #expect(try !Files.exists(directory.path + "/d/v/below"))
    }

    @Test func locksExcludeEachOther() throws {
        let path = directory.path + "/lock"
        let first = try FileDescriptor.open(path, [.readWrite, .create])
        let second = try FileDescriptor.open(path, .readWrite)
        #expect(try first.tryLockExclusive())
        #expect(try !second.tryLockExclusive())
        try first.unlock()
        #expect(try second.tryLockExclusive())
    }

    @Test func freeSpaceIsKnown() throws {
        #expect(try Files.freeSpace(of: directory.path) > 0)
        #expect(throws: SystemError.self) { try Files.freeSpace(of: "/nonexistent") }
    }

    @Test func timesBefore1970KeepTheirFraction() throws {
        let path = directory.path + "/old"
        let file = try FileDescriptor.open(path, [.writeOnly, .create])
        try file.setTimes(modified: -1_500_000)
        #expect(try file.status().modified == -1_500_000)
    }

    @Test func pipesEndWhenTheWriterCloses() throws {
        let ends = try FileDescriptor.pipe().release()
        let reader = FileDescriptor(owning: ends.read)
        do {
            let writer = FileDescriptor(owning: ends.write)
            try writer.writeAll([65])
        }
        #expect(try reader.read(upTo: 8) == [65])
        #expect(try reader.read(upTo: 8) == [])
    }
}
