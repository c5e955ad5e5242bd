import SystemKit

/// A directory of its own for one test, removed when the test ends.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let base = ProcessSpawn.environmentVariable("TMPDIR") ?? "/tmp"
        path = "\(base)/systemkit-\(ProcessSpawn.currentProcessID)-\(UInt64.random(in: 0...UInt64.max))"
        try Files.makeDirectory(path)
    }

    deinit { try? Self.remove(path) }

    private static func remove(_ path: String) throws {
        for name in try Files.directoryEntries(path) {
            let child = "\(path)/\(name)"
            if try Files.linkStatus(of: child).isDirectory { try remove(child) } else { try Files.unlink(child) }
        }
        try Files.removeDirectory(path)
    }
}
