// The arithmetic of windows, against SCHEDULER_README's "Concurrency scheduling".

import Testing

@testable import Scheduling

@Test(arguments: [
    ("1", 1.0, ConcurrencyFeedback.Divisor.one), ("0.5", 0.5, .one), ("1 / concurrency", 1, .concurrency),
    ("1/concurrency", 1, .concurrency), (" 0.25 / sqrt_concurrency ", 0.25, .squareRoot), ("0", 0, .one), (".5", 0.5, .one),
])
func feedbacksAreRead(text: String, number: Double, divisor: ConcurrencyFeedback.Divisor) {
    #expect(ConcurrencyFeedback(parsing: text) == ConcurrencyFeedback(number, per: divisor))
}

@Test(arguments: ["", "-1", "1.5", "2", "1 / n", "1 concurrency", "/ concurrency", "1e-3", "1..2", "1 / ", "٣"])
func whatIsNoFeedbackIsNotRead(text: String) { #expect(ConcurrencyFeedback(parsing: text) == nil) }

private func window(_ positive: ConcurrencyFeedback, _ negative: ConcurrencyFeedback, initial: Int = 5, cohorts: Int = 100)
    -> ConcurrencyWindow
{
    ConcurrencyWindow(
        TransportPolicy(
            initialConcurrency: initial, concurrencyLimit: 20, failedCohortLimit: cohorts, positiveFeedback: positive,
            negativeFeedback: negative))
}

/// Sizes after each of a number of successes of a busy destination.
private func growth(_ feedback: ConcurrencyFeedback, _ count: Int) -> [Int] {
    var window = window(feedback, ConcurrencyFeedback(1))
    return (0..<count).map { _ in
        window.succeeded(busy: window.size)
        return window.size
    }
}

@Test func positiveFeedback() {
    #expect(growth(ConcurrencyFeedback(1), 4) == [6, 7, 8, 9])
    #expect(growth(ConcurrencyFeedback(0.5), 4) == [5, 6, 6, 7])
    // One step for each cohort: five successes for the sixth, six for the seventh.
    #expect(growth(ConcurrencyFeedback(1, per: .concurrency), 11) == [5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7])
    // 1/sqrt(5) three times.
    #expect(growth(ConcurrencyFeedback(1, per: .squareRoot), 3) == [5, 5, 6])
    #expect(growth(ConcurrencyFeedback(0), 50).last == 5)
    #expect(growth(ConcurrencyFeedback(1), 50).last == 20, "the limit")
}

@Test func negativeFeedbackComesAtTheBeginningOfItsCycle() {
    var fixed = window(ConcurrencyFeedback(1), ConcurrencyFeedback(1))
    #expect((0..<6).map { _ in fixed.failed() ? -1 : fixed.size } == [4, 3, 2, 1, 1, 1])
    var slow = window(ConcurrencyFeedback(1), ConcurrencyFeedback(1, per: .concurrency))
    // The first failure takes one; the next one comes when a cohort of four has failed.
    #expect((0..<6).map { _ in slow.failed() ? -1 : slow.size } == [4, 4, 4, 4, 3, 3])
}

@Test func anIdleWindowDoesNotGrow() {
    var window = window(ConcurrencyFeedback(1), ConcurrencyFeedback(1))
    for _ in 0..<100 { window.succeeded(busy: 1) }
    #expect(window.size == 6)
}

@Test func cohortsKillUnlessTheLimitIsZero() {
    var mortal = window(ConcurrencyFeedback(1), ConcurrencyFeedback(0), initial: 4, cohorts: 2)
    #expect((0..<8).map { _ in mortal.failed() } == [false, false, false, false, false, false, false, true])
    var immortal = window(ConcurrencyFeedback(1), ConcurrencyFeedback(1), cohorts: 0)
    #expect(!(0..<1000).contains { _ in immortal.failed() })
}

@Test(arguments: (1...20).map { UInt64($0) })
func theWindowStaysBetweenOneAndItsLimit(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let divisors: [ConcurrencyFeedback.Divisor] = [.one, .concurrency, .squareRoot]
    func feedback() -> ConcurrencyFeedback {
        ConcurrencyFeedback(Double.random(in: 0...1, using: &random), per: divisors.randomElement(using: &random) ?? .one)
    }
    let limit = Int.random(in: 1...30, using: &random)
    var window = ConcurrencyWindow(
        TransportPolicy(
            initialConcurrency: Int.random(in: 1...40, using: &random), concurrencyLimit: limit, failedCohortLimit: 0,
            positiveFeedback: feedback(), negativeFeedback: feedback()))
    for _ in 0..<2000 {
        if Bool.random(using: &random) {
            window.succeeded(busy: Int.random(in: 1...limit, using: &random))
        } else {
            _ = window.failed()
        }
        #expect((1...limit).contains(window.size))
    }
}
