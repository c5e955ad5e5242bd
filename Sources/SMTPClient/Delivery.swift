// One attempt for one message and the recipients that share its next hop: hosts in turn, until every recipient has its outcome.
//
// Nothing is thrown: whatever happens becomes an outcome, and a recipient that nobody decided about is deferred (DESIGN.md, section 1.2).
// Which failure lets another host be tried, and what is said of it, is Postfix's smtp_connect.c and smtp_trouble.c.

import DNSClient
import MailIPC
import MailModel
import SMTPProtocol
import ServiceKit
import TLS

@ServiceActor
final class Delivery {
    /// The last failure of a recipient that another host may still mend.
    struct Pending {
        var failure: ClientFailure
        var endpoint: Endpoint?
        var use: Int
    }

    let request: DeliveryRequest
    let source: MessageContent
    let agent: DeliveryAgent
    var outcomes: [RecipientOutcome?]
    var remaining: [Int]
    var pending: [Int: Pending] = [:]
    var trouble: RecipientOutcome?
    var times: DeliveryTimes

    private var triedAddresses: Set<String> = []
    private var sessions = 0

    init(_ request: DeliveryRequest, source: MessageContent, agent: DeliveryAgent) {
        self.request = request
        self.source = source
        self.agent = agent
        outcomes = Array(repeating: nil, count: request.envelope.recipients.count)
        remaining = Array(request.envelope.recipients.indices)
        times = DeliveryTimes(arrival: request.envelope.arrival, activated: request.activated, handedOver: agent.clock())
    }

    /// Makes the attempt.
    func run() async -> DeliveryReply {
        await useKeptConversations()
        if !remaining.isEmpty { await tryHosts() }
        finishLeftOvers()
        let unforeseen = RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "delivery ended without a result")
        return DeliveryReply(outcomes: outcomes.map { $0 ?? unforeseen }, destinationTrouble: trouble)
    }

    /// What conversations are kept under.
    private var key: String { request.nextHop.lowercased() }

    // MARK: connections

    private func useKeptConversations() async {
        while !remaining.isEmpty, let kept = agent.cache.take(key) {
            times.connected = agent.clock()
            await transact(kept, isLast: kept.isLastHost)
            if kept.session.failedBeforeAnyReply {
                // The peer had closed it: nothing was said about this message, so the next connection begins afresh.
                times.connected = nil
                continue
            }
            triedAddresses.insert(kept.endpoint.address)
            sessions += 1
            return
        }
    }

    private func tryHosts() async {
        let hops = [request.nextHop] + (agent.parameters.isLMTP ? [] : agent.parameters.fallbackRelays)
        for (index, hop) in hops.enumerated() {
            let isLastHop = index == hops.count - 1
            guard let found = await find(hop, isFallback: index > 0) else { continue }
            let endpoints = found.filter { !triedAddresses.contains($0.address) }
            for (number, endpoint) in endpoints.enumerated() {
                let limit = agent.parameters.sessionLimit
                guard limit == 0 || sessions < limit else { return }
                let isLast = isLastHop && (number == endpoints.count - 1 || (limit > 0 && sessions + 1 >= limit))
                // A later address may be unreachable, so only what is known now counts as the last: a failure to connect uses no session.
                await tryHost(endpoint, hop, isLast: isLast, isOnly: isLastHop && found.count == 1)
                if remaining.isEmpty { return }
            }
        }
    }

    /// The endpoints of a next hop; nil where there are none, which is noted.
    private func find(_ text: String, isFallback: Bool) async -> [Endpoint]? {
        guard let nextHop = NextHop(text) else {
            noteForAll(badNextHop(text))
            return nil
        }
        var random = SystemRandomNumberGenerator()
        switch await agent.finder.endpoints(of: nextHop, text: Delivery.domainText(text), using: &random) {
        case .endpoints(let endpoints): return endpoints
        case .failed(var failure):
            // What may be a mistake of the administrator's must not bounce mail (Postfix, smtp_connect.c).
            if !failure.isSoft && isFallback {
                agent.log.warning("smtp_fallback_relay configuration problem")
                failure.status = failure.status.with(statusClass: 4)
            } else if !failure.isSoft && !agent.parameters.relayhost.isEmpty && text == agent.parameters.relayhost {
                agent.log.warning("relayhost configuration problem")
                failure.status = failure.status.with(statusClass: 4)
            }
            noteForAll(failure)
            return nil
        }
    }

    private func badNextHop(_ text: String) -> ClientFailure {
        let shown = ASCII.printable(Array(text.utf8), limit: 256)
        let isRecipientDomain = request.envelope.recipients.contains { ASCII.equalsIgnoringCase($0.address.domain, text.utf8) }
        if isRecipientDomain {
            let reason = "Host or domain name not found. Name service error for name=\(shown) type=MX: Invalid domain name"
            return ClientFailure(.host, EnhancedStatusCode(5, 4, 4), reason)
        }
        agent.log.warning("\(request.queueID): bad next hop: \(shown)")
        return ClientFailure(.host, EnhancedStatusCode(4, 3, 5), "mail system configuration error: bad next hop \(shown)")
    }

    /// The next hop without brackets and port, as `mail for %s loops back to myself` names it.
    static func domainText(_ text: String) -> String {
        var rest = text[...]
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") { return String(rest[rest.index(after: rest.startIndex)..<end]) }
        if let colon = rest.lastIndex(of: ":") { rest = rest[..<colon] }
        return ASCII.printable(Array(rest.utf8), limit: 256)
    }

    private func tryHost(_ endpoint: Endpoint, _ hop: String, isLast: Bool, isOnly: Bool) async {
        var policy = agent.parameters.tls
        while true {
            let peer: any PeerConnection
            do throws(ConnectionError) {
                peer = try await agent.connector.connect(to: endpoint)
            } catch {
                let reason = "connect to \(endpoint.relay): \(error.description)"
                agent.log.info(reason)
                return noteForAll(ClientFailure(.host, EnhancedStatusCode(4, 4, 1), reason))
            }
            let conversation = Conversation(
                peer, endpoint: endpoint, options: options(endpoint, hop, policy), parameters: agent.parameters, now: agent.clock())
            conversation.isLastHost = isOnly
            let failure = await conversation.open()
            warnOfOwnName(conversation)
            if let facts = conversation.tlsFacts, agent.parameters.tlsLogLevel > 0 { agent.log.info(facts.logLine("to \(endpoint.relay)")) }
            if let failure {
                if conversation.session.tlsHandshakeFailed {
                    agent.log.info(
                        "SSL_connect error to \(endpoint.relay): \(ASCII.printable(Array(conversation.tlsProblem.utf8), limit: 512))")
                    if policy == .may {
                        // RFC 7435: opportunistic TLS that fails gives way to plaintext, on a fresh connection (as in Postfix).
                        policy = .none
                        continue
                    }
                }
                sessions += 1
                return hostFailed(failure, endpoint, use: 1, isLast: isLast)
            }
            sessions += 1
            times.connected = agent.clock()
            return await transact(conversation, isLast: isLast)
        }
    }

    private func options(_ endpoint: Endpoint, _ hop: String, _ tls: ClientSession.TLSPolicy) -> ClientSession.Options {
        let parameters = agent.parameters
        var options = ClientSession.Options(heloName: parameters.heloName, peer: endpoint.label)
        options.isLMTP = parameters.isLMTP
        if endpoint.port == 25 && !parameters.isLMTP { options.ownName = parameters.myhostname }
        options.isBestHost = endpoint.isBest
        options.nextHop = Delivery.domainText(hop)
        options.tls = tls
        options.skips5xxGreeting = parameters.skips5xxGreeting
        options.alwaysSendsEHLO = parameters.alwaysSendsEHLO
        options.neverSendsEHLO = parameters.neverSendsEHLO
        options.discardedKeywords = parameters.discardedKeywords
        return options
    }

    private func warnOfOwnName(_ conversation: Conversation) {
        guard conversation.session.sawOwnName else { return }
        agent.log.warning("host \(conversation.endpoint.relay) replied to HELO/EHLO with my own hostname \(agent.parameters.myhostname)")
    }

    // MARK: one transaction

    private func transact(_ conversation: Conversation, isLast: Bool) async {
        let indexes = remaining
        let recipients = indexes.map { request.envelope.recipients[$0] }
        let envelope = request.envelope
        let message = ClientMessage(
            size: source.length, facts: request.contentFacts, body: envelope.body, sender: envelope.sender, isSMTPUTF8: envelope.isSMTPUTF8)
        let plan = ClientContentPlan(
            message, recipients: recipients.map(\.address), offered: conversation.session.capabilities, peer: conversation.endpoint.label)
        var transaction = ClientTransaction(
            sender: envelope.sender, recipients: recipients, size: source.length, envelopeID: envelope.envelopeID,
            returnContent: envelope.returnContent)
        let content: OutgoingContent
        switch plan {
        case .refuse(let failure):
            agent.cache.put(conversation, key)
            return messageFailed(failure, conversation, isLast: isLast)
        case .send(let body, let isSMTPUTF8, let usesChunking):
            transaction.body = body
            transaction.isSMTPUTF8 = isSMTPUTF8
            transaction.usesChunking = usesChunking
            content = OutgoingContent(source, facts: request.contentFacts)
        case .convert(let body, let isSMTPUTF8):
            switch ContentConversion.prepare(source, facts: request.contentFacts, for: body) {
            case .success(let made):
                transaction.body = body
                transaction.isSMTPUTF8 = isSMTPUTF8
                transaction.size = made.size
                content = made
            case .failure(let refusal):
                agent.cache.put(conversation, key)
                return messageFailed(refusal.failure(at: conversation.endpoint.label), conversation, isLast: isLast)
            }
        }
        let verdicts = await conversation.deliver(transaction, content)
        if conversation.session.failedBeforeAnyReply && conversation.session.transactionCount > 1 {
            await conversation.end()
            return
        }
        take(verdicts, indexes, conversation, isLast: isLast)
        agent.cache.put(conversation, key)
    }
}
