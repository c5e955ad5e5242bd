// The parameters of one delivery service: the `smtp_` ones, or the `lmtp_` ones where the program speaks LMTP, with Postfix's meaning.

import DNSClient
import MailConfiguration
import SMTPProtocol

/// Everything that a delivery reads of main.cf; a value, fixed at start.
struct ClientParameters: Sendable {
    var isLMTP = false
    var heloName = "localhost"
    var myhostname = "localhost"
    var defaultPort: UInt16 = 25
    var connectTimeout = 30
    var timeouts = Timeouts()
    /// 0: no limit.
    var addressLimit = 5
    /// 0: no limit.
    var sessionLimit = 2
    var fallbackRelays: [String] = []
    var relayhost = ""
    var randomizesAddresses = true
    var balancesProtocols = true
    var defersWithoutMXAddress = false
    var ignoresMXFailure = false
    /// `disable_dns_lookups`, `smtp_dns_support_level = disabled`: a next hop is a host, whatever MX records say.
    var looksUpMX = true
    var families = AddressFamilies.all
    var addressPreference = AddressPreference.any
    var bindAddress = ""
    var bindAddress6 = ""
    var tls = ClientSession.TLSPolicy.none
    var tlsSettings = ClientTLSSettings()
    var tlsLogLevel = 1
    var skips5xxGreeting = true
    var skipsQuitResponse = true
    var alwaysSendsEHLO = true
    var neverSendsEHLO = false
    var discardedKeywords: [String] = []
    var lineLengthLimit = 998
    var assumesFinal = false
    var reuse = Reuse()
    var delayResolution = 2
    var queueDirectory = "/"

    /// Seconds to wait, by stage (RFC 5321 section 4.5.3.2).
    struct Timeouts: Sendable {
        var hello = 300
        var startTLS = 300
        var mail = 300
        var recipient = 300
        var dataInit = 120
        var transfer = 180
        var dataDone = 600
        var reset = 20
        var quit = 300

        init() {}

        func seconds(for stage: ClientStage) -> Int {
            switch stage {
            case .greeting, .ehlo, .helo, .lhlo: hello
            case .startTLS: startTLS
            case .reset: reset
            case .mail: mail
            case .recipient: recipient
            case .dataCommand: dataInit
            case .content: transfer
            case .endOfData: dataDone
            case .quit: quit
            }
        }
    }

    /// How connections are kept for further messages.
    struct Reuse: Sendable {
        var isOnDemand = true
        var destinations: [String] = []
        /// Seconds an idle connection is kept.
        var idle = 2
        /// Seconds a connection is used in all.
        var time = 300
        /// Messages on one connection; 0: no limit.
        var count = 0

        init() {}
    }

    /// The defaults.
    init(isLMTP: Bool = false) {
        self.isLMTP = isLMTP
        if isLMTP {
            defaultPort = 24
            connectTimeout = 0
        }
    }

    init(_ configuration: Configuration, isLMTP: Bool) {
        self.isLMTP = isLMTP
        func pick<Value>(_ smtp: Parameter<Value>, _ lmtp: Parameter<Value>) -> Value { configuration[isLMTP ? lmtp : smtp] }
        typealias P = Parameters
        myhostname = configuration[P.myhostname]
        queueDirectory = configuration[P.queueDirectory]
        delayResolution = configuration[P.delayLoggingResolutionLimit]
        relayhost = configuration[P.relayhost]
        families = AddressFamilies(protocols: configuration[P.inetProtocols])
        heloName = pick(P.smtpHELOName, P.lmtpLHLOName)
        defaultPort = ClientParameters.port(pick(P.smtpTcpPort, P.lmtpTcpPort)) ?? (isLMTP ? 24 : 25)
        connectTimeout = pick(P.smtpConnectTimeout, P.lmtpConnectTimeout)
        timeouts.hello = pick(P.smtpHELOTimeout, P.lmtpLHLOTimeout)
        timeouts.startTLS = pick(P.smtpStarttlsTimeout, P.lmtpStarttlsTimeout)
        timeouts.mail = pick(P.smtpMailTimeout, P.lmtpMailTimeout)
        timeouts.recipient = pick(P.smtpRcptTimeout, P.lmtpRcptTimeout)
        timeouts.dataInit = pick(P.smtpDataInitTimeout, P.lmtpDataInitTimeout)
        timeouts.transfer = pick(P.smtpDataXferTimeout, P.lmtpDataXferTimeout)
        timeouts.dataDone = pick(P.smtpDataDoneTimeout, P.lmtpDataDoneTimeout)
        timeouts.reset = pick(P.smtpRsetTimeout, P.lmtpRsetTimeout)
        timeouts.quit = pick(P.smtpQuitTimeout, P.lmtpQuitTimeout)
        addressLimit = pick(P.smtpMXAddressLimit, P.lmtpMXAddressLimit)
        sessionLimit = pick(P.smtpMXSessionLimit, P.lmtpMXSessionLimit)
        addressPreference = AddressPreference(rawValue: pick(P.smtpAddressPreference, P.lmtpAddressPreference)) ?? .any
        bindAddress = pick(P.smtpBindAddress, P.lmtpBindAddress)
        bindAddress6 = pick(P.smtpBindAddress6, P.lmtpBindAddress6)
        tls = ClientParameters.tlsPolicy(pick(P.smtpTLSSecurityLevel, P.lmtpTLSSecurityLevel))
        tlsLogLevel = pick(P.smtpTLSLoglevel, P.lmtpTLSLoglevel)
        skips5xxGreeting = pick(P.smtpSkip5xxGreeting, P.lmtpSkip5xxGreeting)
        skipsQuitResponse = pick(P.smtpSkipQuitResponse, P.lmtpSkipQuitResponse)
        discardedKeywords = pick(P.smtpDiscardEHLOKeywords, P.lmtpDiscardEHLOKeywords)
        lineLengthLimit = pick(P.smtpLineLengthLimit, P.lmtpLineLengthLimit)
        reuse.isOnDemand = pick(P.smtpConnectionCacheOnDemand, P.lmtpConnectionCacheOnDemand)
        reuse.destinations = pick(P.smtpConnectionCacheDestinations, P.lmtpConnectionCacheDestinations)
        reuse.idle = pick(P.smtpConnectionCacheTimeLimit, P.lmtpConnectionCacheTimeLimit)
        reuse.time = pick(P.smtpConnectionReuseTimeLimit, P.lmtpConnectionReuseTimeLimit)
        reuse.count = pick(P.smtpConnectionReuseCountLimit, P.lmtpConnectionReuseCountLimit)
        looksUpMX = !configuration[P.disableDNSLookups] && configuration[P.smtpDNSSupportLevel] != "disabled"
        if isLMTP {
            assumesFinal = configuration[P.lmtpAssumeFinal]
        } else {
            fallbackRelays = configuration[P.smtpFallbackRelay]
            randomizesAddresses = configuration[P.smtpRandomizeAddresses]
            balancesProtocols = configuration[P.smtpBalanceInetProtocols]
            ignoresMXFailure = configuration[P.ignoreMXLookupError]
            defersWithoutMXAddress = configuration[P.smtpDeferIfNoMXAddressFound]
            alwaysSendsEHLO = configuration[P.smtpAlwaysSendEHLO]
            neverSendsEHLO = configuration[P.smtpNeverSendEHLO]
        }
    }

    static func tlsPolicy(_ text: String) -> ClientSession.TLSPolicy {
        switch text {
        case "may": .may
        // What more they ask of the peer is the context's matter (ClientTLSSettings).
        case "encrypt", "verify", "secure": .encrypt
        default: .none
        }
    }

    static func port(_ text: String) -> UInt16? {
        switch text {
        case "smtp": 25
        case "lmtp": 24
        case "submission": 587
        case "smtps", "submissions": 465
        default: UInt16(text).flatMap { $0 == 0 ? nil : $0 }
        }
    }
}
