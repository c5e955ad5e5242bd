import Testing

@testable import SystemKit

@Suite struct IdentityTests {
    @Test func usersAndGroupsAreFound() throws {
        let root = try #require(try UserDatabase.user(named: "root"))
        #expect(root.uid == 0 && root.gid == 0 && root.home == "/root")
        #expect(try UserDatabase.user(id: 0)?.name == "root")
        #expect(try UserDatabase.group(named: "root")?.gid == 0)
        #expect(UserDatabase.groups(ofUser: "root", primary: 0).contains(0))
    }

    @Test func absenceIsNilAndNotAnError() throws {
        #expect(try UserDatabase.user(named: "no-such-user-here") == nil)
        #expect(try UserDatabase.user(named: "") == nil)
        #expect(try UserDatabase.user(named: "root\0x") == nil)
        #expect(try UserDatabase.group(named: "no-such-group-here") == nil)
    }

    @Test func nobodyBecomesRootByMistake() {
        #expect(throws: SystemError.self) { try Privileges.become(user: 0, group: 0) }
    }

    @Test func clocksAgree() {
        let before = SystemClock.monotonic()
        #expect(SystemClock.monotonic() >= before)
        #expect(SystemClock.now() > 1_600_000_000_000_000)
        #expect(abs(SystemClock.localOffset(at: 1_700_000_000)) <= 14 * 3600)
        #expect(!HostName.current.isEmpty)
    }
}
