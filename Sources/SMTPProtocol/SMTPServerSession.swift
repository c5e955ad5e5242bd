// The server's side of an SMTP session as a state machine without I/O: bytes in, events and reply bytes out.
//
// The driver's loop is: `next()`; do what the event says; answer it where it asks; again. The same machine serves a TCP session, `sendmail
// -bs`, tests and fuzzers.
// Security: no input traps or grows memory beyond one command line plus one content chunk; a transaction is one optional value that is
// replaced wholesale; plain text that a client sent behind STARTTLS is dropped (CVE-2011-0411).
// Limits: AUTH is known and refused; ETRN is, as by a Postfix whose `fast_flush_domains` is empty.

public import MailModel

/// One session.
public struct SMTPServerSession: Sendable {
    /// A question that the driver has not yet answered.
    enum Question: Hashable, Sendable {
        case hello(SMTPVerb, name: String)
        case sender(MailCommand)
        case recipient(RcptCommand)
        case verify(RcptCommand)
        case startData
        case startChunk(BdatCommand)
        case end(SMTPVerb)
    }

    enum Phase: Hashable, Sendable {
        case command
        case asking(Question)
        case data(DataDecoder)
        case chunk(remaining: Int, isLast: Bool, size: Int)
        /// A chunk that nobody wants: its bytes are taken, then the reply is given.
        case swallowing(remaining: Int, reply: SMTPReply)
        /// An overlong command line: everything up to its end is thrown away.
        case skippingLine
        case startingTLS
        case closed(SMTPCloseReason)
    }

    public let policy: SMTPServerPolicy
    /// Reply bytes to be written, in order.
    public private(set) var output: [UInt8] = []
    public private(set) var counters = CommandCounters()
    /// The argument of HELO or EHLO; empty before.
    public internal(set) var heloName = ""
    /// Whether EHLO was used.
    public internal(set) var isExtended = false
    public internal(set) var isTLSActive = false
    public internal(set) var transaction: SMTPTransaction?

    var phase = Phase.command
    var input: [UInt8] = []
    var position = 0
    var content: [UInt8] = []
    /// The decoder of a message that comes in chunks; it lives from the first BDAT to the last.
    var chunkDecoder: DataDecoder?
    var pending: [SMTPServerEvent] = []
    var currentVerb: SMTPVerb?
    var place = "CONNECT"
    var errorCount = 0
    var junkCount = 0
    /// The last recipient that a client named, for footers.
    var lastRecipient: MailAddress?
    /// The client is not welcome: `name[address]`. It is told so until it quits (`smtpd_delay_reject = no`).
    private(set) var deniedClient: String?
    var notedPipelining = false
    var notedBareNewline = false

    public init(policy: SMTPServerPolicy, isTLSActive: Bool = false) {
        self.policy = policy
        self.isTLSActive = isTLSActive
    }

    // MARK: The driver's side

    /// The greeting; first of all.
    public mutating func greet() { put(SMTPReply(220, nil, policy.banner)) }

    /// A refusal in place of the greeting. RFC 5321 section 3.1: the client may still quit, and everything else is refused.
    public mutating func deny(_ reply: SMTPReply, client: String) {
        deniedClient = client
        put(reply)
    }

    /// Bytes from the client.
    public mutating func receive(_ bytes: some Collection<UInt8>) {
        if case .closed = phase { return }
        let taken = bytes.withContiguousStorageIfAvailable { takeData(UnsafeRawBufferPointer($0)) } ?? 0
        if taken == bytes.count { return }
        if case .closed = phase { return }
        if position == input.count {
            input = []
            position = 0
        } else if position > 65536 {
            input.removeFirst(position)
            position = 0
        }
        input.append(contentsOf: bytes.dropFirst(taken))
    }

    /// Takes the reply bytes out.
    public mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }

    /// Takes the content that has gathered.
    public mutating func takeContent() -> [UInt8] {
        defer { content = [] }
        return content
    }

    /// Octets of the message so far.
    public var contentCount: Int {
        if case .data(let decoder) = phase { return decoder.count }
        return chunkDecoder?.count ?? 0
    }

    /// `ESMTP`, `SMTP`, `ESMTPS`, `UTF8SMTP` ... for the Received field (RFC 3848, RFC 6531 section 4.3).
    public var protocolName: String {
        if transaction?.mail.isSMTPUTF8 == true { return isTLSActive ? "UTF8SMTPS" : "UTF8SMTP" }
        return isExtended ? (isTLSActive ? "ESMTPS" : "ESMTP") : "SMTP"
    }

    /// `proto=` of the log, which knows nothing of TLS.
    public var logProtocol: String { isExtended ? "ESMTP" : "SMTP" }

    /// Where the session is, for `lost connection after ...`.
    public var logPlace: String {
        switch phase {
        case .data(let decoder): "DATA (\(decoder.count) bytes)"
        case .chunk: "BDAT (\(chunkDecoder?.count ?? 0) bytes)"
        case .asking(.end): "END-OF-MESSAGE"
        default: place
        }
    }

    /// The next thing to do. After a question nothing else comes before its answer.
    public mutating func next() -> SMTPServerEvent {
        while true {
            if !pending.isEmpty { return pending.removeFirst() }
            switch phase {
            case .command:
                if errorCount >= policy.hardErrorLimit {
                    put(SMTPReply(421, EnhancedStatusCode(4, 7, 0), "\(policy.hostName) Error: too many errors"))
                    close(.tooManyErrors)
                } else if !readCommand() {
                    return .needsInput
                }
            case .asking:
                return .needsInput
            case .data(var decoder):
                guard readData(&decoder) else { return content.count < policy.contentChunkSize ? .needsInput : .content }
            case .chunk:
                guard readChunk() else { return content.count < policy.contentChunkSize ? .needsInput : .content }
            case .swallowing(let remaining, let reply):
                let taken = min(remaining, input.count - position)
                position += taken
                guard taken == remaining else {
                    phase = .swallowing(remaining: remaining - taken, reply: reply)
                    return .needsInput
                }
                phase = .command
                respond(reply)
            case .skippingLine:
                guard let end = input[position...].firstIndex(of: 0x0A) else {
                    position = input.count
                    return .needsInput
                }
                position = end + 1
                phase = .command
                counters.count(nil)
                place = "UNKNOWN"
                currentVerb = nil
                respond(SMTPReply(500, EnhancedStatusCode(5, 5, 2), "Error: line too long"))
            case .startingTLS:
                return .startTLS
            case .closed(let reason):
                return .close(reason)
            }
        }
    }

    /// Ends the session from the driver's side: shutdown, timeout, a limit.
    public mutating func terminate(_ reply: SMTPReply?) {
        if let reply { put(reply) }
        close(.terminated)
    }

    /// The handshake is done: everything the client said before is forgotten (RFC 3207 section 4.2).
    public mutating func tlsStarted() {
        guard phase == .startingTLS else { return }
        isTLSActive = true
        forgetClient()
        phase = .command
    }

    // MARK: Inside

    mutating func forgetClient() {
        input = []
        position = 0
        heloName = ""
        isExtended = false
        dropTransaction()
    }

    /// Replaces the transaction by none, and tells the driver if content had begun.
    mutating func dropTransaction() {
        if chunkDecoder != nil { pending.append(.abandonContent) }
        transaction = nil
        chunkDecoder = nil
        content = []
        lastRecipient = nil
    }

    mutating func put(_ reply: SMTPReply) {
        var reply = reply
        if reply.code >= 400, let footer = policy.rejectFooter {
            reply = reply.appending(
                footer: footer(RejectFacts(heloName: heloName, sender: transaction?.mail.sender, recipient: lastRecipient)))
        }
        if !policy.features.contains(.enhancedStatusCodes) { reply.enhanced = nil }
        output.append(contentsOf: reply.wire)
    }

    /// The reply to the current command, with its share in counting and slowing down.
    mutating func respond(_ reply: SMTPReply) {
        if errorCount >= policy.softErrorLimit && policy.errorSleepTime > 0 { pending.append(.delay(seconds: policy.errorSleepTime)) }
        if reply.code >= 400 {
            errorCount += 1
        } else if let currentVerb {
            counters.succeed(currentVerb)
        }
        put(reply)
    }

    mutating func close(_ reason: SMTPCloseReason) {
        dropTransaction()
        input = []
        position = 0
        phase = .closed(reason)
    }

    mutating func countCommand(_ verb: SMTPVerb?) {
        counters.count(verb)
        currentVerb = verb
        place = verb?.rawValue ?? "UNKNOWN"
    }
}
