// The lines about deliveries, byte for byte as Postfix before 3.10 writes them: log analysers parse them (DESIGN.md, section 7).

import MailModel

/// When the steps of one attempt happened, in microseconds since 1970.
struct DeliveryTimes: Hashable, Sendable {
    /// The message arrived.
    var arrival: Int64
    /// qmgr took it up for this round.
    var activated: Int64
    /// The request came to this agent.
    var handedOver: Int64
    /// The session was ready; nil where none was.
    var connected: Int64?
}

enum DeliveryLog {
    /// The line of one recipient.
    ///
    /// - Parameters:
    ///   - use: which message of its connection this is; named from the second on.
    ///   - decimals: `delay_logging_resolution_limit`.
    static func line(
        _ queueID: QueueID, _ recipient: EnvelopeRecipient, _ outcome: RecipientOutcome, _ times: DeliveryTimes, now: Int64, use: Int,
        decimals: Int
    ) -> String {
        var line = "\(queueID): to=<\(recipient.address.logForm)>"
        if let original = recipient.originalAddress, original != recipient.address { line += ", orig_to=<\(original.logForm)>" }
        line += ", relay=\(outcome.relay)"
        if use > 1 { line += ", conn_use=\(use)" }
        // Without a connection all the time went into trying to get one.
        let connected = times.connected ?? now
        let parts = [
            times.activated - times.arrival, times.handedOver - times.activated, connected - times.handedOver, now - connected,
        ]
        line += ", delay=\(LogDelay.text(now - times.arrival, decimals: decimals))"
        line += ", delays=" + parts.map { LogDelay.text($0, decimals: decimals) }.joined(separator: "/")
        return line + ", dsn=\(outcome.status), status=\(outcome.logWord) (\(outcome.reason))"
    }
}
