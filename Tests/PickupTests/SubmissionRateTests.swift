// How much each user may submit, on a clock of the test's.

import SystemKit
import Testing

@testable import Pickup

@Suite struct SubmissionRateTests {
    private static let minute: Int64 = 60_000_000

    @Test func eachUserHasTheLimitInEachWindow() {
        var rate = SubmissionRate(limit: 2, window: Self.minute)
        let start: Int64 = 1_700_000_000_000_000
        let users: [UInt32] = [1000, 1000, 1000, 1001]
        #expect(users.map { rate.isExceeded(by: $0, now: start) } == [false, false, true, false])
        let times = [start + Self.minute - 1, start + Self.minute]
        #expect(times.map { rate.isExceeded(by: 1000, now: $0) } == [true, false])
    }

    @Test func noLimitIsNone() {
        var rate = SubmissionRate(limit: 0, window: Self.minute)
        #expect((0..<100).map { rate.isExceeded(by: 1000, now: Int64($0)) }.filter { $0 }.isEmpty)
    }

    @Test func whoIsExemptIsNotCounted() {
        var rate = SubmissionRate(limit: 1, window: Self.minute, exempt: [0])
        let users: [UInt32] = [0, 0, 0, 1, 1]
        #expect(users.map { rate.isExceeded(by: $0, now: 5) } == [false, false, false, false, true])
    }

    @Test func aClockThatWasSetBackHoldsUpNobody() {
        var rate = SubmissionRate(limit: 1, window: Self.minute)
        let times: [Int64] = [1_000_000_000_000, 5]
        #expect(times.map { rate.isExceeded(by: 7, now: $0) } == [false, false])
    }

    @Test func usersAreNamesOrNumbers() throws {
        let (users, unknown) = try SubmissionRate.users(["root", "4711", "no-such-user-here"])
        #expect(users == [0, 4711])
        #expect(unknown == ["no-such-user-here"])
    }
}
