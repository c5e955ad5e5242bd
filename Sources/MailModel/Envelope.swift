// The envelope (RFC 5321 section 2.3.1) as it travels from program to program and stands in the queue file.

/// One recipient with what RFC 3461 attaches to it.
public struct EnvelopeRecipient: Hashable, Sendable {
    /// Where the message is to go now: after aliasing and completion.
    public var address: MailAddress
    /// The address as the client gave it, before virtual aliasing (`orig_to=` of the log); nil where it is the same as ``address``.
    public var originalAddress: MailAddress?
    /// ORCPT as `type;xtext-decoded-address`, or empty (RFC 3461 section 4.2).
    public var originalRecipient: [UInt8]
    public var notify: DSNNotify

    public init(
        _ address: MailAddress, originalAddress: MailAddress? = nil, originalRecipient: [UInt8] = [], notify: DSNNotify = []
    ) {
        self.address = address
        self.originalAddress = originalAddress
        self.originalRecipient = originalRecipient
        self.notify = notify
    }
}

/// Who handed the message to us: facts for Received, logs and relay control.
public struct ClientFacts: Hashable, Sendable {
    /// `ESMTP`, `ESMTPS`, `SMTP`, `UTF8SMTP...` (RFC 3848, RFC 6531 section 4.3); empty for local submission.
    public var protocolName: String
    /// The argument of EHLO or HELO.
    public var helo: String
    /// The verified name, or `unknown`.
    public var name: String
    /// The address as text, without brackets: `192.0.2.1`, `2001:db8::1`.
    public var address: String
    public var port: UInt16
    /// As in the Received comment, `using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)`; empty without TLS.
    public var tls: String
    /// The login of the SASL client; empty without.
    public var login: String

    public init(
        protocolName: String = "", helo: String = "", name: String = "", address: String = "", port: UInt16 = 0, tls: String = "",
        login: String = ""
    ) {
        self.protocolName = protocolName
        self.helo = helo
        self.name = name
        self.address = address
        self.port = port
        self.tls = tls
        self.login = login
    }
}

/// Where a message came into the mail system. It decides what `cleanup` completes and rewrites.
public enum MessageOrigin: UInt8, Sendable, Hashable {
    /// From SMTP, a client that is not ours: headers stay as they are (`local_header_rewrite_clients`).
    case remoteSMTP = 0
    /// From SMTP, one of `local_header_rewrite_clients`: missing headers are added.
    case localSMTP = 1
    /// From `sendmail` through `pickup`.
    case localSubmission = 2
    /// Made by `bounce`: a notification. Never itself bounced to a sender.
    case notification = 3
    /// Forwarded by `local` (alias, .forward).
    case forward = 4
}

/// The envelope with the message's facts.
public struct Envelope: Hashable, Sendable {
    public var sender: MailAddress
    /// ENVID, xtext decoded; empty without (RFC 3461 section 4.4).
    public var envelopeID: [UInt8]
    public var returnContent: DSNReturn
    public var body: BodyType
    /// The client asked for SMTPUTF8 (RFC 6531).
    public var isSMTPUTF8: Bool
    public var origin: MessageOrigin
    public var client: ClientFacts
    /// When the message arrived, in microseconds since 1970.
    public var arrival: Int64
    /// Submitting user id, for `pickup`; -1 where there is none.
    public var userID: Int64
    /// The control group of the submitting program, as `postdrop` found it (``ControlGroup``); empty where there is none.
    public var controlGroup: String
    /// Full name for a missing From header (`sendmail -F`, `$NAME`, gecos); empty without.
    public var fullName: [UInt8]
    /// The message is to be put on hold instead of delivered.
    public var isHeld: Bool
    public var recipients: [EnvelopeRecipient]

    public init(
        sender: MailAddress, recipients: [EnvelopeRecipient], origin: MessageOrigin, arrival: Int64, client: ClientFacts = ClientFacts(),
        envelopeID: [UInt8] = [], returnContent: DSNReturn = .unspecified, body: BodyType = .unspecified, isSMTPUTF8: Bool = false,
        userID: Int64 = -1, fullName: [UInt8] = [], isHeld: Bool = false, controlGroup: String = ""
    ) {
        self.sender = sender
        self.recipients = recipients
        self.origin = origin
        self.arrival = arrival
        self.client = client
        self.envelopeID = envelopeID
        self.returnContent = returnContent
        self.body = body
        self.isSMTPUTF8 = isSMTPUTF8
        self.userID = userID
        self.fullName = fullName
        self.isHeld = isHeld
        self.controlGroup = controlGroup
    }
}

/// What `cleanup` noticed about the content on its way, so that a sender need not look again (DESIGN.md, section 4).
public struct ContentFacts: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Some byte of the body is over 127.
    public static let eightBitBody = ContentFacts(rawValue: 1)
    /// Some byte of the header is over 127 (RFC 6532).
    public static let eightBitHeader = ContentFacts(rawValue: 2)
    /// Some line has more than 998 octets (RFC 5321 section 4.5.3.1.6).
    public static let longLines = ContentFacts(rawValue: 4)
    /// Some line begins with a dot.
    public static let leadingDots = ContentFacts(rawValue: 8)
    /// Some CR or LF stands alone, or a NUL: only BINARYMIME may bring them.
    public static let binary = ContentFacts(rawValue: 16)
    /// The last line does not end in CRLF.
    public static let unterminated = ContentFacts(rawValue: 32)
}
