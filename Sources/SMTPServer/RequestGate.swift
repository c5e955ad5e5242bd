// What one client may do: the restriction lists applied to it, and the log lines of refusals.
//
// Security: a list or table that cannot be read leaves the client without the permission it would have given, never with it; what it would
// have answered is then a 4xx.

import LookupTables
import MailLog
import MailModel
import SMTPProtocol

/// The settings as they apply to one client.
struct RequestGate {
    /// The protocol settings for this client.
    var policy: SMTPServerPolicy {
        let policy = isExcluded ? settings.lenientPolicy : settings.policy
        guard settings.isPolicyPerClient else { return policy }
        return ClientPolicy(settings: settings, client: client, log: log).applied(to: policy)
    }
    /// Whether headers of its mail are completed (local_header_rewrite_clients).
    let isHeaderRewriteClient: Bool
    let cleanupName = "cleanup"
    private let shared: SharedSettings
    private var settings: ServerSettings { _read { yield shared.settings } }
    private let client: ClientIdentity
    private let isInMyNetworks: Bool
    private let isExcluded: Bool
    /// mynetworks could not be read: nobody knows whether the client may relay.
    private let isUncertain: Bool
    private let log: MailLog

    init(settings shared: SharedSettings, client: ClientIdentity, serverAddress: () -> String, log: MailLog) {
        self.shared = shared
        self.client = client
        self.log = log
        do throws(LookupError) {
            isInMyNetworks = try shared.settings.myNetworks.matches(address: client.address, name: client.verifiedName)
            isUncertain = false
        } catch {
            log.warning("mynetworks: \(error)")
            isInMyNetworks = false
            isUncertain = true
        }
        isExcluded =
            shared.settings.lenientPolicy.bareNewline != shared.settings.policy.bareNewline
            && ((try? shared.settings.bareNewlineExclusions.matches(address: client.address, name: client.verifiedName)) ?? false)
        var rewrites = false
        for word in shared.settings.headerRewriteClients where !rewrites {
            switch word.lowercased() {
            case "permit_inet_interfaces": rewrites = RequestGate.isThisHost(client.address, serverAddress)
            case "permit_mynetworks": rewrites = isInMyNetworks
            case "static:all": rewrites = true
            default: break
            }
        }
        for table in shared.settings.headerRewriteTables where !rewrites {
            // Unreadable: headers stay as they are, which is what a stranger's mail gets.
            rewrites = ((try? table.lookup(Array(client.address.utf8))) ?? nil) != nil
        }
        isHeaderRewriteClient = rewrites
    }

    private static func isThisHost(_ client: String, _ server: () -> String) -> Bool {
        client == "::1" || client.hasPrefix("127.") || client == server()
    }

    // MARK: Decisions

    /// With `smtpd_delay_reject = no`: the answer to the connection itself, to HELO, or to MAIL.
    func earlyRefusal(
        _ stage: RestrictionStage, sender: MailAddress = .null, senderVerdict: RecipientVerdict? = nil, helo: String = ""
    ) -> SMTPReply? {
        let request = RestrictionRequest(
            client: client, isInMyNetworks: isInMyNetworks, helo: helo, sender: sender, senderVerdict: senderVerdict)
        for (listStage, list) in settings.lists where listStage == stage {
            if let reply = refusal(list, stage, request) { return reply }
        }
        return stage == .sender ? unlistedSender(sender, senderVerdict) : nil
    }

    private func unlistedSender(_ sender: MailAddress, _ verdict: RecipientVerdict?) -> SMTPReply? {
        settings.rejectsUnlistedSender ? settings.evaluator.unlistedSender(sender, verdict) : nil
    }

    /// The answer to RCPT: client, helo and sender lists (unless they were walked before), relay control, recipient list, then whether
    /// the recipient exists.
    func recipientRefusal(
        _ recipient: MailAddress, sender: MailAddress, senderVerdict: RecipientVerdict? = nil, helo: String, verdict: RecipientVerdict?
    ) -> SMTPReply? {
        let request = RestrictionRequest(
            client: client, isInMyNetworks: isInMyNetworks, helo: helo, sender: sender, senderVerdict: senderVerdict,
            recipient: recipient, verdict: verdict)
        for (stage, list) in settings.lists {
            if !settings.delaysReject && (stage == .client || stage == .helo || stage == .sender) { continue }
            if let reply = refusal(list, stage, request) { return reply }
            if stage == .sender, let reply = unlistedSender(sender, senderVerdict) { return reply }
        }
        guard settings.rejectsUnlistedRecipient else { return nil }
        guard let verdict else { return temporary(recipient) }
        return settings.evaluator.unlisted(recipient, verdict)
    }

    /// One list; a refusal because mynetworks could not be read must not be for good.
    private func refusal(_ list: [Restriction], _ stage: RestrictionStage, _ request: RestrictionRequest) -> SMTPReply? {
        guard !list.isEmpty else { return nil }
        let decision = settings.evaluator.evaluate(list, stage: stage, request: request) { log.warning($0) }
        guard case .refuse(let reply) = decision else { return nil }
        guard isUncertain && reply.isPermanentFailure else { return reply }
        return temporary(request.recipient ?? request.sender)
    }

    func dataRefusal(sender: MailAddress, senderVerdict: RecipientVerdict?, helo: String) -> SMTPReply? {
        refusal(settings.dataList, .data, request(sender, senderVerdict, helo))
    }
    func endOfDataRefusal(sender: MailAddress, senderVerdict: RecipientVerdict?, helo: String) -> SMTPReply? {
        refusal(settings.endOfDataList, .endOfData, request(sender, senderVerdict, helo))
    }

    private func request(_ sender: MailAddress, _ senderVerdict: RecipientVerdict?, _ helo: String) -> RestrictionRequest {
        RestrictionRequest(client: client, isInMyNetworks: isInMyNetworks, helo: helo, sender: sender, senderVerdict: senderVerdict)
    }

    /// Postfix smtpd_check_queue: the queue's file system must have room for queue_minfree, and for 1.5 times the largest message.
    ///
    /// - Parameter free: bytes; nil where nobody could say, and then cleanup will, when it writes.
    func spaceRefusal(free: Int64?) -> SMTPReply? {
        guard let free else { return nil }
        let limit = Int64(settings.policy.messageSizeLimit)
        guard Int64(settings.minimumFreeSpace) >= free || limit >= free / 3 * 2 else { return nil }
        log.warning("not enough free space in mail queue: \(free) bytes < 1.5*message size limit")
        return SMTPReply(452, EnhancedStatusCode(4, 3, 1), "Insufficient system storage")
    }

    private func temporary(_ recipient: MailAddress) -> SMTPReply {
        SMTPReply(451, EnhancedStatusCode(4, 3, 0), "<\(recipient.logForm)>: Temporary lookup failure")
    }

    /// The reply as soft_bounce makes it.
    func softened(_ reply: SMTPReply) -> SMTPReply {
        guard settings.isSoftBounce, reply.isPermanentFailure else { return reply }
        return SMTPReply(reply.code - 100, reply.enhanced?.with(statusClass: 4), lines: reply.lines)
    }

    // MARK: Log lines

    /// `NOQUEUE: reject: RCPT from name[address]: 554 5.7.1 ...; from=<> to=<> proto=ESMTP helo=<>`.
    func logReject(
        _ verb: String, _ reply: SMTPReply, _ session: SMTPServerSession, sender: MailAddress? = nil, recipient: MailAddress?
    ) {
        var line = "NOQUEUE: reject: \(verb) from \(client.logText): \(ASCII.printable(Array(reply.description.utf8)));"
        if let sender = sender ?? session.transaction?.mail.sender { line += " from=<\(sender.logForm)>" }
        if let recipient { line += " to=<\(recipient.logForm)>" }
        line += " proto=\(session.logProtocol)"
        if !session.heloName.isEmpty { line += " helo=<\(session.heloName)>" }
        log.info(line, fields: rejectFields(verb, reply, session, sender: sender, recipient: recipient))
    }

    private func rejectFields(
        _ verb: String, _ reply: SMTPReply, _ session: SMTPServerSession, sender: MailAddress?, recipient: MailAddress?
    ) -> LogFields {
        var fields = client.logFields("reject")
        fields.add("stage", .text(verb))
        fields.add("code", .number(Int64(reply.code)))
        if let status = reply.enhanced { fields.add("dsn", .text("\(status)")) }
        fields.add("reason", .text(ASCII.printable(Array(reply.lines.joined(separator: " ").utf8))))
        if let sender = sender ?? session.transaction?.mail.sender { fields.add("sender", .text(sender.logForm)) }
        if let recipient { fields.add("recipient", .text(recipient.logForm)) }
        fields.add("protocol", .text(session.logProtocol))
        fields.add("helo", ifAny: session.heloName)
        return fields
    }

    func note(_ note: SMTPServerNote, _ session: SMTPServerSession) {
        switch note {
        case .nonSMTPCommand(let text): log.warning("non-SMTP command from \(client.logText): \(text)")
        case .illegalAddress(let verb, let text):
            log.warning("Illegal address syntax from \(client.logText) in \(verb.rawValue) command: \(text)")
        case .improperPipelining(let place, let text):
            log.info("improper command pipelining after \(place) from \(client.logText): \(text)")
        case .bareNewline(let place): log.info("bare <LF> received after \(place) from \(client.logText)")
        case .rejected(let verb, let reply): logReject(verb.rawValue, reply, session, recipient: nil)
        }
    }
}
