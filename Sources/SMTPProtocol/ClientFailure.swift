// Why a host, a message or a recipient failed in a conversation, in Postfix's words.
//
// The reason is what stands between the parentheses of `status=...`, and what the sender reads in a notification. Tools parse it.

public import MailModel

/// A failure as a value: what is said of it, how far it reaches, and whether it is worth another try.
public struct ClientFailure: Hashable, Sendable {
    /// What the failure is about. It decides whether another host is tried and whether the scheduler backs off.
    public enum Scope: UInt8, Hashable, Sendable {
        /// The host as such: connection, greeting, EHLO, TLS, lost connection. Other hosts are tried; the destination is throttled.
        case host
        /// The whole message at this host: MAIL, DATA, end of data.
        case message
        /// One recipient.
        case recipient
    }

    public var scope: Scope
    /// Class 4: deferred. Class 5: bounced.
    public var status: EnhancedStatusCode
    /// Printable; one line.
    public var reason: String
    /// The peer's reply where the peer said it, for `Diagnostic-Code: smtp;`; nil where we noticed it ourselves.
    public var reply: ClientReply?

    public init(_ scope: Scope, _ status: EnhancedStatusCode, _ reason: String, reply: ClientReply? = nil) {
        self.scope = scope
        self.status = status
        self.reason = reason
        self.reply = reply
    }

    public var isSoft: Bool { status.statusClass == 4 }

    /// Whether a backup server may be tried for it (Postfix: soft errors, and every failure of a host as such).
    public var allowsAnotherHost: Bool { isSoft || scope == .host }

    /// A failure that the peer's reply states. A reply that is none (2xx or 3xx out of place) is a protocol error, 5.5.0, as in Postfix.
    static func replied(_ scope: Scope, _ reply: ClientReply, _ reason: String) -> ClientFailure {
        if let status = reply.status, status.statusClass != 2 { return ClientFailure(scope, status, reason, reply: reply) }
        return ClientFailure(scope, EnhancedStatusCode(5, 5, 0), "Protocol error: " + reason, reply: reply)
    }
}

/// A point of the conversation: which timeout holds, and how logs name it.
public enum ClientStage: UInt8, Hashable, Sendable, CaseIterable {
    case greeting, ehlo, helo, lhlo, startTLS, reset, mail, recipient, dataCommand, content, endOfData, quit

    /// After `while`, in `lost connection with h[ip] while ...`.
    public var activity: String {
        switch self {
        case .greeting: "receiving the initial server greeting"
        case .ehlo: "performing the EHLO handshake"
        case .helo: "performing the HELO handshake"
        case .lhlo: "performing the LHLO handshake"
        case .startTLS: "performing the STARTTLS handshake"
        case .reset: "sending RSET"
        case .mail: "sending MAIL FROM"
        case .recipient: "sending RCPT TO"
        case .dataCommand: "sending DATA command"
        case .content: "sending message body"
        case .endOfData: "sending end of data -- message may be sent more than once"
        case .quit: "sending QUIT"
        }
    }

    /// After `in reply to`.
    public var commandName: String {
        switch self {
        case .greeting: "initial server greeting"
        case .ehlo: "EHLO command"
        case .helo: "HELO command"
        case .lhlo: "LHLO command"
        case .startTLS: "STARTTLS command"
        case .reset: "RSET command"
        case .mail: "MAIL FROM command"
        case .recipient: "RCPT TO command"
        case .dataCommand: "DATA command"
        case .content: "BDAT command"
        case .endOfData: "end of DATA command"
        case .quit: "QUIT command"
        }
    }
}
