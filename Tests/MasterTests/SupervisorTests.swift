import SystemKit
import Testing

@testable import Master

@Suite struct SupervisorTests {
    static let second: Int64 = 1_000_000
    let smtp = ServiceKey(name: "smtp", isInet: true)
    let qmgr = ServiceKey(name: "qmgr", isInet: false)

    private func policy(
        _ key: ServiceKey, limit: Int? = 2, wakeup: Int = 0, afterUse: Bool = false, throttle: Int = 60,
        exclusive: Bool = false
    ) -> ServicePolicy {
        ServicePolicy(
            key: key, command: "/libexec/\(key.name)", processLimit: limit, wakeup: wakeup, wakesOnlyAfterUse: afterUse,
            throttleTime: throttle, isExclusive: exclusive)
    }

    @Test func aServiceIsWatchedUntilAProcessIsAvailable() {
        var supervisor = Supervisor(policies: [policy(smtp)], now: 0)
        #expect(supervisor.servicesToWatch(now: 0) == [smtp])
        supervisor.childStarted(10, of: smtp, now: 0)
        #expect(supervisor.servicesToWatch(now: 0) == [])
        #expect(supervisor.childReported(10, .available, now: 1) == [])
        #expect(supervisor.servicesToWatch(now: 1) == [])
        #expect(supervisor.childReported(10, .taken, now: 2) == [])
        #expect(supervisor.servicesToWatch(now: 2) == [smtp])
        #expect(supervisor.childReported(10, .available, now: 3) == [])
        #expect(supervisor.servicesToWatch(now: 3) == [])
    }

    @Test func theProcessLimitHoldsAndIsReportedOnce() {
        var supervisor = Supervisor(policies: [policy(smtp, limit: 1)], now: 0)
        supervisor.childStarted(10, of: smtp, now: 0)
        let warnings = supervisor.childReported(10, .taken, now: 0)
        #expect(warnings.first == "service \"smtp\" has reached its process limit \"1\": new clients may experience noticeable delays")
        #expect(supervisor.servicesToWatch(now: 0) == [])
        _ = supervisor.childReported(10, .available, now: 1)
        #expect(supervisor.childReported(10, .taken, now: 2) == [])
        _ = supervisor.childReported(10, .available, now: 3)
        #expect(!supervisor.childReported(10, .taken, now: Supervisor.limitWarningInterval).isEmpty)
    }

    @Test func aServiceThatIsWokenAndFailsIsWokenAtOnce() {
        var supervisor = Supervisor(policies: [policy(qmgr, wakeup: 300), policy(smtp)], now: 0)
        #expect(supervisor.takeDueWakeups(now: 0) == [qmgr])
        for (pid, key) in [(10, qmgr), (11, smtp)] as [(Int32, ServiceKey)] {
            supervisor.childStarted(pid, of: key, now: 0)
            _ = supervisor.childReported(pid, .available, now: 0)
        }
        #expect(supervisor.nextDeadline(now: 1) == 300 * Self.second)
        _ = supervisor.childEnded(10, .killed(signal: 9), now: 5 * Self.second)
        _ = supervisor.childEnded(11, .killed(signal: 9), now: 5 * Self.second)
        // qmgr's queue is not looked at unless somebody starts it; for smtp the next connection does.
        #expect(supervisor.takeDueWakeups(now: 5 * Self.second) == [qmgr])
        #expect(supervisor.takeDueWakeups(now: 6 * Self.second) == [])
    }

    @Test func aServiceThatIsLeftAloneIsWokenAfterwards() {
        var supervisor = Supervisor(policies: [policy(qmgr, wakeup: 300, throttle: 7)], now: 0)
        _ = supervisor.takeDueWakeups(now: 0)
        supervisor.childStarted(10, of: qmgr, now: 0)
        // It never said that it works.
        _ = supervisor.childEnded(10, .exited(1), now: Self.second)
        #expect(supervisor.takeDueWakeups(now: 7 * Self.second) == [])
        #expect(supervisor.nextDeadline(now: 7 * Self.second) == 8 * Self.second)
        #expect(supervisor.takeDueWakeups(now: 8 * Self.second) == [qmgr])
        #expect(supervisor.mayStart(qmgr, now: 8 * Self.second))
    }

    @Test func noLimitMeansNoLimit() {
        var supervisor = Supervisor(policies: [policy(smtp, limit: nil)], now: 0)
        for pid in 10..<200 as Range<Int32> {
            #expect(supervisor.mayStart(smtp, now: 0))
            supervisor.childStarted(pid, of: smtp, now: 0)
            #expect(supervisor.childReported(pid, .taken, now: 0) == [])
        }
        #expect(supervisor.processCount(of: smtp) == 190)
    }

    @Test func repeatedReportsCountOnce() {
        var supervisor = Supervisor(policies: [policy(smtp)], now: 0)
        supervisor.childStarted(10, of: smtp, now: 0)
        for _ in 0..<3 { _ = supervisor.childReported(10, .available, now: 0) }
        #expect(supervisor.availableCount(of: smtp) == 1)
        for _ in 0..<3 { _ = supervisor.childReported(10, .taken, now: 0) }
        #expect(supervisor.availableCount(of: smtp) == 0)
        _ = supervisor.childReported(99, .available, now: 0)
        #expect(supervisor.availableCount(of: smtp) == 0)
    }

    @Test func aProcessThatEndsNormallyIsReplacedOnDemand() {
        var supervisor = Supervisor(policies: [policy(smtp)], now: 0)
        supervisor.childStarted(10, of: smtp, now: 0)
        #expect(supervisor.childEnded(10, .exited(0), now: 1) == [])
        #expect(supervisor.servicesToWatch(now: 1) == [smtp])
        #expect(supervisor.processCount(of: smtp) == 0 && supervisor.availableCount(of: smtp) == 0)
    }

    @Test func aBadStartThrottlesThatServiceOnly() {
        var supervisor = Supervisor(policies: [policy(smtp), policy(qmgr)], now: 0)
        supervisor.childStarted(10, of: smtp, now: 0)
        #expect(
            supervisor.childEnded(10, .exited(1), now: 0)
                == ["process /libexec/smtp pid 10 exit status 1", "/libexec/smtp: bad command startup -- throttling"])
        #expect(supervisor.servicesToWatch(now: 0) == [qmgr])
        #expect(supervisor.nextDeadline(now: 0) == 60 * Self.second)
        #expect(supervisor.servicesToWatch(now: 60 * Self.second - 1) == [qmgr])
        #expect(supervisor.servicesToWatch(now: 60 * Self.second) == [qmgr, smtp])
    }

    @Test func aProgramThatCannotBeStartedIsThrottled() {
        var supervisor = Supervisor(policies: [policy(smtp, throttle: 5)], now: 0)
        #expect(supervisor.startFailed(smtp, now: 0) == ["/libexec/smtp: bad command startup -- throttling"])
        #expect(!supervisor.mayStart(smtp, now: 5 * Self.second - 1))
        #expect(supervisor.mayStart(smtp, now: 5 * Self.second))
    }

    @Test func aWorkingProcessThatIsKilledIsReplacedAtOnce() {
        var supervisor = Supervisor(policies: [policy(qmgr, limit: 1)], now: 0)
        for round in 1...Supervisor.toleratedQuickFailures {
            let pid = Int32(10 + round)
            supervisor.childStarted(pid, of: qmgr, now: 0)
            _ = supervisor.childReported(pid, .available, now: 0)
            #expect(supervisor.childEnded(pid, .killed(signal: 9), now: 1) == ["process /libexec/qmgr pid \(pid) killed by signal 9"])
            #expect(supervisor.mayStart(qmgr, now: 1))
        }
    }

    @Test func quickFailuresInARowGetGrowingPauses() {
        var supervisor = Supervisor(policies: [policy(qmgr, limit: 1, throttle: 4)], now: 0)
        var now: Int64 = 0
        var pauses: [Int64] = []
        for round in 1...8 {
            let pid = Int32(10 + round)
            supervisor.childStarted(pid, of: qmgr, now: now)
            _ = supervisor.childReported(pid, .available, now: now)
            _ = supervisor.childEnded(pid, .killed(signal: 11), now: now)
            let end = supervisor.nextDeadline(now: now) ?? now
            pauses.append((end - now) / Self.second)
            now = end
            #expect(supervisor.mayStart(qmgr, now: now))
        }
        #expect(pauses == [0, 0, 0, 1, 2, 4, 4, 4])
    }

    @Test func aLongLifeForgetsEarlierFailures() {
        var supervisor = Supervisor(policies: [policy(qmgr, limit: 1)], now: 0)
        var now: Int64 = 0
        for round in 1...20 {
            let pid = Int32(10 + round)
            supervisor.childStarted(pid, of: qmgr, now: now)
            _ = supervisor.childReported(pid, .available, now: now)
            now += Supervisor.quickFailureTime
            #expect(supervisor.childEnded(pid, .killed(signal: 6), now: now).count == 1)
            #expect(supervisor.mayStart(qmgr, now: now))
        }
    }

    @Test func wakeUpsComeAtOnceAndThenInTheirInterval() {
        var supervisor = Supervisor(policies: [policy(qmgr, wakeup: 300), policy(smtp)], now: 7)
        #expect(supervisor.nextDeadline(now: 7) == 7)
        #expect(supervisor.takeDueWakeups(now: 7) == [qmgr])
        #expect(supervisor.takeDueWakeups(now: 7) == [])
        #expect(supervisor.nextDeadline(now: 7) == 7 + 300 * Self.second)
        #expect(supervisor.takeDueWakeups(now: 7 + 300 * Self.second) == [qmgr])
    }

    @Test func aQuestionMarkWaitsForFirstUse() {
        var supervisor = Supervisor(policies: [policy(qmgr, wakeup: 10, afterUse: true)], now: 0)
        #expect(supervisor.takeDueWakeups(now: 1000 * Self.second) == [])
        supervisor.childStarted(10, of: qmgr, now: 0)
        #expect(supervisor.takeDueWakeups(now: 0) == [])
        #expect(supervisor.takeDueWakeups(now: 10 * Self.second) == [qmgr])
    }

    /// A queue manager that was killed had mail in its hands, and no connection comes that would start another.
    @Test func aServiceThatIsWokenIsWokenAtOnceWhenItsProcessFailed() {
        var supervisor = Supervisor(policies: [policy(qmgr, wakeup: 300), policy(smtp)], now: 0)
        _ = supervisor.takeDueWakeups(now: 0)
        supervisor.childStarted(10, of: qmgr, now: 0)
        _ = supervisor.childReported(10, .available, now: 0)
        #expect(supervisor.takeDueWakeups(now: 100 * Self.second) == [])
        _ = supervisor.childEnded(10, .killed(signal: 9), now: 100 * Self.second)
        #expect(supervisor.takeDueWakeups(now: 100 * Self.second) == [qmgr])
        // One that fails again and again is woken when its pause is over, and one that ends in good order in its time.
        var now = 100 * Self.second
        for pid in Int32(11)...20 {
            supervisor.childStarted(pid, of: qmgr, now: now)
            _ = supervisor.childReported(pid, .available, now: now)
            _ = supervisor.childEnded(pid, .killed(signal: 9), now: now)
            guard let next = supervisor.nextDeadline(now: now) else { break }
            now = max(now, next)
            #expect(supervisor.mayStart(qmgr, now: now))
            #expect(supervisor.takeDueWakeups(now: now) == [qmgr])
        }
        #expect(now > 101 * Self.second)
        supervisor.childStarted(30, of: qmgr, now: now)
        _ = supervisor.childReported(30, .available, now: now)
        _ = supervisor.childEnded(30, .exited(0), now: now)
        #expect(supervisor.takeDueWakeups(now: now) == [])
    }

    @Test func aThrottledServiceMissesItsWakeUp() {
        var supervisor = Supervisor(policies: [policy(qmgr, wakeup: 10)], now: 0)
        _ = supervisor.takeDueWakeups(now: 0)
        supervisor.childStarted(10, of: qmgr, now: 0)
        _ = supervisor.childEnded(10, .exited(1), now: 0)
        #expect(supervisor.takeDueWakeups(now: 10 * Self.second) == [])
        #expect(supervisor.takeDueWakeups(now: 60 * Self.second) == [qmgr])
    }

    @Test func aReloadDrainsChildrenWithoutExceedingTheLimit() {
        var supervisor = Supervisor(policies: [policy(qmgr, limit: 1, wakeup: 300), policy(smtp)], now: 0)
        _ = supervisor.takeDueWakeups(now: 0)
        supervisor.childStarted(10, of: qmgr, now: 0)
        supervisor.childStarted(11, of: smtp, now: 0)
        supervisor.drainAll()
        supervisor.configure([policy(qmgr, limit: 1, wakeup: 300, exclusive: true), policy(smtp)], now: 5)
        // One queue manager at a time: the new one waits for the old one's end.
        #expect(supervisor.servicesToWatch(now: 5) == [smtp])
        #expect(supervisor.takeDueWakeups(now: 5) == [qmgr])
        _ = supervisor.childReported(10, .available, now: 6)
        #expect(supervisor.availableCount(of: qmgr) == 0)
        #expect(supervisor.childEnded(10, .exited(1), now: 7) == ["process /libexec/qmgr pid 10 exit status 1"])
        #expect(supervisor.servicesToWatch(now: 7) == [qmgr, smtp])
        supervisor.drainAll()
        #expect(supervisor.availableCount(of: smtp) == 0)
    }

    @Test func whoFinishesIsReplacedAtOnceButNotForEver() {
        var supervisor = Supervisor(policies: [policy(smtp, limit: 1)], now: 0)
        for pid in 1...Supervisor.generations as ClosedRange<Int> {
            #expect(supervisor.servicesToWatch(now: 0) == [smtp])
            supervisor.childStarted(Int32(pid), of: smtp, now: 0)
            #expect(supervisor.servicesToWatch(now: 0) == [])
            // Its tables changed, and a client keeps its session.
            #expect(supervisor.childReported(Int32(pid), .draining, now: 0) == [])
            #expect(supervisor.childReported(Int32(pid), .draining, now: 0) == [])
        }
        #expect(supervisor.servicesToWatch(now: 0) == [])
        #expect(supervisor.childEnded(1, .exited(0), now: 1) == [])
        #expect(supervisor.servicesToWatch(now: 1) == [smtp])
        #expect(supervisor.processCount(of: smtp) == Supervisor.generations - 1)
    }

    @Test func aReloadEndsThrottling() {
        var supervisor = Supervisor(policies: [policy(smtp)], now: 0)
        _ = supervisor.startFailed(smtp, now: 0)
        #expect(!supervisor.mayStart(smtp, now: 1))
        supervisor.configure([policy(smtp)], now: 1)
        #expect(supervisor.mayStart(smtp, now: 1))
    }

    @Test func childrenOfARemovedServiceEndQuietly() {
        var supervisor = Supervisor(policies: [policy(smtp)], now: 0)
        supervisor.childStarted(10, of: smtp, now: 0)
        supervisor.drainAll()
        supervisor.configure([], now: 1)
        #expect(supervisor.processIDs == [10])
        #expect(supervisor.childEnded(10, .exited(0), now: 2) == [])
        #expect(supervisor.processIDs == [])
    }

    /// A stop goes by stages: sessions end while the programs that they need may still be started, and qmgr while its agents may.
    @Test func whoGivesWorkToOthersStopsFirst() {
        let local = ServiceKey(name: "local", isInet: false)
        var supervisor = Supervisor(policies: [policy(smtp), policy(qmgr, wakeup: 1), policy(local)], now: 0)
        supervisor.childStarted(10, of: smtp, now: 0)
        supervisor.stop(.network)
        #expect(supervisor.childEnded(10, .killed(signal: Signal.terminate.rawValue), now: 1) == [])
        #expect(!supervisor.mayStart(smtp, now: 1) && supervisor.mayStart(qmgr, now: 1))
        #expect(supervisor.servicesToWatch(now: 1) == [local, qmgr])
        #expect(supervisor.takeDueWakeups(now: 1_000_001) == [qmgr])
        supervisor.stop(.seekers)
        #expect(supervisor.servicesToWatch(now: 2_000_002) == [local] && !supervisor.mayStart(qmgr, now: 2_000_002))
        #expect(supervisor.takeDueWakeups(now: 2_000_002) == [] && supervisor.nextDeadline(now: 2_000_002) == nil)
    }

    @Test func nothingStartsAfterAStop() {
        var supervisor = Supervisor(policies: [policy(qmgr, wakeup: 1)], now: 0)
        supervisor.stop(.others)
        #expect(supervisor.servicesToWatch(now: 0) == [] && supervisor.takeDueWakeups(now: 0) == [])
        #expect(supervisor.nextDeadline(now: 0) == nil && !supervisor.mayStart(qmgr, now: 0))
    }
}
