// One session with a client, from `connect from` to `disconnect from`: a straight line around the state machine of SMTPProtocol.
//
// Security: every wait has a deadline; content is taken from the client only as fast as cleanup takes it; a client that vanishes in any
// state leaves nothing behind but a log line.

import MailLog
import MailModel
import NIOCore
import SMTPProtocol
import ServiceKit
import TLS

@ServiceActor
final class ServerSession {
    private let transport: any SessionTransport
    let queue: any QueueDoor
    private let clock: any SessionClock
    private let shared: SharedSettings
    var settings: ServerSettings { _read { yield shared.settings } }
    let log: MailLog
    let client: ClientIdentity
    let gate: RequestGate
    var session: SMTPServerSession
    var tls: TLSSessionFacts?
    var arrival: Int64 = 0
    /// What is known about the sender of the transaction as a recipient, where a restriction asks.
    var senderVerdict: RecipientVerdict?
    var submission: (any Submission)?
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
        client: ClientIdentity, serverAddress: () -> String
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
                    if !send() { try await flushRest() }
                    guard let bytes = try await transport.read(deadline: readDeadline()) else { return .lost }
                    session.receive(bytes.readableBytesView)
                    transport.reuse(consume bytes)
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
                case .close(.quit):
                    // Nothing more comes from the client: the last words leave with the end of the connection.
                    transport.write(session.takeOutput())
                    return .closed(.quit)
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
        if !send() { try await flushRest() }
    }

    private func flushRest() async throws(ConnectionError) {
        try await transport.flush(deadline: clock.deadline(after: settings.timeout))
        requestStart = .now()
    }

    /// Sends the replies there are; false where the client does not take them at once.
    private func send() -> Bool {
        let output = session.takeOutput()
        guard !output.isEmpty else { return true }
        transport.write(output)
        requestStart = .now()
        return transport.flushNow()
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
    func answer(_ refusal: SMTPReply?, verb: SMTPVerb, recipient: MailAddress?) {
        guard let refusal else { return session.answer(nil) }
        let reply = gate.softened(refusal)
        gate.logReject(verb.rawValue, reply, session, recipient: recipient)
        session.answer(reply)
    }
}
