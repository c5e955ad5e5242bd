// How many deliveries a destination may have in flight: it grows with successes, shrinks with failures, and the destination is dead after
// too many failures in a row. The arithmetic is that of Postfix's qmgr_queue.c (SCHEDULER_README, "Concurrency scheduling") with a
// hysteresis of 1: fractions are collected until they are a whole step; a decrease comes at the beginning of its cycle and an increase
// at the end.

/// The concurrency window of one destination.
struct ConcurrencyWindow: Hashable, Sendable {
    /// At least 1; at most the limit, where there is one.
    private(set) var size: Int
    /// A failure counts for one part of a cohort, a cohort being as many deliveries as the window holds.
    private(set) var failedCohorts = 0.0
    /// Collected fractions of the next step up, and what is left before the next step down.
    private var success = 0.0
    private var failure = 0.0
    private var limit: Int
    private var initial: Int
    private var failedCohortLimit: Int
    private var positive: ConcurrencyFeedback
    private var negative: ConcurrencyFeedback

    /// Sums of 1/n are not exact in binary; what lacks less than a millionth is whole.
    private static let tolerance = 1e-6

    init(_ policy: TransportPolicy) {
        initial = policy.concurrencyLimit > 0 ? min(policy.initialConcurrency, policy.concurrencyLimit) : policy.initialConcurrency
        limit = policy.concurrencyLimit
        failedCohortLimit = policy.failedCohortLimit
        positive = policy.positiveFeedback
        negative = policy.negativeFeedback
        size = initial
    }

    /// The window when the destination comes back from the dead.
    mutating func reset() {
        size = initial
        failedCohorts = 0
        success = 0
        failure = 0
    }

    /// A delivery reached the destination. The window grows only as far as it is used: an idle window must not grow into a flood.
    ///
    /// - Parameter busy: deliveries in flight, this one included.
    mutating func succeeded(busy: Int) {
        failedCohorts = 0
        if limit > 0 && size >= limit { return }
        guard size < busy + initial else { return }
        success += positive.step(window: size)
        while success + Self.tolerance >= 1 {
            size += 1
            success -= 1
            failure = 0
        }
    }

    /// A delivery did not reach the destination. Returns whether the destination is dead now.
    mutating func failed() -> Bool {
        failedCohorts += 1 / Double(size)
        if failedCohortLimit > 0 && failedCohorts + Self.tolerance >= Double(failedCohortLimit) { return true }
        failure -= negative.step(window: size)
        while failure + Self.tolerance < 0 {
            size -= 1
            success = 0
            failure += 1
        }
        size = max(1, size)
        return false
    }
}
