// One session with a client, from `connect from` to `disconnect from`: a straight line around the state machine of SMTPProtocol.
//
// Security: every wait has a deadline; content is taken from the client only as fast as cleanup takes it; a client that vanishes in any
// state leaves nothing behind but a log line. 250 is said only with a queue id in hand (DESIGN.md, section 1.1).

import MailIPC
import MailLog
import MailModel
import NIOCore
import SMTPProtocol
import ServiceKit
import TLS

@ServiceActor
final class ServerSession {
    private let transport: any SessionTransport
    private let queue: any QueueDoor
    private let clock: any SessionClock
    private let shared: SharedSettings
    private var settings: ServerSettings { _read { yield shared.settings } }
    private let log: MailLog
    private let client: ClientIdentity
    private let gate: RequestGate
    private var session: SMTPServerSession
    private var tls: TLSSessionFacts?
    private var arrival: Int64 = 0
    /// What is known about the sender of the transaction as a recipient, where a restriction asks.
    private var senderVerdict: RecipientVerdict?
    private var submission: (any Submission)?
    private var requestStart = NIODeadline.now()

    /// How a session ended.
    private enum Ending: Hashable {
        case closed(SMTPCloseReason)
        case lost
        case timedOut
        case tlsFailed
    }

    init(
        transport: any SessionTransport, queue: any QueueDoor, clock: any SessionClock, settings shared: SharedSettings, log: MailLog,
        client: ClientIdentity, serverAddress: String
    ) {
        self.transport = transport
        self.queue = queue
        self.clock = clock
        self.shared = shared
        self.log = log
        self.client = client
        gate = RequestGate(settings: shared, client: client, serverAddress: serverAddress, log: log)
        session = SMTPServerSession(policy: gate.policy)
    }

    /// Serves the client to the end.
    ///
    /// - Parameter refusal: a reply in place of the greeting, after which the connection is closed.
    func run(refusal: SMTPReply? = nil) async {
        log.info("connect from \(client.logText)", fields: client.logFields("connect"))
        let ending: Ending
        if settings.isWrapperMode, !(await handshake(implicit: true)) {
            ending = .tlsFailed
        } else {
            if let refusal {
                session.terminate(refusal)
            } else if !settings.delaysReject, let refusal = gate.earlyRefusal(.client) {
                let reply = gate.softened(refusal)
                gate.logReject("CONNECT", reply, session, recipient: nil)
                session.deny(reply, client: client.logText)
            } else {
                session.greet()
            }
            ending = await converse()
        }
        cancelSubmission()
        switch ending {
        case .closed(.tooManyErrors): log.info("too many errors after \(session.logPlace) from \(client.logText)")
        case .closed(.improperPipelining), .closed(.bareNewline), .closed(.framingLost), .closed(.nonSMTP), .closed(.quit),
            .closed(.terminated):
            break
        case .lost: log.info("lost connection after \(session.logPlace) from \(client.logText)")
        case .timedOut: log.info("timeout after \(session.logPlace) from \(client.logText)")
        case .tlsFailed: log.info("lost connection after \(settings.isWrapperMode ? "CONNECT" : "STARTTLS") from \(client.logText)")
        }
        transport.close()
        log.info("disconnect from \(client.logText)\(session.counters.logText)", fields: client.logFields("disconnect"))
    }

    private func converse() async -> Ending {
        do throws(ConnectionError) {
            while true {
                switch session.next() {
                case .needsInput:
                    try await flush()
                    guard let bytes = try await transport.read(deadline: readDeadline()) else { return .lost }
                    session.receive(bytes.readableBytesView)
                case .delay(let seconds): await clock.pause(seconds: seconds)
                case .checkHello(let verb, let name): answer(gate.earlyRefusal(.helo, helo: name), verb: verb, recipient: nil)
                case .checkSender(let command): await checkSender(command)
                case .checkRecipient(let command): await checkRecipient(command)
                case .verify(let command): await verify(command)
                case .startContent(let transaction): startContent(transaction)
                case .content: await takeContent()
                case .endContent(let transaction): await finish(transaction)
                case .abandonContent: cancelSubmission()
                case .startTLS:
                    try await flush()
                    guard await handshake(implicit: false) else { return .tlsFailed }
                    session.tlsStarted()
                case .note(let note): gate.note(note, session)
                case .close(let reason):
                    try await flush()
                    return .closed(reason)
                }
            }
        } catch {
            guard case .timedOut = error else { return .lost }
            transport.write(SMTPReply(421, EnhancedStatusCode(4, 4, 2), "\(settings.policy.hostName) Error: timeout exceeded").wire)
            return .timedOut
        }
    }

    private func flush() async throws(ConnectionError) {
        let output = session.takeOutput()
        guard !output.isEmpty else { return }
        transport.write(output)
        try await transport.flush(deadline: clock.deadline(after: settings.timeout))
        requestStart = .now()
    }

    /// When to stop waiting for the client: each read has its time, or with smtpd_per_request_deadline the whole request has.
    private func readDeadline() -> NIODeadline {
        guard settings.usesRequestDeadline else { return clock.deadline(after: settings.timeout) }
        let earned = session.contentCount / max(1, settings.minimumDataRate)
        return requestStart + .seconds(Int64(settings.timeout + earned))
    }

    // MARK: TLS

    private func handshake(implicit: Bool) async -> Bool {
        do throws(ConnectionError) {
            let facts = try await transport.startTLS(deadline: clock.deadline(after: settings.startTLSTimeout))
            tls = facts
            if implicit { session = SMTPServerSession(policy: gate.policy, isTLSActive: true) }
            if settings.tlsLogLevel > 0 { log.info(facts.logLine("from \(client.logText)")) }
            return true
        } catch {
            log.info("SSL_accept error from \(client.logText): \(error)")
            return false
        }
    }

    // MARK: The envelope

    private func checkSender(_ command: MailCommand) async {
        arrival = clock.now()
        senderVerdict = nil
        let sender = command.sender
        if settings.asksAboutSender && !sender.isNull {
            let (verdict, problem) = await queue.verdict(on: sender)
            if verdict == nil { log.warning("cannot ask \(gate.cleanupName) about a sender: \(problem)") }
            senderVerdict = verdict
        }
        var refusal: SMTPReply?
        if !settings.delaysReject {
            refusal = gate.earlyRefusal(.sender, sender: sender, senderVerdict: senderVerdict, helo: session.heloName)
        }
        if refusal == nil { refusal = gate.spaceRefusal(free: await queue.freeSpace()) }
        guard let refusal else { return session.answer(nil) }
        let reply = gate.softened(refusal)
        gate.logReject(SMTPVerb.mail.rawValue, reply, session, sender: sender, recipient: nil)
        session.answer(reply)
    }

    private func checkRecipient(_ command: RcptCommand) async {
        let sender = session.transaction?.mail.sender ?? .null
        let (verdict, problem) = await queue.verdict(on: command.recipient) { session.upcomingRecipients(limit: $0) }
        if verdict == nil { log.warning("cannot ask \(gate.cleanupName) about a recipient: \(problem)") }
        answer(
            gate.recipientRefusal(
                command.recipient, sender: sender, senderVerdict: senderVerdict, helo: session.heloName, verdict: verdict), verb: .rcpt,
            recipient: command.recipient)
    }

    private func verify(_ command: RcptCommand) async {
        let (verdict, problem) = await queue.verdict(on: command.recipient)
        if verdict == nil { log.warning("cannot ask \(gate.cleanupName) about a recipient: \(problem)") }
        answer(
            gate.recipientRefusal(command.recipient, sender: .null, helo: session.heloName, verdict: verdict), verb: .vrfy,
            recipient: command.recipient)
    }

    /// Answers and, for a refusal, logs.
    private func answer(_ refusal: SMTPReply?, verb: SMTPVerb, recipient: MailAddress?) {
        guard let refusal else { return session.answer(nil) }
        let reply = gate.softened(refusal)
        gate.logReject(verb.rawValue, reply, session, recipient: recipient)
        session.answer(reply)
    }

    // MARK: The content

    private func startContent(_ transaction: SMTPTransaction) {
        let refusal = gate.dataRefusal(
            sender: transaction.mail.sender, senderVerdict: senderVerdict, helo: session.heloName)
        answer(refusal, verb: .data, recipient: transaction.recipients.count == 1 ? transaction.recipients.first?.recipient : nil)
    }

    private func takeContent() async {
        guard let transaction = session.transaction else { return }
        let content = session.takeContent()
        await opened(transaction).send(content)
    }

    /// Beside `client=`: whose message it is and how it came.
    private func clientFields(_ transaction: SMTPTransaction) -> LogFields {
        var fields = client.logFields("client")
        fields.add("protocol", .text(session.logProtocol))
        fields.add("helo", ifAny: session.heloName)
        fields.add("sender", .text(transaction.mail.sender.logForm))
        fields.add("nrcpt", .number(Int64(transaction.recipients.count)))
        return fields
    }

    private func finish(_ transaction: SMTPTransaction) async {
        let content = session.takeContent()
        let sender = transaction.mail.sender
        if let refusal = gate.endOfDataRefusal(sender: sender, senderVerdict: senderVerdict, helo: session.heloName) {
            cancelSubmission()
            let reply = gate.softened(refusal)
            gate.logReject("END-OF-MESSAGE", reply, session, recipient: nil)
            return session.answer(reply)
        }
        let result = await opened(transaction).commit(content)
        submission = nil
        switch result {
        case .queued(let id):
            session.answer(SMTPReply(250, EnhancedStatusCode(2, 0, 0), "Ok: queued as \(id)"))
        case .refused(let reply):
            gate.logReject(
                "END-OF-MESSAGE", reply, session,
                recipient: transaction.recipients.count == 1 ? transaction.recipients.first?.recipient : nil)
            // A "refusal" that is no refusal would be a lie about durability.
            session.answer(reply.code >= 400 ? reply : SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error"))
        case .unavailable(let reason):
            log.warning("cannot queue mail from \(client.logText): \(gate.cleanupName): \(reason)")
            session.answer(SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error"))
        }
    }

    private func opened(_ transaction: SMTPTransaction) -> any Submission {
        if let submission { return submission }
        let line = LogAnnouncement(log, "client=\(client.logText)", fields: clientFields(transaction))
        let opened = queue.submit(envelope(transaction), line)
        submission = opened
        return opened
    }

    private func cancelSubmission() {
        submission?.cancel()
        submission = nil
    }

    private func envelope(_ transaction: SMTPTransaction) -> Envelope {
        let facts = client.facts(
            protocolName: session.protocolName, helo: session.heloName, tls: settings.showsTLS ? tls?.receivedComment ?? "" : "")
        return Envelope(
            sender: transaction.mail.sender,
            recipients: transaction.recipients.map {
                EnvelopeRecipient($0.recipient, originalRecipient: $0.originalRecipient, notify: $0.notify)
            },
            origin: gate.isHeaderRewriteClient ? .localSMTP : .remoteSMTP, arrival: arrival,
            client: facts,
            envelopeID: transaction.mail.envelopeID, returnContent: transaction.mail.returnContent, body: transaction.mail.body,
            isSMTPUTF8: transaction.mail.isSMTPUTF8)
    }
}
