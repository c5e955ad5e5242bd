// One mail transaction: MAIL, RCPT, DATA or BDAT, with pipelining where it is offered (RFC 5321 section 3.3, RFC 2920, 2033, 3030).
//
// Every reply lands at its recipient and stage in Postfix's words. A recipient counts as delivered only by a 2xx reply to the end of data
// that was read after all of the content had gone out; a connection that is lost there defers, and the message may arrive twice.
// The transaction's state is set as one in ``begin(_:)`` and never outlives ``takeVerdicts()``.

import MailModel

extension ClientSession {
    /// Begins a transaction; the session must be idle.
    public mutating func begin(_ transaction: ClientTransaction) {
        guard state == .ready, failure == nil else { return }
        self.transaction = transaction
        verdicts = Array(repeating: nil, count: transaction.recipients.count)
        nextCommand = 0
        mailFailed = false
        acceptedRecipients = []
        dataRequested = false
        hadReply = false
        contentBegun = false
        transactionCount += 1
        state = .envelope
        guard parser.isEmpty else {
            // Something was said that no command asked for: replies and commands are out of step.
            let reason = "malformed response from \(options.peer) while \(ClientStage.mail.activity): unsolicited reply"
            return end(with: ClientFailure(.host, EnhancedStatusCode(4, 5, 0), reason))
        }
        guard ClientCommand.isSafe(transaction.sender) else {
            settle(with: ClientFailure(.message, EnhancedStatusCode(5, 1, 7), "bad address syntax of the sender"))
            return state = .ready
        }
        if needsReset { send(ClientCommand.line("RSET"), expecting: .reset) }
        needsReset = false
    }

    /// The results in the order of the recipients, once; empty while the transaction goes on.
    public mutating func takeVerdicts() -> [Verdict] {
        guard state == .ready || state == .closed, !verdicts.isEmpty else { return [] }
        let unforeseen = ClientFailure(.message, EnhancedStatusCode(4, 3, 0), "conversation with \(options.peer) ended without a result")
        let out = verdicts.map { $0 ?? .failed(unforeseen) }
        verdicts = []
        transaction = nil
        return out
    }

    // MARK: commands

    /// Puts as many commands into the output as may go now. Command 0 is MAIL, 1...n the recipients, n + 1 DATA.
    mutating func fillPipeline() {
        guard let transaction else { return }
        let count = transaction.recipients.count
        while nextCommand <= count + 1 {
            if !expected.isEmpty {
                guard capabilities.offers(.pipelining), outstanding < options.pipelineWindow else { return }
            }
            if mailFailed && !dataRequested {
                if expected.isEmpty { finish(resetting: false) }
                return
            }
            if nextCommand == 0 {
                send(ClientCommand.mail(transaction, capabilities), expecting: .mail)
            } else if nextCommand <= count {
                sendRecipient(nextCommand - 1, transaction)
            } else {
                guard sendDataCommand(transaction) else { return }
            }
            nextCommand += 1
        }
    }

    private mutating func sendRecipient(_ index: Int, _ transaction: ClientTransaction) {
        let recipient = transaction.recipients[index]
        guard ClientCommand.isSafe(recipient.address), !recipient.address.isNull else {
            verdicts[index] = .failed(ClientFailure(.recipient, EnhancedStatusCode(5, 1, 3), "bad address syntax"))
            return
        }
        let command = ClientCommand.recipient(recipient, capabilities, isSMTPUTF8: transaction.isSMTPUTF8)
        send(command, expecting: .recipient, recipient: index)
    }

    /// False where nothing more may be sent before further replies.
    private mutating func sendDataCommand(_ transaction: ClientTransaction) -> Bool {
        let awaitsRecipients = expected.contains { $0.stage == .recipient }
        if !awaitsRecipients && acceptedRecipients.isEmpty {
            // Nobody to send to (RFC 5321 section 3.3: DATA would be answered 503 or 554).
            if expected.isEmpty { finish(resetting: true) }
            return false
        }
        if transaction.usesChunking {
            guard expected.isEmpty else { return false }
            dataRequested = true
            contentBegun = true
            state = .chunk
            nextCommand += 1
            return false
        }
        dataRequested = true
        send(ClientCommand.line("DATA"), expecting: .dataCommand)
        return true
    }

    private mutating func finish(resetting: Bool) {
        needsReset = resetting
        state = .ready
    }

    // MARK: replies

    private func said(_ scope: ClientFailure.Scope, _ reply: ClientReply, _ stage: ClientStage) -> ClientFailure {
        .replied(scope, reply, "host \(options.peer) said: \(reply.quoted) (in reply to \(stage.commandName))")
    }

    mutating func handleMail(_ reply: ClientReply) {
        hadReply = true
        guard !reply.isSuccess else { return }
        mailFailed = true
        settle(with: said(.message, reply, .mail))
    }

    mutating func handleRecipient(_ reply: ClientReply, _ index: Int) {
        // After a refused MAIL the replies to pipelined recipients mean nothing.
        guard !mailFailed, verdicts.indices.contains(index) else { return }
        if reply.isSuccess { return acceptedRecipients.append(index) }
        var failure = said(.recipient, reply, .recipient)
        if ClientSession.isTooManyRecipients(reply) { failure.status = EnhancedStatusCode(4, 5, 3) }
        verdicts[index] = .failed(failure)
    }

    // RFC 5321 section 4.5.3.1.10: 552 for RCPT is RFC 821's code for too many recipients and counts as temporary, unless an enhanced
    // status code says that something else is meant (5.2.2, mailbox full; 5.3.4, message too big).
    static func isTooManyRecipients(_ reply: ClientReply) -> Bool {
        guard reply.code == 552 else { return false }
        guard let enhanced = reply.enhanced else { return true }
        return (enhanced.subject, enhanced.detail) == (5, 3) || (enhanced.subject, enhanced.detail) == (0, 0)
    }

    mutating func handleDataCommand(_ reply: ClientReply) {
        guard reply.isIntermediate else {
            if !acceptedRecipients.isEmpty { settle(with: said(.message, reply, .dataCommand)) }
            return finish(resetting: true)
        }
        if acceptedRecipients.isEmpty {
            // RFC 2920 section 3.1: pipelined DATA was accepted although no recipient was. An empty message; its reply is of no account.
            output += [UInt8(ascii: "."), 13, 10]
            expected.append(Expected(stage: .endOfData))
            return
        }
        contentBegun = true
        state = .content
    }

    /// The whole content and its end are sent.
    public mutating func contentSent() {
        guard state == .content, expected.isEmpty else { return }
        expectEndOfData()
    }

    /// One chunk is sent.
    public mutating func chunkSent(isLast: Bool) {
        guard state == .chunk, expected.isEmpty else { return }
        if isLast { expectEndOfData() } else { expected.append(Expected(stage: .content)) }
    }

    private mutating func expectEndOfData() {
        // RFC 2033 section 4.2: LMTP answers for each recipient that it accepted, in their order.
        let indexes = options.isLMTP ? acceptedRecipients : [-1]
        expected += indexes.map { Expected(stage: .endOfData, recipient: $0) }
    }

    mutating func handleChunk(_ reply: ClientReply) {
        guard !reply.isSuccess else { return }
        settle(with: said(.message, reply, .content))
        finish(resetting: true)
    }

    mutating func handleEndOfData(_ reply: ClientReply, _ index: Int) {
        defer { if expected.isEmpty { finish(resetting: false) } }
        if index >= 0 {
            guard verdicts.indices.contains(index) else { return }
            verdicts[index] = reply.isSuccess ? .accepted(reply) : .failed(said(.recipient, reply, .endOfData))
            return
        }
        guard !acceptedRecipients.isEmpty else { return }
        guard reply.isSuccess else { return settle(with: said(.message, reply, .endOfData)) }
        for index in acceptedRecipients { verdicts[index] = .accepted(reply) }
    }

    // MARK: trouble while the content goes out

    /// The content could not be read: the connection must be closed, so that the peer never sees an end of data (DESIGN.md, section 1.2).
    public mutating func contentFailed() {
        guard state == .content || state == .chunk else { return }
        let reason = "local data error while talking to \(options.peer)"
        end(with: ClientFailure(.message, EnhancedStatusCode(4, 3, 0), reason))
    }

    /// The peer closed while the content went out. A refusal that it sent before is the better reason.
    public mutating func contentAborted(unread bytes: [UInt8] = []) {
        guard state == .content || state == .chunk else { return connectionLost() }
        parser.feed(bytes)
        if case .reply(let reply) = parser.next(), reply.isTransientFailure || reply.isPermanentFailure {
            let failure = said(.message, reply, .endOfData)
            settle(with: failure)
            return end(with: failure)
        }
        connectionLost()
    }
}
