// Walking a restriction list for one request. Pure: everything that had to be looked up elsewhere is in the request.

import LookupTables
import MailModel
import SMTPProtocol

/// Reply codes that the configuration may change.
struct RejectCodes: Hashable, Sendable {
    var relay: UInt16 = 554
    var access: UInt16 = 554
    var accessDefer: UInt16 = 450
    var reject: UInt16 = 554
    var deferring: UInt16 = 450
    var nonFQDN: UInt16 = 504
    var invalidHelo: UInt16 = 501
    var unknownLocal: UInt16 = 550
    var unknownRelay: UInt16 = 550
    var unknownVirtualAlias: UInt16 = 550
    var unknownVirtualMailbox: UInt16 = 550

    /// The code for an unknown recipient.
    func unknown(_ addressClass: AddressClass) -> UInt16 {
        switch addressClass {
        case .local, .other: unknownLocal
        case .relay: unknownRelay
        case .virtualAlias: unknownVirtualAlias
        case .virtualMailbox: unknownVirtualMailbox
        }
    }
}

/// What is known when a list is evaluated.
struct RestrictionRequest: Sendable {
    var client: ClientIdentity
    var isInMyNetworks: Bool
    var helo: String
    var sender: MailAddress
    /// What is known about the sender as a recipient; nil where nobody was asked, or could say.
    var senderVerdict: RecipientVerdict?
    /// nil at DATA.
    var recipient: MailAddress?
    var verdict: RecipientVerdict?
}

/// The end of one list.
enum RestrictionDecision: Hashable, Sendable {
    /// No word decided, or one permitted: go on with the next list.
    case pass
    case refuse(SMTPReply)
}

struct RestrictionEvaluator: Sendable {
    var codes = RejectCodes()

    /// Walks `list`.
    ///
    /// - Parameter warn: takes what is to be logged: refusals that `warn_if_reject` let pass, tables that cannot be read, unknown words.
    func evaluate(
        _ list: [Restriction], stage: RestrictionStage, request: RestrictionRequest, warn: (String) -> Void
    ) -> RestrictionDecision {
        var warnsOnly = false
        for restriction in list {
            if case .warnIfReject = restriction {
                warnsOnly = true
                continue
            }
            defer { warnsOnly = false }
            switch apply(restriction, stage, request, warn) {
            case .dunno: continue
            case .permit: return .pass
            case .refuse(let reply):
                guard warnsOnly else { return .refuse(reply) }
                warn("reject_warning: \(reply)")
            }
        }
        return .pass
    }

    /// Whether a recipient exists: what `smtpd_reject_unlisted_recipient` asks.
    func unlisted(_ recipient: MailAddress, _ verdict: RecipientVerdict) -> SMTPReply? {
        switch verdict.existence {
        case .known: nil
        case .unknown(let status, let text):
            // The class of the enhanced code follows the configured reply code.
            SMTPReply(
                codes.unknown(verdict.addressClass), status.with(statusClass: codes.unknown(verdict.addressClass) < 500 ? 4 : 5),
                "<\(recipient.logForm)>: Recipient address rejected: \(text)")
        case .temporaryFailure(let text):
            SMTPReply(451, EnhancedStatusCode(4, 3, 0), "<\(recipient.logForm)>: \(text.isEmpty ? "Temporary lookup failure" : text)")
        }
    }

    /// Whether a sender in our domains exists: `smtpd_reject_unlisted_sender` (smtpd_check.c, check_sender_rcpt_maps).
    func unlistedSender(_ sender: MailAddress, _ verdict: RecipientVerdict?) -> SMTPReply? {
        guard !sender.isNull else { return nil }
        guard let verdict else { return temporary(sender, "Temporary lookup failure") }
        switch verdict.existence {
        case .known: return nil
        case .unknown(_, let text):
            let code = codes.unknown(verdict.addressClass)
            return SMTPReply(
                code, EnhancedStatusCode(code < 500 ? 4 : 5, 1, 0), "<\(sender.logForm)>: Sender address rejected: \(text)")
        case .temporaryFailure(let text): return temporary(sender, text.isEmpty ? "Temporary lookup failure" : text)
        }
    }

    private func temporary(_ address: MailAddress, _ text: String) -> SMTPReply {
        SMTPReply(451, EnhancedStatusCode(4, 3, 0), "<\(address.logForm)>: \(text)")
    }

    private enum Result { case dunno, permit, refuse(SMTPReply) }

    private func apply(
        _ restriction: Restriction, _ stage: RestrictionStage, _ request: RestrictionRequest, _ warn: (String) -> Void
    ) -> Result {
        switch restriction {
        case .permit: return .permit
        case .reject:
            return .refuse(reply(codes.reject, EnhancedStatusCode(5, 7, 1), "\(complaint(stage, request)): Access denied"))
        case .deferring:
            return .refuse(reply(codes.deferring, EnhancedStatusCode(4, 3, 2), "\(complaint(stage, request)): Try again later"))
        case .permitMyNetworks: return request.isInMyNetworks ? .permit : .dunno
        case .permitAuthenticated, .rejectUnauthorizedPipelining, .warnIfReject: return .dunno
        case .permitAuthorizedDestination: return isAuthorized(request) == true ? .permit : .dunno
        case .rejectUnauthorizedDestination: return unauthorized(request, codes.relay)
        case .deferUnauthorizedDestination: return unauthorized(request, 454)
        case .rejectUnlistedRecipient:
            guard let recipient = request.recipient, let verdict = request.verdict else { return .dunno }
            return unlisted(recipient, verdict).map(Result.refuse) ?? .dunno
        case .rejectUnlistedSender: return unlistedSender(request.sender, request.senderVerdict).map(Result.refuse) ?? .dunno
        case .rejectNonFQDNSender:
            guard !request.sender.isNull, !isQualified(request.sender.domain) else { return .dunno }
            let text = "<\(request.sender.logForm)>: Sender address rejected: need fully-qualified address"
            return .refuse(reply(codes.nonFQDN, EnhancedStatusCode(5, 5, 2), text))
        case .rejectNonFQDNRecipient:
            guard let recipient = request.recipient, !isQualified(recipient.domain),
                !(recipient.domain.isEmpty && ASCII.equalsIgnoringCase(recipient.localPart, "postmaster".utf8))
            else { return .dunno }
            let text = "<\(recipient.logForm)>: Recipient address rejected: need fully-qualified address"
            return .refuse(reply(codes.nonFQDN, EnhancedStatusCode(5, 5, 2), text))
        case .rejectNonFQDNHelo:
            guard !request.helo.isEmpty, !isQualified(Array(request.helo.utf8)) else { return .dunno }
            let text = "<\(request.helo)>: Helo command rejected: need fully-qualified hostname"
            return .refuse(reply(codes.nonFQDN, EnhancedStatusCode(5, 5, 2), text))
        case .rejectInvalidHelo:
            let name = Array(request.helo.utf8)[...]
            guard !name.isEmpty, !PathGrammar.strict.utf8(true).isDomain(name), AddressLiteral(name) == nil else { return .dunno }
            return .refuse(reply(codes.invalidHelo, EnhancedStatusCode(5, 5, 2), "<\(request.helo)>: Helo command rejected: Invalid name"))
        case .check(let subject, let table, let name):
            do throws(LookupError) {
                guard let action = try AccessLookup.find(subject, table, request) else { return .dunno }
                return access(action, name, stage, request, warn)
            } catch {
                warn("\(error)")
                return .refuse(reply(451, EnhancedStatusCode(4, 3, 0), "\(complaint(stage, request)): Temporary lookup failure"))
            }
        case .unknown(let word):
            warn("unknown smtpd restriction: \"\(word)\"")
            return .refuse(reply(451, EnhancedStatusCode(4, 3, 5), "Server configuration error"))
        }
    }

    /// nil where nobody knows.
    private func isAuthorized(_ request: RestrictionRequest) -> Bool? {
        guard request.recipient != nil else { return true }
        guard let verdict = request.verdict else { return nil }
        return verdict.addressClass != .other
    }

    private func unauthorized(_ request: RestrictionRequest, _ code: UInt16) -> Result {
        guard let recipient = request.recipient else { return .dunno }
        switch isAuthorized(request) {
        case .some(true): return .dunno
        case .some(false):
            let status = EnhancedStatusCode(code < 500 ? 4 : 5, 7, 1)
            return .refuse(reply(code, status, "<\(recipient.logForm)>: Relay access denied"))
        case nil:
            return .refuse(reply(451, EnhancedStatusCode(4, 3, 0), "<\(recipient.logForm)>: Temporary lookup failure"))
        }
    }

    /// An action of access(5).
    private func access(
        _ action: [UInt8], _ table: String, _ stage: RestrictionStage, _ request: RestrictionRequest, _ warn: (String) -> Void
    ) -> Result {
        let text = ASCII.printable(action, limit: 500)
        let word = String(text.prefix { $0 != " " && $0 != "\t" })
        let rest = String(text.dropFirst(word.count).drop { $0 == " " || $0 == "\t" })
        func refusal(_ code: UInt16, _ status: EnhancedStatusCode, _ fallback: String) -> Result {
            let parsed = EnhancedStatusCode.parse(rest.utf8)
            let explained = parsed.map { String(rest.dropFirst($0.length).drop { $0 == " " }) } ?? rest
            let reason = explained.isEmpty ? fallback : explained
            return .refuse(
                reply(code, (parsed?.code ?? status).with(statusClass: code < 500 ? 4 : 5), "\(complaint(stage, request)): \(reason)"))
        }
        switch word.uppercased() {
        case "OK", "PERMIT", "RELAY": return .permit
        case "DUNNO", "": return .dunno
        case "REJECT": return refusal(codes.access, EnhancedStatusCode(5, 7, 1), "Access denied")
        case "DEFER": return refusal(codes.accessDefer, EnhancedStatusCode(4, 7, 1), "Access denied")
        case "WARN", "INFO":
            warn("access table \(table): \(text)")
            return .dunno
        default:
            if let code = ASCII.decimal(Array(word.utf8)[...], maximum: 99999) {
                guard word.utf8.count == 3, (400...599).contains(code) else { return .permit }
                return refusal(UInt16(code), EnhancedStatusCode(code < 500 ? 4 : 5, 7, 1), "Access denied")
            }
            // The name of a restriction may stand in a table, too.
            let inner = Restriction.parse([word])
            if let first = inner.first, case .unknown = first {
                warn("access table \(table): unknown action: \(text)")
                return .refuse(reply(451, EnhancedStatusCode(4, 3, 5), "Server configuration error"))
            }
            return inner.first.map { apply($0, stage, request, warn) } ?? .dunno
        }
    }

    private func complaint(_ stage: RestrictionStage, _ request: RestrictionRequest) -> String {
        switch stage {
        case .client: "<\(request.client.logText)>: Client host rejected"
        case .helo: "<\(request.helo)>: Helo command rejected"
        case .sender: "<\(request.sender.logForm)>: Sender address rejected"
        case .relay, .recipient: "<\(request.recipient?.logForm ?? "")>: Recipient address rejected"
        case .data: "<DATA>: Data command rejected"
        case .endOfData: "<END-OF-MESSAGE>: End-of-data rejected"
        }
    }

    private func isQualified(_ domain: [UInt8]) -> Bool {
        domain.first == UInt8(ascii: "[") || (domain.contains(UInt8(ascii: ".")) && PathGrammar.strict.utf8(true).isDomain(domain[...]))
    }

    private func reply(_ code: UInt16, _ status: EnhancedStatusCode, _ text: String) -> SMTPReply {
        SMTPReply(code, status.with(statusClass: code < 500 ? 4 : 5), text)
    }
}
