import Testing

@testable import ServiceKit

@Suite struct SystemCallFilterTests {
    @Test func noCallIsBothAllowedAndDeadly() {
        let deadly = Set(SystemCallFilter.deadly)
        #expect(deadly.isDisjoint(with: SystemCallFilter.always) && deadly.isDisjoint(with: SystemCallFilter.fileReading))
        #expect(Set(SystemCallFilter.always).isDisjoint(with: SystemCallFilter.fileReading))
        // What would undo the jail.
        for name in [
            "openat", "open", "socket", "connect", "bind", "clone", "clone3", "mmap", "prctl", "kill", "tgkill", "prlimit64", "ioctl",
        ] {
            #expect(!SystemCallFilter.always.contains(name), "\(name) without a condition")
        }
    }
}
