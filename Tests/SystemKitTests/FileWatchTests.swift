import Testing

@testable import SystemKit

@Suite struct FileWatchTests {
    private func write(_ path: String, _ text: String) throws {
        try FileDescriptor.open(path, [.writeOnly, .create, .truncate]).writeAll(Array(text.utf8))
    }

    private func watch(_ path: String) -> FileWatch {
        let watch = FileWatch()
        watch.begin()
        watch.add(path)
        watch.seal()
        return watch
    }

    @Test func whatIsReplacedEditedOrRemovedHasChanged() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/table"
        let changes: [(String, () throws -> Void)] = [
            (
                "replaced",
                {
                    try self.write(path + ".new", "same")
                    try Files.rename(path + ".new", path)
                }
            ),
            ("edited", { try self.write(path, "other") }),
            ("touched", { try Files.setTimes(path, modified: 1) }),
            ("removed", { try Files.unlink(path) }),
        ]
        for (what, change) in changes {
            try write(path, "same")
            let watch = watch(path)
            #expect(watch.change() == nil, "\(what): too early")
            try change()
            #expect(watch.change() == path, "\(what)")
        }
    }

    @Test func anotherFileThanTheOneThatWasReadHasChangedAlready() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/table"
        try write(path, "read")
        let stamp = try #require(FileStamp.of(path))
        try write(path, "changed since")
        let watch = FileWatch()
        watch.begin()
        watch.add(path, stamp)
        watch.seal()
        #expect(watch.change() == path)
    }

    @Test func aFileThatIsMissingIsTriedAgainAfterAWhile() throws {
        let watch = FileWatch()
        watch.begin()
        watch.add("/nonexistent/table", now: 1000)
        watch.seal()
        #expect(!watch.isEmpty)
        #expect(watch.change(now: 1000 + FileWatch.pauseForMissing - 1) == nil)
        #expect(watch.change(now: 1000 + FileWatch.pauseForMissing) == "/nonexistent/table")
    }

    @Test func nothingIsNotedBeforeAndAfter() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/table"
        try write(path, "x")
        let watch = FileWatch()
        watch.add(path)
        #expect(watch.isEmpty && !watch.isNoting)
        watch.begin()
        #expect(watch.isNoting)
        watch.seal()
        watch.add(path)
        #expect(watch.isEmpty && watch.isSealed)
        try Files.unlink(path)
        #expect(watch.change() == nil)
    }
}
