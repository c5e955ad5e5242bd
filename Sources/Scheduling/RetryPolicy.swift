// When a deferred message is tried again, when its sender is told that it is late, and when attempts end.
//
// Postfix: the wait is as long as the message is old, at least minimal_backoff_time, at most maximal_backoff_time (so the age doubles from
// attempt to attempt). Added here: a random spread, so that a thousand messages which one dead host left behind do not come back in one
// second.

/// The retry schedule; all times in microseconds.
public struct RetryPolicy: Hashable, Sendable {
    /// `minimal_backoff_time`. No wait is shorter.
    public var minimalBackoff: Int64
    /// `maximal_backoff_time`. No wait is longer, except by the spread where it is (nearly) the same as the minimum.
    public var maximalBackoff: Int64
    /// `maximal_queue_lifetime`: attempts for a message with a sender end when it is that old. 0: one attempt only.
    public var maximalLifetime: Int64
    /// `bounce_queue_lifetime`: the same for notifications (null sender).
    public var bounceLifetime: Int64
    /// `delay_warning_time`: when the sender is told that the message is late; 0 = never.
    public var delayWarning: Int64

    public init(
        minimalBackoff: Int64 = 300_000_000, maximalBackoff: Int64 = 4_000_000_000, maximalLifetime: Int64 = 432_000_000_000,
        bounceLifetime: Int64 = 432_000_000_000, delayWarning: Int64 = 0
    ) {
        self.minimalBackoff = max(1, minimalBackoff)
        self.maximalBackoff = max(self.minimalBackoff, maximalBackoff)
        self.maximalLifetime = max(0, maximalLifetime)
        self.bounceLifetime = max(0, bounceLifetime)
        self.delayWarning = max(0, delayWarning)
    }

    /// When attempts end. The message is returned after the first attempt that fails at or after this time.
    public func expiry(arrival: Int64, isNullSender: Bool) -> Int64 {
        arrival.addingReportingOverflow(isNullSender ? bounceLifetime : maximalLifetime).partialValue
    }

    public func isExpired(arrival: Int64, isNullSender: Bool, now: Int64) -> Bool {
        now >= expiry(arrival: arrival, isNullSender: isNullSender)
    }

    /// Whether it is time for the delay warning.
    public func isWarningDue(arrival: Int64, now: Int64) -> Bool { delayWarning > 0 && now - arrival >= delayWarning }

    /// The time of the next attempt after one that was deferred at `now`.
    ///
    /// The wait is drawn evenly from a range a quarter as wide as the age rule's wait, centred on it and shifted into
    /// `minimalBackoff...maximalBackoff`: 300...375 s for a fresh message and 3000...4000 s for an old one with the defaults. Where the two
    /// limits are too close for that, the range begins at the minimum. An attempt that would come after the expiry is brought forward to
    /// it, so that the sender hears at the deadline, but never before `minimalBackoff` has passed.
    ///
    /// - Parameter random: evenly distributed over all values.
    public func nextAttempt(arrival: Int64, isNullSender: Bool, now: Int64, random: UInt64) -> Int64 {
        let wait = min(max(now - arrival, minimalBackoff), maximalBackoff)
        let width = max(1, wait / 4)
        let low = max(minimalBackoff, min(wait - width / 2, maximalBackoff - width))
        // The high half of the product of a 64-bit fraction and the width: even, without a division.
        let offset = Int64(UInt64(width).multipliedFullWidth(by: random).high)
        let next = now + low + offset
        let last = max(expiry(arrival: arrival, isNullSender: isNullSender), now + minimalBackoff)
        return min(next, last)
    }
}
