// One conversation with one SMTP or LMTP server, as a state machine without I/O: events in, actions out.
//
// The caller loops: it takes ``ClientSession/nextAction()``, does it, and tells what came of it. Every wait names its stage, so that the
// caller sets the right timeout (RFC 5321 section 4.5.3.2) and the log names what was going on.
// Security: the server is hostile. Nothing it says makes a message count as delivered but a 2xx reply to the end of data, read in its
// turn; whatever was buffered when TLS starts is dropped with all that was learnt before (RFC 3207 section 4.2).

import MailModel

/// A client's session and, within it, one transaction after the other.
public struct ClientSession: Sendable {
    /// When TLS is used (`smtp_tls_security_level`).
    public enum TLSPolicy: UInt8, Hashable, Sendable {
        case none, may, encrypt
    }

    public struct Options: Hashable, Sendable {
        /// LMTP (RFC 2033): LHLO, and one reply for each recipient after the data.
        public var isLMTP = false
        /// The argument of EHLO, HELO, LHLO (`smtp_helo_name`).
        public var heloName: String
        /// `mx.example[192.0.2.1]`, as logs and reasons name the peer.
        public var peer: String
        /// `myhostname`: a server that answers EHLO with it is ourselves. Empty: not checked (ports other than 25, as in Postfix).
        public var ownName = ""
        /// The peer is the best of the destination's hosts, so a loop is final (5.4.6), else another host may do (4.4.6).
        public var isBestHost = false
        /// The next hop as named in reasons.
        public var nextHop = ""
        public var tls: TLSPolicy = .none
        /// A 5xx greeting defers and lets another host be tried (`smtp_skip_5xx_greeting`).
        public var skips5xxGreeting = true
        /// EHLO whatever the greeting says (`smtp_always_send_ehlo`).
        public var alwaysSendsEHLO = true
        /// Never EHLO (`smtp_never_send_ehlo`).
        public var neverSendsEHLO = false
        /// EHLO keywords to overlook (`smtp_discard_ehlo_keywords`).
        public var discardedKeywords: [String] = []
        /// Octets of commands sent ahead of their replies: well below any socket buffer, so that neither side can block the other
        /// (RFC 2920 section 3.1).
        public var pipelineWindow = 16_384

        public init(heloName: String, peer: String) {
            self.heloName = heloName
            self.peer = peer
        }
    }

    /// What the caller does next.
    public enum Action: Hashable, Sendable {
        /// Send these bytes.
        case write([UInt8])
        /// Wait for bytes, at most as long as the stage allows; then ``received(_:)``, ``connectionLost()`` or ``timedOut()``.
        case read(ClientStage)
        /// Start TLS on the connection; then ``tlsStarted()`` or ``tlsFailed(_:)``.
        case startTLS
        /// Send the whole content through ``ClientContentEncoder`` with its end; then ``contentSent()``.
        case sendContent
        /// Send one chunk after its BDAT line; then ``chunkSent(isLast:)``.
        case sendChunk
        /// The session waits for ``begin(_:)`` or ``quit()``. After a transaction, ``takeVerdicts()`` has its results.
        case idle
        /// The connection is to be closed. ``failure`` says why, unless it ended by QUIT.
        case close
    }

    /// What became of a recipient at this host.
    public enum Verdict: Hashable, Sendable {
        /// The peer took responsibility with this reply.
        case accepted(ClientReply)
        case failed(ClientFailure)
    }

    enum State: Hashable, Sendable {
        case handshake, startingTLS, ready, envelope, content, chunk, quitting, closed
    }

    /// A command whose reply is awaited.
    struct Expected: Hashable, Sendable {
        var stage: ClientStage
        /// The recipient's index, for RCPT and for LMTP's replies after the data.
        var recipient = -1
        /// Octets of the command, for the window.
        var size = 0
    }

    public let options: Options
    /// What the peer offers now.
    public internal(set) var capabilities = ClientCapabilities()
    public internal(set) var isEncrypted = false
    /// Why the session ended; nil while it lives.
    public internal(set) var failure: ClientFailure?
    /// TLS was tried and failed: with ``TLSPolicy/may`` a fresh connection in plaintext is the way on.
    public internal(set) var tlsHandshakeFailed = false
    /// The peer greeted or answered with our own name; for a warning in the log.
    public internal(set) var sawOwnName = false
    /// Replies read so far. The caller's timeout runs from one to the next, so that a peer cannot stretch it byte by byte.
    public internal(set) var replyCount = 0
    /// Transactions begun, for `conn_use=`.
    public internal(set) var transactionCount = 0

    var parser: ClientReplyParser
    var state = State.handshake
    var output: [UInt8] = []
    var expected: [Expected] = [Expected(stage: .greeting)]
    var outstanding = 0
    var needsReset = false
    var isPeerClosing = false

    var transaction: ClientTransaction?
    var verdicts: [Verdict?] = []
    var nextCommand = 0
    var mailFailed = false
    var acceptedRecipients: [Int] = []
    var dataRequested = false
    var hadReply = false
    var contentBegun = false

    public init(options: Options, limits: ClientReplyParser.Limits = ClientReplyParser.Limits()) {
        self.options = options
        parser = ClientReplyParser(limits: limits)
    }

    /// Whether another transaction may follow: the peer is in step, and has not said that it closes.
    public var isReusable: Bool { state == .ready && !isPeerClosing && parser.isEmpty && failure == nil }

    /// Whether the transaction failed before the peer said anything about it and before any content went out: on a kept connection that the
    /// peer had closed meanwhile, it may begin again on a fresh one without harm.
    public var failedBeforeAnyReply: Bool { failure != nil && transactionCount > 0 && !hadReply && !contentBegun }

    // MARK: actions

    public mutating func nextAction() -> Action {
        if state == .envelope { fillPipeline() }
        if !output.isEmpty {
            let bytes = output
            output = []
            return .write(bytes)
        }
        switch state {
        case .closed: return .close
        case .startingTLS: return .startTLS
        case .content: return expected.first.map { .read($0.stage) } ?? .sendContent
        case .chunk: return expected.first.map { .read($0.stage) } ?? .sendChunk
        case .handshake, .envelope, .quitting, .ready: return expected.first.map { .read($0.stage) } ?? .idle
        }
    }

    // MARK: events

    /// Bytes from the peer.
    public mutating func received(_ bytes: [UInt8]) {
        parser.feed(bytes)
        while let awaited = expected.first {
            switch parser.next() {
            case .needsMore: return
            case .malformed(let text):
                let reason = "malformed response from \(options.peer) while \(awaited.stage.activity): \(text)"
                return end(with: ClientFailure(.host, EnhancedStatusCode(4, 5, 0), reason))
            case .reply(let reply):
                replyCount += 1
                expected.removeFirst()
                outstanding -= awaited.size
                if reply.code == 421 { isPeerClosing = true }
                handle(reply, awaited)
            }
        }
    }

    public mutating func connectionLost() {
        guard state != .closed else { return }
        // The QUIT that we said is the end, whoever closes first.
        if state == .quitting { return state = .closed }
        end(with: ClientFailure(.host, EnhancedStatusCode(4, 4, 2), "lost connection with \(options.peer) while \(currentStage.activity)"))
    }

    public mutating func timedOut() {
        guard state != .closed else { return }
        if state == .quitting { return state = .closed }
        let reason = "conversation with \(options.peer) timed out while \(currentStage.activity)"
        end(with: ClientFailure(.host, EnhancedStatusCode(4, 4, 2), reason))
    }

    /// Ends the conversation; the reply, if one comes, is not worth waiting for.
    public mutating func quit() {
        guard state == .ready else { return state = .closed }
        output = ClientCommand.line("QUIT")
        expected = [Expected(stage: .quit)]
        state = .quitting
    }

    // MARK: inside

    var currentStage: ClientStage {
        if let stage = expected.first?.stage { return stage }
        switch state {
        case .startingTLS: return .startTLS
        case .content, .chunk: return .content
        default: return .mail
        }
    }

    mutating func send(_ command: [UInt8], expecting stage: ClientStage, recipient: Int = -1) {
        output += command
        outstanding += command.count
        expected.append(Expected(stage: stage, recipient: recipient, size: command.count))
    }

    /// The session is over; every recipient without a verdict gets the failure.
    mutating func end(with failure: ClientFailure) {
        self.failure = failure
        state = .closed
        output = []
        expected = []
        settle(with: failure)
    }

    mutating func settle(with failure: ClientFailure) {
        for index in verdicts.indices where verdicts[index] == nil { verdicts[index] = .failed(failure) }
    }

    private mutating func handle(_ reply: ClientReply, _ awaited: Expected) {
        switch awaited.stage {
        case .greeting: handleGreeting(reply)
        case .ehlo, .lhlo: handleExtendedHello(reply, awaited.stage)
        case .helo: handleHello(reply)
        case .startTLS: handleStartTLS(reply)
        case .reset: break
        case .mail: handleMail(reply)
        case .recipient: handleRecipient(reply, awaited.recipient)
        case .dataCommand: handleDataCommand(reply)
        case .content: handleChunk(reply)
        case .endOfData: handleEndOfData(reply, awaited.recipient)
        case .quit: state = .closed
        }
    }
}
