// The limits of one transport, as values: the scheduler reads no configuration.

/// How a transport may be used. The parameters of Postfix with the same names, per transport with a `default_` fallback. Times are in
/// microseconds.
public struct TransportPolicy: Hashable, Sendable {
    /// Deliveries of this transport in flight at the same time (`default_process_limit`, or maxproc of master.cf); 0 = unlimited.
    public var processLimit: Int
    /// The window of a destination that nothing is known about (`initial_destination_concurrency`); at least 1.
    public var initialConcurrency: Int
    /// The largest window of a destination (`default_destination_concurrency_limit`); 0 = unlimited.
    public var concurrencyLimit: Int
    /// Recipients of one message in one delivery (`default_destination_recipient_limit`); 0 = unlimited.
    public var recipientLimit: Int
    /// How many pseudo-cohorts must fail before a destination counts as dead (`default_destination_concurrency_failed_cohort_limit`);
    /// 0 = never.
    public var failedCohortLimit: Int
    /// How a window grows (`default_destination_concurrency_positive_feedback`).
    public var positiveFeedback: ConcurrencyFeedback
    /// How a window shrinks (`default_destination_concurrency_negative_feedback`).
    public var negativeFeedback: ConcurrencyFeedback
    /// How long a dead destination is left alone (`minimal_backoff_time`).
    public var deadTime: Int64
    /// How long an unreachable transport is left alone (`transport_retry_time`).
    public var transportRetryTime: Int64
    /// The pause between two deliveries to one destination (`default_destination_rate_delay`). Where it is not 0 the window is 1.
    public var destinationRateDelay: Int64
    /// The pause between two deliveries of this transport (`default_transport_rate_delay`). Where it is not 0 there is one at a time.
    public var transportRateDelay: Int64
    /// Preemption: after how many deliveries of a message another one may go first (`default_delivery_slot_cost`); below 2 = never.
    public var slotCost: Int
    /// Preemption: how many slots may be spent before they are earned (`default_delivery_slot_loan`).
    public var slotLoan: Int
    /// Preemption: how much of the slots needed is remitted, in percent (`default_delivery_slot_discount`).
    public var slotDiscount: Int
    /// Preemption: a message that earns fewer slots in all is not preempted (`default_minimum_delivery_slots`).
    public var minimumSlots: Int

    public init(
        processLimit: Int = 100, initialConcurrency: Int = 5, concurrencyLimit: Int = 20, recipientLimit: Int = 50,
        failedCohortLimit: Int = 1, positiveFeedback: ConcurrencyFeedback = ConcurrencyFeedback(1),
        negativeFeedback: ConcurrencyFeedback = ConcurrencyFeedback(1), deadTime: Int64 = 300_000_000,
        transportRetryTime: Int64 = 60_000_000, destinationRateDelay: Int64 = 0, transportRateDelay: Int64 = 0, slotCost: Int = 5,
        slotLoan: Int = 3, slotDiscount: Int = 50, minimumSlots: Int = 3
    ) {
        self.processLimit = max(0, processLimit)
        // As in Postfix: a rate is kept by one delivery after the other.
        self.initialConcurrency = destinationRateDelay > 0 ? 1 : max(1, initialConcurrency)
        self.concurrencyLimit = destinationRateDelay > 0 ? 1 : max(0, concurrencyLimit)
        self.recipientLimit = max(0, recipientLimit)
        self.failedCohortLimit = max(0, failedCohortLimit)
        self.positiveFeedback = positiveFeedback
        self.negativeFeedback = negativeFeedback
        self.deadTime = max(0, deadTime)
        self.transportRetryTime = max(0, transportRetryTime)
        self.destinationRateDelay = max(0, destinationRateDelay)
        self.transportRateDelay = max(0, transportRateDelay)
        self.slotCost = max(0, slotCost)
        self.slotLoan = max(0, slotLoan)
        self.slotDiscount = min(100, max(0, slotDiscount))
        self.minimumSlots = max(0, minimumSlots)
    }
}
