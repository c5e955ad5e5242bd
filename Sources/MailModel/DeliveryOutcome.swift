// The outcome of one delivery attempt for one recipient. An outcome is a value: nothing about a delivery is ever thrown (DESIGN.md, section 1.2).

/// What became of one recipient in one attempt.
public struct RecipientOutcome: Hashable, Sendable {
    public enum Action: UInt8, Sendable, Hashable {
        /// Final delivery done, durable (RFC 3464 action `delivered`).
        case delivered = 0
        /// Handed to another host that offers DSN: the report is its business (RFC 3461 section 5.2.2).
        case relayed = 1
        /// Handed to another host without DSN: a success report, if asked for, says `relayed`.
        case relayedWithoutDSN = 2
        /// Replaced by other recipients in a new message (alias, .forward) (RFC 3464 action `expanded`).
        case expanded = 3
        /// To be tried again.
        case deferred = 4
        /// Failed for good.
        case bounced = 5
        /// Accepted and thrown away on purpose (`discard:`).
        case discarded = 6
    }

    public var action: Action
    public var status: EnhancedStatusCode
    /// The text inside the parentheses of `status=...(...)`; printable.
    public var reason: String
    /// The host that gave the diagnostic, for `Remote-MTA: dns; ...`; empty without.
    public var remoteMTA: String
    /// The peer's reply as one line, for `Diagnostic-Code: smtp; ...`; empty without.
    public var diagnostic: String
    /// `relay=` of the log: `mx.example[192.0.2.1]:25`, `local`, `none`.
    public var relay: String

    public init(
        _ action: Action, _ status: EnhancedStatusCode, _ reason: String, remoteMTA: String = "", diagnostic: String = "",
        relay: String = "none"
    ) {
        self.action = action
        self.status = status
        self.reason = reason
        self.remoteMTA = remoteMTA
        self.diagnostic = diagnostic
        self.relay = relay
    }

    /// The word after `status=` in the log.
    public var logWord: String {
        switch action {
        case .delivered, .relayed, .relayedWithoutDSN, .expanded, .discarded: "sent"
        case .deferred: "deferred"
        case .bounced: "bounced"
        }
    }

    /// Whether the recipient needs no further attempt.
    public var isFinal: Bool { action != .deferred }
}
