// The version of a queue: what is read, and what is refused before anything is touched.

import MailQueue
import SystemKit
import Testing

@Suite struct QueueFormatTests {
    private static func write(_ text: String, in directory: String) throws {
        try FileDescriptor.open("\(directory)/format", [.writeOnly, .create, .truncate]).writeAll(Array(text.utf8))
    }

    @Test func aQueueIsMarkedOnce() throws {
        let scratch = try ScratchDirectory()
        #expect(try QueueFormat.version(of: scratch.path) == nil)
        try QueueFormat.mark(scratch.path)
        #expect(try QueueFormat.version(of: scratch.path) == QueueFormat.current)
        let before = try Files.linkStatus(of: "\(scratch.path)/format")
        try QueueFormat.mark(scratch.path)
        #expect(try Files.linkStatus(of: "\(scratch.path)/format").inode == before.inode)
        #expect(try Files.contents(of: "\(scratch.path)/format") == Array("Martlet queue \(QueueFormat.current)\n".utf8))
        #expect(try Files.directoryEntries(scratch.path) == ["format"])
    }

    @Test(arguments: ["Martlet queue 4\n", "Martlet queue 999999\n"]) func aNewerQueueIsRefusedAndLeftAlone(text: String) throws {
        let scratch = try ScratchDirectory()
        try Self.write(text, in: scratch.path)
        let path = "\(scratch.path)/format"
        let version = try #require(try QueueFormat.version(of: scratch.path))
        #expect(throws: QueueFormatError.newer(version, path: path)) { try QueueFormat.check(scratch.path) }
        #expect(throws: QueueFormatError.newer(version, path: path)) { try QueueFormat.mark(scratch.path) }
        #expect(try Files.contents(of: path) == Array(text.utf8))
        #expect("\(QueueFormatError.newer(version, path: path))".contains("nothing was touched"))
    }

    @Test func anOlderQueueThanIsReadIsRefused() throws {
        let scratch = try ScratchDirectory()
        try Self.write("Martlet queue 0\n", in: scratch.path)
        #expect(throws: QueueFormatError.older(0, path: "\(scratch.path)/format")) { try QueueFormat.mark(scratch.path) }
    }

    @Test(arguments: [
        "", "\n", "Martlet queue \n", "Martlet queue 1", "Martlet queue 1 \n", "Martlet queue -1\n", "Martlet queue 1234567\n", "Postfix\n",
    ])
    func whatIsNotUnderstoodIsNotOverwritten(text: String) throws {
        let scratch = try ScratchDirectory()
        try Self.write(text, in: scratch.path)
        #expect(throws: QueueFormatError.notUnderstood(path: "\(scratch.path)/format")) { try QueueFormat.mark(scratch.path) }
        #expect(try Files.contents(of: "\(scratch.path)/format") == Array(text.utf8))
    }
}
