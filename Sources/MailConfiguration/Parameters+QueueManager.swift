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
    public static let defaultDestinationConcurrencyPositiveFeedback = Parameter.feedback(
        "default_destination_concurrency_positive_feedback", "1", programs: "qmgr",
        "How much the concurrency of a destination grows with each delivery that reaches it.",
        discussion: "A number of 0 to 1, or that number / concurrency, or that number / sqrt_concurrency.")
    public static let defaultDestinationConcurrencyNegativeFeedback = Parameter.feedback(
        "default_destination_concurrency_negative_feedback", "1", programs: "qmgr",
        "How much the concurrency of a destination shrinks with each delivery that fails to reach it.",
        discussion: "A number of 0 to 1, or that number / concurrency, or that number / sqrt_concurrency.")
    public static let defaultDeliverySlotCost = Parameter.integer(
        "default_delivery_slot_cost", "5", in: ParameterBounds.count, programs: "qmgr",
        "After how many deliveries of a large message a smaller one may go first.",
        discussion: "The large message takes at most cost/(cost-1) times as long by that. 0 and 1 turn preemption off.")
    public static let defaultDeliverySlotLoan = Parameter.integer(
        "default_delivery_slot_loan", "3", in: ParameterBounds.count, programs: "qmgr",
        "How many delivery slots a large message lends to smaller ones before it has earned them.")
    public static let defaultDeliverySlotDiscount = Parameter.integer(
        "default_delivery_slot_discount", "50", in: 0...100, unit: "percent", programs: "qmgr",
        "What part of the delivery slots that a smaller message needs need not be earned before it goes first.",
        discussion: "All of them have to be earned before the next message goes first.")
    public static let defaultMinimumDeliverySlots = Parameter.integer(
        "default_minimum_delivery_slots", "3", in: ParameterBounds.count, programs: "qmgr",
        "A message that earns fewer delivery slots than this in all is not preempted.")
    public static let defaultDestinationRateDelay = Parameter.time(
        "default_destination_rate_delay", "0s", in: 0...ParameterBounds.longestTime, programs: "qmgr",
        "The pause between two deliveries to one destination, which are made one after the other where it is not 0.")
    public static let defaultTransportRateDelay = Parameter.time(
        "default_transport_rate_delay", "0s", in: 0...ParameterBounds.longestTime, programs: "qmgr",
        "The pause between two deliveries over one transport, which are made one after the other where it is not 0.")
    public static let defaultRecipientLimit = Parameter.integer(
        "default_recipient_limit", "20000", in: ParameterBounds.positive, unit: "recipients", programs: "qmgr",
        "How many recipients of one transport are held in memory.",
        discussion: "Messages to several transports, and those with very many recipients, are not held up by it.")
    public static let defaultExtraRecipientLimit = Parameter.integer(
        "default_extra_recipient_limit", "1000", in: ParameterBounds.count, unit: "recipients", programs: "qmgr",
        "How many more recipients preempting messages may have in memory.",
        discussion: "All recipients of an active message are in memory, so that there is nothing to be limited.")
    public static let defaultRecipientRefillLimit = Parameter.integer(
        "default_recipient_refill_limit", "100", in: ParameterBounds.positive, unit: "recipients", programs: "qmgr",
        "How many recipients of a message are read at a time.",
        discussion: "All recipients of an active message are in memory, so that there is nothing to be read later.")
    public static let defaultRecipientRefillDelay = Parameter.time(
        "default_recipient_refill_delay", "5s", programs: "qmgr", "How often more recipients of a message are read.",
        discussion: "All recipients of an active message are in memory, so that there is nothing to be read later.")
    public static let qmgrMessageActiveLimit = Parameter.integer(
        "qmgr_message_active_limit", "20000", in: ParameterBounds.positive, unit: "messages", programs: "qmgr",
        "How many messages are active at a time.",
        discussion: "One sender, and one destination, may have as many of them as are left free by the others and by a reserve of a tenth, "
            + "so that a flood of one does not keep out the mail of another.")
    public static let qmgrMessageRecipientLimit = Parameter.integer(
        "qmgr_message_recipient_limit", "20000", in: ParameterBounds.positive, unit: "recipients", programs: "qmgr",
        "How many recipients are held in memory.",
        discussion: "Messages with more than a tenth of it are counted for themselves, and one may exceed it alone.")
    public static let qmgrMessageRecipientMinimum = Parameter.integer(
        "qmgr_message_recipient_minimum", "10", in: ParameterBounds.positive, unit: "recipients", programs: "qmgr",
        "How many recipients of each message are in memory at least.",
        discussion: "All recipients of an active message are in memory.")
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
        defaultDestinationConcurrencyPositiveFeedback.declaration, defaultDestinationConcurrencyNegativeFeedback.declaration,
        defaultDeliverySlotCost.declaration, defaultDeliverySlotLoan.declaration, defaultDeliverySlotDiscount.declaration,
        defaultMinimumDeliverySlots.declaration,
        defaultDestinationRateDelay.declaration, defaultTransportRateDelay.declaration, defaultRecipientLimit.declaration,
        defaultExtraRecipientLimit.declaration, defaultRecipientRefillLimit.declaration, defaultRecipientRefillDelay.declaration,
        qmgrMessageRecipientMinimum.declaration,
        qmgrMessageActiveLimit.declaration, qmgrMessageRecipientLimit.declaration, qmgrDaemonTimeout.declaration,
        transportRetryTime.declaration, deferTransports.declaration, hashQueueDepth.declaration, hashQueueNames.declaration,
        relayDestinationConcurrencyLimit.declaration, relayDestinationRecipientLimit.declaration,
        virtualDestinationConcurrencyLimit.declaration, virtualDestinationRecipientLimit.declaration,
    ]
}
