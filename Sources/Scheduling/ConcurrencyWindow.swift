// How many deliveries a destination may have in flight: one step up for a success, one step down for a failure, and dead after too many
// failures in a row. The arithmetic is that of Postfix's qmgr_queue.c with positive and negative feedback 1 (SCHEDULER_README, "Concurrency
// scheduling"): the variants 1/concurrency and 1/sqrt(concurrency) differ only in the size of the step.

/// The concurrency window of one destination.
struct ConcurrencyWindow: Hashable, Sendable {
    /// At least 1 while the destination is alive.
    private(set) var size: Int
    /// A failure counts for one part of a cohort, a cohort being as many deliveries as the window holds.
    private(set) var failedCohorts = 0.0
    private var limit: Int
    private var initial: Int
    private var failedCohortLimit: Int

    init(_ policy: TransportPolicy) {
        initial = policy.concurrencyLimit > 0 ? min(policy.initialConcurrency, policy.concurrencyLimit) : policy.initialConcurrency
        limit = policy.concurrencyLimit
        failedCohortLimit = policy.failedCohortLimit
        size = initial
    }

    /// The window when the destination comes back from the dead.
    mutating func reset() {
        size = initial
        failedCohorts = 0
    }

    /// A delivery reached the destination. The window grows only as far as it is used: an idle window must not grow into a flood.
    mutating func succeeded(busy: Int) {
        failedCohorts = 0
        if limit > 0 && size >= limit { return }
        if size < busy + initial { size += 1 }
    }

    /// A delivery did not reach the destination. Returns whether the destination is dead now.
    mutating func failed() -> Bool {
        failedCohorts += 1 / Double(size)
        // The sums of 1/n are not exact in binary; a cohort that lacks less than a millionth is whole.
        if failedCohortLimit > 0 && failedCohorts + 1e-6 >= Double(failedCohortLimit) { return true }
        size = max(1, size - 1)
        return false
    }
}
