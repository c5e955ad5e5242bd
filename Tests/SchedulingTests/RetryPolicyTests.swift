// The schedule of attempts on the virtual clock.

import MailModel
import Scheduling
import Testing

@Test(arguments: [UInt64(0), UInt64.max, UInt64.max / 2, 1, 0xDEAD_BEEF_0000_0000])
func waitsStayWithinTheLimits(random: UInt64) {
    let policy = RetryPolicy()
    for age: Int64 in [0, 1, 299, 300, 500, 1000, 3000, 4000, 100_000] {
        let now = age * second
        let wait = policy.nextAttempt(arrival: 0, isNullSender: false, now: now, random: random) - now
        #expect(wait >= 300 * second)
        #expect(wait <= 4000 * second)
        let rule = min(max(age, 300), 4000) * second
        #expect(wait >= rule - rule / 4 && wait <= rule + rule / 4, "age \(age): \(wait)")
    }
}

@Test func equalLimitsStillSpread() {
    let policy = RetryPolicy(minimalBackoff: 10 * second, maximalBackoff: 10 * second)
    #expect(policy.nextAttempt(arrival: 0, isNullSender: false, now: 0, random: 0) == 10 * second)
    #expect(policy.nextAttempt(arrival: 0, isNullSender: false, now: 0, random: .max) > 12 * second)
}

@Test func theLastAttemptComesAtTheDeadlineButNotTooSoon() {
    let policy = RetryPolicy(minimalBackoff: 10 * second, maximalBackoff: 100 * second, maximalLifetime: 500 * second, bounceLifetime: 0)
    #expect(policy.nextAttempt(arrival: 0, isNullSender: false, now: 480 * second, random: 0) == 500 * second)
    #expect(policy.nextAttempt(arrival: 0, isNullSender: false, now: 495 * second, random: .max) == 505 * second)
    #expect(!policy.isExpired(arrival: 0, isNullSender: false, now: 500 * second - 1))
    #expect(policy.isExpired(arrival: 0, isNullSender: false, now: 500 * second))
    #expect(policy.isExpired(arrival: 0, isNullSender: true, now: 0))
}

@Test func theWarningIsDueOnceItIsWanted() {
    #expect(!RetryPolicy(delayWarning: 0).isWarningDue(arrival: 0, now: .max))
    let policy = RetryPolicy(delayWarning: 14_400 * second)
    #expect(!policy.isWarningDue(arrival: 0, now: 14_400 * second - 1))
    #expect(policy.isWarningDue(arrival: 0, now: 14_400 * second))
}

/// The whole life of a message for a dead host with the defaults, as a table.
@Test(arguments: [UInt64(1), 2, 3])
func theDefaultScheduleOfADeadDestination(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let policy = RetryPolicy(delayWarning: 4 * 3600 * second)
    var now: Int64 = 0
    var attempts: [Int64] = []
    var warnedAt: Int64?
    while true {
        attempts.append(now)
        if policy.isExpired(arrival: 0, isNullSender: false, now: now) { break }
        if warnedAt == nil && policy.isWarningDue(arrival: 0, now: now) { warnedAt = now }
        let next = policy.nextAttempt(arrival: 0, isNullSender: false, now: now, random: random.next())
        #expect(next - now >= 300 * second)
        now = next
    }
    func clock(_ time: Int64) -> String {
        let seconds = time / second
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(seconds / 86400)d \(two(seconds / 3600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }
    print("seed \(seed): \(attempts.count) attempts; warning at \(warnedAt.map(clock) ?? "never"); returned at \(clock(now))")
    if seed == 1 {
        print(attempts.prefix(12).map(clock).joined(separator: ", ") + " ... " + attempts.suffix(3).map(clock).joined(separator: ", "))
    }
    // Five days, about 70 minutes apart once the message is old, the end at the deadline.
    #expect((105...150).contains(attempts.count))
    #expect(now >= 432_000 * second && now <= 432_300 * second)
    #expect(attempts.filter { $0 < 3600 * second }.count >= 4, "the first hour sees several attempts")
    #expect((warnedAt ?? 0) >= 14_400 * second && (warnedAt ?? 0) < 14_400 * second + 4000 * second)
}

/// A thousand messages that one dead host left behind at the same moment do not come back in the same second.
@Test(arguments: [UInt64(11), 12, 13])
func aThousandMessagesComeBackSpread(seed: UInt64) {
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let policy = RetryPolicy()
    for (age, mostInOneSecond) in [(Int64(10), 40), (2000, 12), (50_000, 8)] {
        var perSecond: [Int64: Int] = [:]
        for _ in 0..<1000 {
            let next = policy.nextAttempt(arrival: 0, isNullSender: false, now: age * second, random: random.next())
            perSecond[next / second, default: 0] += 1
        }
        #expect((perSecond.values.max() ?? 0) <= mostInOneSecond, "age \(age)")
    }
}
