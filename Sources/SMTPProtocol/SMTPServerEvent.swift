// What a server session asks of the program around it, and what it tells it.

public import MailModel

/// One mail transaction (RFC 5321 section 3.3). It is replaced as a whole at RSET, HELO, EHLO, STARTTLS, after an error that ends it and
/// at the end of data; there is no field to forget.
public struct SMTPTransaction: Hashable, Sendable {
    public var mail: MailCommand
    public var recipients: [RcptCommand] = []
    public var refusedRecipients = 0
    /// The content is coming, or came, by BDAT.
    var usesChunks = false

    init(_ mail: MailCommand) { self.mail = mail }
}

/// Why a session ends from our side.
public enum SMTPCloseReason: Hashable, Sendable {
    case quit
    /// The hard error limit; logged as `too many errors after COMMAND from ...`.
    case tooManyErrors
    /// A client that does not speak SMTP.
    case nonSMTP
    /// Pipelining where it is not allowed.
    case improperPipelining
    /// A bare newline under the policy `reject`.
    case bareNewline
    /// A malformed BDAT: what follows can be neither content nor commands.
    case framingLost
    /// The driver said so.
    case terminated
}

/// Facts worth a log line.
public enum SMTPServerNote: Hashable, Sendable {
    /// `warning: non-SMTP command from ...: TEXT`.
    case nonSMTPCommand(String)
    /// `warning: Illegal address syntax from ... in MAIL command: TEXT`.
    case illegalAddress(verb: SMTPVerb, text: String)
    /// `improper command pipelining after DATA from ...: TEXT`.
    case improperPipelining(place: String, text: String)
    /// `bare <LF> received after DATA from ...`.
    case bareNewline(place: String)
    /// The session refused a command by itself: `NOQUEUE: reject: MAIL from ...: 552 5.3.4 ...`.
    case rejected(verb: SMTPVerb, reply: SMTPReply)
}

/// What to do next. Replies are not events: they gather in ``SMTPServerSession/output`` in order.
public enum SMTPServerEvent: Hashable, Sendable {
    /// Write out ``SMTPServerSession/output``, then wait for bytes and give them to `receive`.
    case needsInput
    /// Write out what there is and wait so many seconds before going on.
    case delay(seconds: Int)
    /// Is a client with this HELO name welcome? Asked only where the policy says so. Answer with nil to accept.
    case checkHello(verb: SMTPVerb, name: String)
    /// Is this sender welcome? Answer with nil to accept.
    case checkSender(MailCommand)
    /// Is this recipient welcome? Answer with nil to accept.
    case checkRecipient(RcptCommand)
    /// VRFY: answer with nil for 252, or with the refusal.
    case verify(RcptCommand)
    /// DATA or the first BDAT: may the content come? Answer with nil to accept.
    case startContent(SMTPTransaction)
    /// Take ``SMTPServerSession/takeContent()``: there is a chunk's worth.
    case content
    /// All content is there: take the rest, then answer with the final reply; never nil.
    case endContent(SMTPTransaction)
    /// The content that had begun is void: forget it. No answer.
    case abandonContent
    /// Write out the output, drop what else came in plain text, start TLS, then call `tlsStarted`.
    case startTLS
    case note(SMTPServerNote)
    /// Write out the output and close.
    case close(SMTPCloseReason)
}
