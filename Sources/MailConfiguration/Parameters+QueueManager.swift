// Parameters: qmgr and the life of queued mail.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let queueRunDelay = Parameter.time(
        "queue_run_delay", "300s", programs: "qmgr", "How often deferred mail is looked at.")
    public static let minimalBackoffTime = Parameter.time(
        "minimal_backoff_time", "300s", programs: "qmgr",
        "The shortest time between two attempts to deliver a message; also how long a dead destination is left alone.")
    public static let maximalBackoffTime = Parameter.time(
        "maximal_backoff_time", "4000s", programs: "qmgr", "The longest time between two attempts to deliver a message.")
    public static let maximalQueueLifetime = Parameter.time(
        "maximal_queue_lifetime", "5d", in: 0...8_640_000, unit: .days, programs: "qmgr",
        "How long a message is tried before it is returned.")
    public static let bounceQueueLifetime = Parameter.time(
        "bounce_queue_lifetime", "5d", in: 0...8_640_000, unit: .days, programs: "qmgr",
        "How long a notice is tried before it is given up.")
    public static let delayWarningTime = Parameter.time(
        "delay_warning_time", "0h", in: 0...ParameterBounds.longestTime, unit: .hours, programs: "qmgr",
        "When the sender is told of a delay; 0 for never.")
    public static let confirmDelayCleared = Parameter.flag(
        "confirm_delay_cleared", false, programs: "qmgr bounce", "Whether the sender is told that a delayed message was delivered.")
    public static let initialDestinationConcurrency = Parameter.integer(
        "initial_destination_concurrency", "5", in: ParameterBounds.positive, programs: "qmgr",
        "How many deliveries to a new destination begin at a time.")
    public static let defaultDestinationConcurrencyLimit = Parameter.integer(
        "default_destination_concurrency_limit", "20", in: ParameterBounds.count, programs: "qmgr",
        "How many deliveries to one destination run at a time.")
    public static let defaultDestinationRecipientLimit = Parameter.integer(
        "default_destination_recipient_limit", "50", in: ParameterBounds.count, unit: "recipients", programs: "qmgr",
        "How many recipients one delivery has.")
    public static let defaultDestinationConcurrencyFailedCohortLimit = Parameter.integer(
        "default_destination_concurrency_failed_cohort_limit", "1", in: ParameterBounds.count, programs: "qmgr",
        "How many failed rounds of deliveries make a destination count as dead.")
    public static let defaultDestinationRateDelay = Parameter.time(
        "default_destination_rate_delay", "0s", in: 0...ParameterBounds.longestTime, programs: "qmgr",
        "The least time between two deliveries to one destination.")
    public static let defaultTransportRateDelay = Parameter.time(
        "default_transport_rate_delay", "0s", in: 0...ParameterBounds.longestTime, programs: "qmgr",
        "The least time between two deliveries over one transport.")
    public static let defaultRecipientLimit = Parameter.integer(
        "default_recipient_limit", "20000", in: ParameterBounds.positive, unit: "recipients", programs: "qmgr",
        "How many recipients of one transport are held in memory.")
    public static let qmgrMessageActiveLimit = Parameter.integer(
        "qmgr_message_active_limit", "20000", in: ParameterBounds.positive, unit: "messages", programs: "qmgr",
        "How many messages are active at a time.")
    public static let qmgrMessageRecipientLimit = Parameter.integer(
        "qmgr_message_recipient_limit", "20000", in: ParameterBounds.positive, unit: "recipients", programs: "qmgr",
        "How many recipients are held in memory.")
    public static let qmgrDaemonTimeout = Parameter.time(
        "qmgr_daemon_timeout", "1000s", programs: "qmgr", "How long an internal request of the queue manager may take.")
    public static let transportRetryTime = Parameter.time(
        "transport_retry_time", "60s", programs: "qmgr", "How long to wait before a delivery agent that does not work is asked again.")
    public static let deferTransports = Parameter.list(
        "defer_transports", "", programs: "qmgr", "Transports whose mail is deferred until it is flushed.")
    public static let hashQueueDepth = Parameter.integer(
        "hash_queue_depth", "1", in: 1...16, programs: "cleanup qmgr", "How many levels of subdirectories the queue directories have.")
    public static let hashQueueNames = Parameter.list(
        "hash_queue_names", "deferred, defer", programs: "cleanup qmgr bounce", "The queue directories with subdirectories.")
    public static let relayDestinationConcurrencyLimit = Parameter.integer(
        "relay_destination_concurrency_limit", "$default_destination_concurrency_limit", in: ParameterBounds.count, programs: "qmgr",
        "How many deliveries to one destination run at a time over the transport relay.")
    public static let relayDestinationRecipientLimit = Parameter.integer(
        "relay_destination_recipient_limit", "$default_destination_recipient_limit", in: ParameterBounds.count, unit: "recipients",
        programs: "qmgr", "How many recipients one delivery over the transport relay has.")
    public static let virtualDestinationConcurrencyLimit = Parameter.integer(
        "virtual_destination_concurrency_limit", "$default_destination_concurrency_limit", in: ParameterBounds.count, programs: "qmgr",
        "How many deliveries to one destination run at a time over the transport virtual.")
    public static let virtualDestinationRecipientLimit = Parameter.integer(
        "virtual_destination_recipient_limit", "$default_destination_recipient_limit", in: ParameterBounds.count, unit: "recipients",
        programs: "qmgr", "How many recipients one delivery over the transport virtual has.")

    static let queueManagerGroup: [ParameterDeclaration] = [
        queueRunDelay.declaration, minimalBackoffTime.declaration, maximalBackoffTime.declaration, maximalQueueLifetime.declaration,
        bounceQueueLifetime.declaration, delayWarningTime.declaration, confirmDelayCleared.declaration,
        initialDestinationConcurrency.declaration, defaultDestinationConcurrencyLimit.declaration,
        defaultDestinationRecipientLimit.declaration, defaultDestinationConcurrencyFailedCohortLimit.declaration,
        defaultDestinationRateDelay.declaration, defaultTransportRateDelay.declaration, defaultRecipientLimit.declaration,
        qmgrMessageActiveLimit.declaration, qmgrMessageRecipientLimit.declaration, qmgrDaemonTimeout.declaration,
        transportRetryTime.declaration, deferTransports.declaration, hashQueueDepth.declaration, hashQueueNames.declaration,
        relayDestinationConcurrencyLimit.declaration, relayDestinationRecipientLimit.declaration,
        virtualDestinationConcurrencyLimit.declaration, virtualDestinationRecipientLimit.declaration,
    ]
}
