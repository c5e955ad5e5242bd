// What the queue manager takes from main.cf and master.cf, as values; nothing else in this room reads a parameter.

public import MailConfiguration
public import Scheduling
import Synchronization

/// The configuration of the queue manager.
public struct QueueManagerSettings: Sendable {
    public var retry: RetryPolicy
    /// `qmgr_message_active_limit`.
    public var activeLimit: Int
    /// `qmgr_message_recipient_limit`: recipients in memory. Large messages are counted for themselves, and one may exceed it alone.
    public var activeRecipientLimit: Int
    /// `default_recipient_limit` and `TRANSPORT_recipient_limit`: recipients of a transport in memory.
    public var transportRecipientLimit: @Sendable (String) -> Int
    /// `queue_run_delay`, in microseconds: how often `incoming` is searched for what no notice told of.
    public var rescanInterval: Int64
    /// `defer_transports`: their mail waits for a flush.
    public var deferredTransports: Set<String>
    /// Services of master.cf that are `discard` under another name.
    public var discardTransports: Set<String>
    /// Limits of a transport by its name.
    public var policy: @Sendable (String) -> TransportPolicy
    /// `qmgr_daemon_timeout`, in seconds: the longest wait for an answer of `bounce`.
    public var requestTimeout: Int

    public init(
        retry: RetryPolicy = RetryPolicy(), activeLimit: Int = 20_000, activeRecipientLimit: Int = 20_000,
        rescanInterval: Int64 = 300_000_000, deferredTransports: Set<String> = [], discardTransports: Set<String> = ["discard"],
        requestTimeout: Int = 1000, transportRecipientLimit: @escaping @Sendable (String) -> Int = { _ in 20_000 },
        policy: @escaping @Sendable (String) -> TransportPolicy = { _ in TransportPolicy() }
    ) {
        self.retry = retry
        self.activeLimit = max(1, activeLimit)
        self.activeRecipientLimit = max(1, activeRecipientLimit)
        self.rescanInterval = max(1_000_000, rescanInterval)
        self.deferredTransports = deferredTransports
        self.discardTransports = discardTransports
        self.requestTimeout = requestTimeout
        self.transportRecipientLimit = transportRecipientLimit
        self.policy = QueueManagerSettings.remembering(policy)
    }

    /// Every recipient asks for the policy of its transport, and to make one is to look up some fifteen parameters by name.
    private static func remembering(_ make: @escaping @Sendable (String) -> TransportPolicy) -> @Sendable (String) -> TransportPolicy {
        let known = Mutex<[String: TransportPolicy]>([:])
        return { transport in
            if let policy = known.withLock({ $0[transport] }) { return policy }
            let policy = make(transport)
            // Names come from tables, too: not without bound.
            known.withLock { if $0.count < 1000 { $0[transport] = policy } }
            return policy
        }
    }

    /// - Parameter master: nil where there is no readable master.cf: every transport has the default process limit then.
    public init(_ configuration: Configuration, master: MasterFile?) {
        func microseconds(_ parameter: Parameter<Int>) -> Int64 { Int64(configuration[parameter]) * 1_000_000 }
        let defaultProcesses = configuration[Parameters.defaultProcessLimit]
        var processes: [String: Int] = [:]
        var discarding: Set<String> = ["discard"]
        for entry in master?.entries ?? [] where entry.type != .inet {
            processes[entry.service] = entry.processLimit ?? defaultProcesses
            if entry.command.split(separator: "/").last == "discard" { discarding.insert(entry.service) }
        }
        let (limits, deadTime, retryTime) = (
            processes, microseconds(Parameters.minimalBackoffTime), microseconds(Parameters.transportRetryTime)
        )
        self.init(
            retry: RetryPolicy(
                minimalBackoff: microseconds(Parameters.minimalBackoffTime), maximalBackoff: microseconds(Parameters.maximalBackoffTime),
                maximalLifetime: microseconds(Parameters.maximalQueueLifetime),
                bounceLifetime: microseconds(Parameters.bounceQueueLifetime),
                delayWarning: microseconds(Parameters.delayWarningTime)),
            activeLimit: configuration[Parameters.qmgrMessageActiveLimit],
            activeRecipientLimit: configuration[Parameters.qmgrMessageRecipientLimit],
            rescanInterval: microseconds(Parameters.queueRunDelay),
            deferredTransports: Set(configuration[Parameters.deferTransports]),
            discardTransports: discarding,
            requestTimeout: configuration[Parameters.qmgrDaemonTimeout],
            transportRecipientLimit: { configuration.transportParameter(.recipientLimit, transport: $0) },
            policy: { transport in
                func limit(_ parameter: TransportParameter) -> Int { configuration.transportParameter(parameter, transport: transport) }
                // The configuration has checked the text.
                func feedback(_ parameter: TransportParameter) -> ConcurrencyFeedback {
                    ConcurrencyFeedback(parsing: configuration.transportText(parameter, transport: transport)) ?? ConcurrencyFeedback(1)
                }
                return TransportPolicy(
                    processLimit: limits[transport] ?? defaultProcesses,
                    initialConcurrency: limit(.initialDestinationConcurrency),
                    concurrencyLimit: limit(.destinationConcurrencyLimit),
                    recipientLimit: limit(.destinationRecipientLimit),
                    failedCohortLimit: limit(.destinationConcurrencyFailedCohortLimit),
                    positiveFeedback: feedback(.destinationConcurrencyPositiveFeedback),
                    negativeFeedback: feedback(.destinationConcurrencyNegativeFeedback),
                    deadTime: deadTime, transportRetryTime: retryTime,
                    destinationRateDelay: Int64(limit(.destinationRateDelay)) * 1_000_000,
                    transportRateDelay: Int64(limit(.transportRateDelay)) * 1_000_000,
                    slotCost: limit(.deliverySlotCost), slotLoan: limit(.deliverySlotLoan), slotDiscount: limit(.deliverySlotDiscount),
                    minimumSlots: limit(.minimumDeliverySlots))
            })
    }
}
