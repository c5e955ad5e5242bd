// What the state machine of a server session needs to know and never looks up itself. One value, shared by all sessions of a process.

public import MailModel

/// What a command filter makes of a line.
public enum FilteredCommand: Hashable, Sendable {
    case unchanged
    case replaced([UInt8])
    /// It cannot be told now; the command is put off.
    case failed
}

/// What a session can tell a footer about itself.
public struct RejectFacts: Hashable, Sendable {
    public var heloName: String
    /// Of the transaction; nil outside.
    public var sender: MailAddress?
    /// The last one that was named.
    public var recipient: MailAddress?
}

/// The fixed settings of a server's sessions.
public struct SMTPServerPolicy: Sendable {
    /// Whether STARTTLS is offered.
    public enum TLSOffer: Hashable, Sendable {
        case none
        /// Offered (`smtpd_tls_security_level = may`).
        case offered
        /// Everything but a few commands is refused before TLS (`encrypt`).
        case required
    }

    /// `myhostname`.
    public var hostName: String
    /// The greeting after `220 ` (`smtpd_banner`).
    public var banner: String
    public var features: SMTPFeatures = .all
    public var tls: TLSOffer = .none
    public var grammar: PathGrammar = .lenient
    public var bareNewline: BareNewlinePolicy = .normalize
    /// `smtpd_forbid_bare_newline_reject_code`.
    public var bareNewlineRejectCode: UInt16 = 550
    /// Octets; 0 is no limit (`message_size_limit`).
    public var messageSizeLimit = 10_240_000
    /// `smtpd_recipient_limit`.
    public var recipientLimit = 1000
    /// Recipients over the limit that are refused without counting as errors (`smtpd_recipient_overshoot_limit`).
    public var recipientOvershootLimit = 1000
    /// Errors after which each reply is delayed (`smtpd_soft_error_limit`).
    public var softErrorLimit = 10
    /// Errors after which the session ends (`smtpd_hard_error_limit`).
    public var hardErrorLimit = 20
    /// NOOP, RSET, VRFY ... that are not errors (`smtpd_junk_command_limit`).
    public var junkCommandLimit = 100
    /// Seconds of delay (`smtpd_error_sleep_time`).
    public var errorSleepTime = 1
    /// Octets of a command line (`line_length_limit`).
    public var lineLengthLimit = 2048
    /// `smtpd_helo_required`.
    public var isHeloRequired = false
    /// Whether a client that sends on without waiting for a reply it must wait for is cut off (`smtpd_forbid_unauth_pipelining`).
    public var forbidsUnauthorizedPipelining = true
    /// First words that no SMTP client sends (`smtpd_forbidden_commands`), in upper case. A line that does not begin with a letter is
    /// always one.
    public var forbiddenCommands = ["CONNECT", "GET", "POST"]
    /// First words that are answered with 250 and do nothing (`smtpd_noop_commands`), in upper case.
    public var noopCommands: Set<String> = []
    /// Replaces command lines before they are read (`smtpd_command_filter`).
    public var commandFilter: (@Sendable (_ line: [UInt8]) -> FilteredCommand)?
    /// Text for the end of refusals (`smtpd_reject_footer`), for what is known when it is needed.
    public var rejectFooter: (@Sendable (RejectFacts) -> String)?
    /// Whether the driver is asked about HELO and EHLO (`smtpd_delay_reject = no`).
    public var asksAboutHello = false
    /// Octets of content that are gathered before the driver is asked to take them.
    public var contentChunkSize = 65536

    public init(hostName: String, banner: String? = nil) {
        self.hostName = hostName
        self.banner = banner ?? "\(hostName) ESMTP Martlet"
    }

    /// The reply to EHLO (RFC 5321 section 4.1.1.1), keywords in Postfix's order.
    func ehloReply(isTLSActive: Bool) -> SMTPReply {
        var lines = [hostName]
        if features.contains(.pipelining) { lines.append("PIPELINING") }
        if features.contains(.size) { lines.append(messageSizeLimit > 0 ? "SIZE \(messageSizeLimit)" : "SIZE") }
        if features.contains(.vrfy) { lines.append("VRFY") }
        if tls != .none && !isTLSActive { lines.append("STARTTLS") }
        if features.contains(.enhancedStatusCodes) { lines.append("ENHANCEDSTATUSCODES") }
        if features.contains(.eightBitMIME) { lines.append("8BITMIME") }
        if features.contains(.dsn) { lines.append("DSN") }
        if features.contains(.smtpUTF8) { lines.append("SMTPUTF8") }
        if features.contains(.chunking) { lines.append("CHUNKING") }
        if features.isSuperset(of: [.chunking, .binaryMIME, .eightBitMIME]) { lines.append("BINARYMIME") }
        return SMTPReply(250, nil, lines: lines)
    }
}
