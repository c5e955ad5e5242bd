// The beginning of a session: greeting, EHLO with its fallback to HELO, loops to ourselves, STARTTLS (RFC 5321 section 4.1.1.1, RFC 3207).
//
// Security: with TLSPolicy.encrypt nothing of a message is ever said in clear; all that stands before TLS is forgotten when it starts.

import MailModel

extension ClientSession {
    func refused(_ reply: ClientReply) -> ClientFailure {
        .replied(.host, reply, "host \(options.peer) refused to talk to me: \(reply.quoted)")
    }

    mutating func handleGreeting(_ reply: ClientReply) {
        guard reply.isSuccess else {
            var failure = refused(reply)
            if reply.isPermanentFailure && options.skips5xxGreeting { failure.status = failure.status.with(statusClass: 4) }
            return end(with: failure)
        }
        // The first word of a greeting is the server's name (RFC 5321 section 4.2); ESMTP among the others invites EHLO.
        let words = reply.lines.flatMap { $0.dropFirst(4).split(whereSeparator: ASCII.isSpace) }
        if !options.ownName.isEmpty, let name = words.first, ASCII.equalsIgnoringCase(name, options.ownName.utf8) { sawOwnName = true }
        if options.isLMTP { return send(ClientCommand.line("LHLO", options.heloName), expecting: .lhlo) }
        let invites = words.dropFirst().contains { ASCII.equalsIgnoringCase($0, "ESMTP".utf8) }
        if !options.neverSendsEHLO && (options.alwaysSendsEHLO || invites) { sendEHLO() } else { sendHELO() }
    }

    private mutating func sendEHLO() { send(ClientCommand.line("EHLO", options.heloName), expecting: .ehlo) }
    private mutating func sendHELO() { send(ClientCommand.line("HELO", options.heloName), expecting: .helo) }

    mutating func handleExtendedHello(_ reply: ClientReply, _ stage: ClientStage) {
        guard reply.isSuccess else {
            // RFC 5321 section 3.2: a server that does not know EHLO gets HELO; one that says 421 closes. LMTP has no other greeting.
            if reply.code == 421 || stage == .lhlo { return end(with: refused(reply)) }
            return sendHELO()
        }
        capabilities = ClientCapabilities(reply: reply, isExtended: true, discarding: options.discardedKeywords)
        finishHello()
    }

    mutating func handleHello(_ reply: ClientReply) {
        guard reply.isSuccess else { return end(with: refused(reply)) }
        capabilities = ClientCapabilities(reply: reply, isExtended: false)
        finishHello()
    }

    private mutating func finishHello() {
        if !options.ownName.isEmpty && ASCII.equalsIgnoringCase(capabilities.serverName, options.ownName.utf8) {
            sawOwnName = true
            // RFC 5321 section 6.3; the codes are Postfix's.
            let status = options.isBestHost ? EnhancedStatusCode(5, 4, 6) : EnhancedStatusCode(4, 4, 6)
            return end(with: ClientFailure(.host, status, "mail for \(options.nextHop) loops back to myself"))
        }
        if !isEncrypted && options.tls != .none {
            if capabilities.offers(.startTLS) { return send(ClientCommand.line("STARTTLS"), expecting: .startTLS) }
            if options.tls == .encrypt {
                let reason = "TLS is required, but was not offered by host \(options.peer)"
                return end(with: ClientFailure(.host, EnhancedStatusCode(4, 7, 4), reason))
            }
        }
        state = .ready
    }

    mutating func handleStartTLS(_ reply: ClientReply) {
        if reply.isSuccess {
            // RFC 3207 section 4.2: the client discards what it learnt before; what is already buffered came in clear (CVE-2011-0411).
            parser.discard()
            capabilities = ClientCapabilities()
            return state = .startingTLS
        }
        if options.tls == .encrypt {
            let reason = "TLS is required, but host \(options.peer) refused to start TLS: \(reply.quoted)"
            return end(with: .replied(.host, reply, reason))
        }
        capabilities.extensions.remove(.startTLS)
        state = .ready
    }

    /// The TLS handshake is done; the session begins anew with EHLO.
    public mutating func tlsStarted() {
        guard state == .startingTLS else { return }
        isEncrypted = true
        parser.discard()
        state = .handshake
        if options.isLMTP { send(ClientCommand.line("LHLO", options.heloName), expecting: .lhlo) } else { sendEHLO() }
    }

    /// The TLS handshake failed; the connection is of no more use.
    public mutating func tlsFailed() {
        guard state == .startingTLS else { return }
        tlsHandshakeFailed = true
        end(with: ClientFailure(.host, EnhancedStatusCode(4, 7, 5), "Cannot start TLS: handshake failure"))
    }
}
