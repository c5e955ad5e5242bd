// The limits of one transport, as values: the scheduler reads no configuration.

/// How a transport may be used. The parameters of Postfix with the same names, per transport with a `default_` fallback.
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
    /// How long a dead destination is left alone, in microseconds (`minimal_backoff_time`).
    public var deadTime: Int64
    /// How long an unreachable transport is left alone, in microseconds (`transport_retry_time`).
    public var transportRetryTime: Int64

    public init(
        processLimit: Int = 100, initialConcurrency: Int = 5, concurrencyLimit: Int = 20, recipientLimit: Int = 50,
        failedCohortLimit: Int = 1,
        deadTime: Int64 = 300_000_000, transportRetryTime: Int64 = 60_000_000
    ) {
        self.processLimit = max(0, processLimit)
        self.initialConcurrency = max(1, initialConcurrency)
        self.concurrencyLimit = max(0, concurrencyLimit)
        self.recipientLimit = max(0, recipientLimit)
        self.failedCohortLimit = max(0, failedCohortLimit)
        self.deadTime = max(0, deadTime)
        self.transportRetryTime = max(0, transportRetryTime)
    }
}
