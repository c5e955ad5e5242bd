// Everything that a server takes from the configuration, read once at start.

import LookupTables
import MailConfiguration
import MailModel
import SMTPProtocol

/// A configuration with which the server must not start.
struct ServerConfigurationError: Error, CustomStringConvertible {
    let description: String
}

/// The settings, once in memory for all sessions of a process.
final class SharedSettings: Sendable {
    let settings: ServerSettings
    init(_ settings: ServerSettings) { self.settings = settings }
}

/// The settings of one service.
struct ServerSettings: Sendable {
    var policy: SMTPServerPolicy
    /// The same for clients of smtpd_forbid_bare_newline_exclusions.
    var lenientPolicy: SMTPServerPolicy
    var myNetworks: MatchList
    var bareNewlineExclusions: MatchList
    var connectionLimitExceptions: MatchList
    var connectionLimit: Int
    /// Seconds.
    var timeout: Int
    var startTLSTimeout: Int
    var usesRequestDeadline: Bool
    var minimumDataRate: Int
    var looksUpNames: Bool
    var isWrapperMode: Bool
    var tlsLogLevel: Int
    var rejectsUnlistedRecipient: Bool
    var rejectsUnlistedSender: Bool
    /// Whether a restriction or `smtpd_reject_unlisted_sender` asks if the sender exists.
    var asksAboutSender: Bool
    /// smtpd_delay_reject: client, HELO and sender lists are walked for each recipient, not before.
    var delaysReject: Bool
    /// smtpd_reject_footer, not yet expanded; empty for none.
    var rejectFooter: String
    var discardedKeywordTables: TableSet
    var featureLimits: SMTPFeatures
    /// Whether the protocol settings depend on the client (``ClientPolicy``).
    var isPolicyPerClient: Bool { !discardedKeywordTables.isEmpty || !rejectFooter.isEmpty }
    /// Whether Received names TLS version and cipher.
    var showsTLS: Bool
    /// queue_minfree, bytes.
    var minimumFreeSpace: Int
    var isSoftBounce: Bool
    var lists: [(stage: RestrictionStage, list: [Restriction])]
    var dataList: [Restriction]
    var endOfDataList: [Restriction]
    var evaluator: RestrictionEvaluator
    var headerRewriteClients: [String]
    var headerRewriteTables: [any LookupTable]

    /// - Parameter hasCertificate: whether TLS can be offered at all.
    init(_ configuration: Configuration, hasCertificate: Bool) throws(ServerConfigurationError) {
        typealias P = Parameters
        let host = configuration[P.myhostname]
        var policy = SMTPServerPolicy(hostName: host, banner: configuration[P.smtpdBanner])
        featureLimits = ServerSettings.featureLimits(configuration)
        policy.features = ServerSettings.features(discarding: configuration[P.smtpdDiscardEHLOKeywords], featureLimits)
        delaysReject = configuration[P.smtpdDelayReject]
        policy.asksAboutHello = !delaysReject
        policy.noopCommands = Set(configuration[P.smtpdNOOPCommands].map { $0.uppercased() })
        policy.commandFilter = ServerSettings.commandFilter(configuration[P.smtpdCommandFilter])
        rejectFooter = configuration[P.smtpdRejectFooter]
        discardedKeywordTables = TableSet(specifications: configuration[P.smtpdDiscardEHLOKeywordAddressMaps])
        showsTLS = configuration[P.smtpdTLSReceivedHeader]
        minimumFreeSpace = configuration[P.queueMinfree]
        let level = configuration[P.smtpdTLSSecurityLevel]
        isWrapperMode = configuration[P.smtpdTLSWrappermode]
        if level == "may" || level == "encrypt" || isWrapperMode {
            guard hasCertificate else {
                throw ServerConfigurationError(
                    description:
                        "TLS is wanted but there is no certificate: set smtpd_tls_chain_files, or smtpd_tls_cert_file and "
                        + "smtpd_tls_key_file"
                )
            }
            let isHidden = configuration[P.smtpdDiscardEHLOKeywords].contains { $0.lowercased() == "starttls" }
            policy.tls = level == "encrypt" ? .required : (isWrapperMode || isHidden ? .none : .offered)
        }
        policy.messageSizeLimit = configuration[P.messageSizeLimit]
        policy.recipientLimit = configuration[P.smtpdRecipientLimit]
        policy.recipientOvershootLimit = configuration[P.smtpdRecipientOvershootLimit]
        policy.softErrorLimit = configuration[P.smtpdSoftErrorLimit]
        policy.hardErrorLimit = configuration[P.smtpdHardErrorLimit]
        policy.errorSleepTime = configuration[P.smtpdErrorSleepTime]
        policy.junkCommandLimit = configuration[P.smtpdJunkCommandLimit]
        policy.lineLengthLimit = configuration[P.lineLengthLimit]
        policy.isHeloRequired = configuration[P.smtpdHELORequired]
        policy.forbidsUnauthorizedPipelining = configuration[P.smtpdForbidUnauthPipelining]
        // The pattern of the default (a line that does not begin with a letter) is part of the session.
        policy.forbiddenCommands = configuration[P.smtpdForbiddenCommands].filter { !$0.contains(":") && !$0.contains("/") }.map {
            $0.uppercased()
        }
        if configuration[P.strictRFC821Envelopes] { policy.grammar = .strict }
        policy.bareNewlineRejectCode = UInt16(clamping: configuration[P.smtpdForbidBareNewlineRejectCode])
        var lenient = policy
        switch configuration[P.smtpdForbidBareNewline] {
        case "no": policy.bareNewline = .no
        case "note": policy.bareNewline = .note
        case "reject": policy.bareNewline = .reject
        default: policy.bareNewline = .normalize
        }
        // An excluded client is not refused; but also its message ends at CR LF . CR LF only.
        lenient.bareNewline = policy.bareNewline == .no ? .no : .normalize
        self.policy = policy
        lenientPolicy = lenient
        myNetworks = MatchList(configuration[P.mynetworks])
        bareNewlineExclusions = MatchList(configuration[P.smtpdForbidBareNewlineExclusions])
        connectionLimitExceptions = MatchList(configuration[P.smtpdClientEventLimitExceptions])
        connectionLimit = configuration[P.smtpdClientConnectionCountLimit]
        timeout = configuration[P.smtpdTimeout]
        startTLSTimeout = configuration[P.smtpdStarttlsTimeout]
        usesRequestDeadline = configuration[P.smtpdPerRequestDeadline]
        minimumDataRate = configuration[P.smtpdMinDataRate]
        looksUpNames = configuration[P.smtpdPeernameLookup]
        tlsLogLevel = configuration[P.smtpdTLSLoglevel]
        rejectsUnlistedRecipient = configuration[P.smtpdRejectUnlistedRecipient]
        rejectsUnlistedSender = configuration[P.smtpdRejectUnlistedSender]
        isSoftBounce = configuration[P.softBounce]
        let relay = Restriction.parse(configuration[P.smtpdRelayRestrictions])
        let recipient = Restriction.parse(configuration[P.smtpdRecipientRestrictions])
        guard (relay + recipient).contains(where: \.protectsRelay) else {
            throw ServerConfigurationError(
                description:
                    "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working instance of: "
                    + "reject_unauth_destination, defer_unauth_destination, reject, defer")
        }
        lists = [
            (.client, Restriction.parse(configuration[P.smtpdClientRestrictions])),
            (.helo, Restriction.parse(configuration[P.smtpdHELORestrictions])),
            (.sender, Restriction.parse(configuration[P.smtpdSenderRestrictions])), (.relay, relay), (.recipient, recipient),
        ]
        dataList = Restriction.parse(configuration[P.smtpdDataRestrictions])
        endOfDataList = Restriction.parse(configuration[P.smtpdEndOfDataRestrictions])
        asksAboutSender =
            rejectsUnlistedSender || (lists.map(\.list) + [dataList, endOfDataList]).contains { $0.contains(where: \.asksAboutSender) }
        evaluator = RestrictionEvaluator(codes: ServerSettings.codes(configuration))
        headerRewriteClients = configuration[P.localHeaderRewriteClients]
        headerRewriteTables = []
        for (index, word) in headerRewriteClients.enumerated() where word.lowercased() == "check_address_map" {
            guard index + 1 < headerRewriteClients.count else { continue }
            headerRewriteTables.append(TableSpecification(headerRewriteClients[index + 1]).open())
        }
    }

    /// What the service may offer at all.
    private static func featureLimits(_ configuration: Configuration) -> SMTPFeatures {
        var features = SMTPFeatures.all
        if configuration[Parameters.disableVRFYCommand] { features.remove(.vrfy) }
        if !configuration[Parameters.smtputf8Enable] { features.remove(.smtpUTF8) }
        return features
    }

    static func features(discarding words: [String], _ limits: SMTPFeatures) -> SMTPFeatures {
        var features = limits
        let names: [String: SMTPFeatures] = [
            "pipelining": .pipelining, "size": .size, "vrfy": .vrfy, "enhancedstatuscodes": .enhancedStatusCodes, "8bitmime": .eightBitMIME,
            "dsn": .dsn, "smtputf8": .smtpUTF8, "chunking": .chunking, "binarymime": .binaryMIME,
        ]
        for word in words {
            if let feature = names[word.lowercased()] { features.remove(feature) }
        }
        return features
    }

    private static func commandFilter(_ name: String) -> (@Sendable ([UInt8]) -> FilteredCommand)? {
        guard !name.isEmpty else { return nil }
        let table = TableSpecification(name).open(allowsSubstitution: true)
        return { line in
            do throws(LookupError) {
                return try table.lookup(line).map(FilteredCommand.replaced) ?? .unchanged
            } catch {
                return .failed
            }
        }
    }

    private static func codes(_ configuration: Configuration) -> RejectCodes {
        typealias P = Parameters
        var codes = RejectCodes()
        func code(_ parameter: Parameter<Int>) -> UInt16 { UInt16(clamping: configuration[parameter]) }
        codes.relay = code(P.relayDomainsRejectCode)
        codes.access = code(P.accessMapRejectCode)
        codes.accessDefer = code(P.accessMapDeferCode)
        codes.reject = code(P.rejectCode)
        codes.deferring = code(P.deferCode)
        codes.nonFQDN = code(P.nonFqdnRejectCode)
        codes.unknownLocal = code(P.unknownLocalRecipientRejectCode)
        codes.unknownRelay = code(P.unknownRelayRecipientRejectCode)
        codes.unknownVirtualAlias = code(P.unknownVirtualAliasRejectCode)
        codes.unknownVirtualMailbox = code(P.unknownVirtualMailboxRejectCode)
        return codes
    }
}
