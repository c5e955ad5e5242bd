// A directory that is read piece by piece.

import SystemKit
import Testing

@Suite struct DirectoryNamesTests {
    @Test func everyNameComesOnce() throws {
        let scratch = try TemporaryDirectory()
        // More than one buffer of getdents64.
        let names = (0..<3000).map { "name-\($0)-\(String(repeating: "x", count: $0 % 40))" }
        for name in names { _ = try FileDescriptor.open("\(scratch.path)/\(name)", [.writeOnly, .create]) }
        let directory = try DirectoryNames(scratch.path)
        var found: [String] = []
        while true {
            let some = try directory.next(100)
            if some.isEmpty { break }
            found += some
        }
        #expect(found.sorted() == names.sorted())
        #expect(try directory.next(100).isEmpty)
    }

    @Test func whatIsNoDirectoryIsRefused() throws {
        let scratch = try TemporaryDirectory()
        _ = try FileDescriptor.open("\(scratch.path)/file", [.writeOnly, .create])
        #expect(throws: SystemError.self) { _ = try DirectoryNames("\(scratch.path)/file") }
        #expect(throws: SystemError.self) { _ = try DirectoryNames("\(scratch.path)/missing") }
    }
}
