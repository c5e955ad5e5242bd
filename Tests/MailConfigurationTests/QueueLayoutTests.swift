import MailConfiguration
import SystemKit
import Testing

@Suite struct QueueLayoutTests {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        let base = ProcessSpawn.environmentVariable("TMPDIR") ?? "/tmp"
        let path = "\(base)/layout-\(ProcessSpawn.currentProcessID)-\(UInt32.random(in: 0...UInt32.max))"
        defer {
            for name in (try? Files.directoryEntries(path)) ?? [] { try? Files.removeDirectory("\(path)/\(name)") }
            try? Files.removeDirectory(path)
        }
        try body(path)
    }

    @Test(arguments: [("private", 0o710, 0o700), ("private", 0o750, 0o750), ("maildrop", 0o1730, 0o1770), ("public", 0o700, 0o700)])
    func whatEarlierVersionsMadeIsMendedAndNothingElse(name: String, former: UInt32, now: UInt32) throws {
        let me = (user: Privileges.effectiveUser, group: Privileges.effectiveGroup)
        let layout = QueueLayout(QueueLayout.Owners(root: me, mail: me, submissionGroup: me.group))
        try withDirectory { path in
            try layout.make(in: path)
            #expect(try Files.status(of: path + "/private").mode == 0o700)
            try Files.changeMode("\(path)/\(name)", former)
            try layout.make(in: path)
            #expect(try Files.status(of: "\(path)/\(name)").mode == now)
        }
    }

    @Test func aJailIsEmptyAndRootsAlone() throws {
        try withDirectory { path in
            try JailDirectory.make(path)
            try JailDirectory.make(path)
            let isRoot = Privileges.isRoot
            #expect(try JailDirectory.problem(path) == (isRoot ? nil : "\(path) does not belong to root"))
            guard isRoot else { return }
            #expect(try Files.status(of: path).mode == 0o555)
            try Files.makeDirectory(path + "/etc")
            #expect(try JailDirectory.problem(path) == "\(path) is not empty: there is etc")
            try Files.removeDirectory(path + "/etc")
            try Files.changeMode(path, 0o775)
            #expect(try JailDirectory.problem(path) == "\(path) can be written by others than root")
            try Files.changeOwner(path, owner: 65534, group: 0)
            #expect(try JailDirectory.problem(path) == "\(path) does not belong to root")
        }
        #expect(throws: SystemError.self) { try JailDirectory.problem("/nonexistent/jail") }
        #expect(try JailDirectory.problem("/dev/null") == "/dev/null is not a directory")
    }
}
