import SystemKit

/// A directory of its own for one test, removed with the last reference.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var random = SystemRandomNumberGenerator()
        path = "/tmp/martlet-tables-\(UInt64.random(in: 0...UInt64.max, using: &random))"
        try Files.makeDirectory(path)
    }

    deinit {
        for entry in (try? Files.directoryEntries(path)) ?? [] { try? Files.unlink(path + "/" + entry) }
        try? Files.removeDirectory(path)
    }

    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        let full = path + "/" + name
        let file = try FileDescriptor.open(full, [.writeOnly, .create, .truncate], mode: 0o640)
        try file.writeAll(Array(text.utf8))
        return full
    }
}
