// Parameters: smtp as SMTP client.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let smtpHELOName = Parameter.string(
        "smtp_helo_name", "$myhostname", required: true, programs: "smtp", "The name this client gives in EHLO and HELO.")
    public static let smtpHELOTimeout = Parameter.time(
        "smtp_helo_timeout", "300s", programs: "smtp", "How long to wait for the greeting and for the replies to EHLO and HELO.",
        discussion: "RFC 5321 section 4.5.3.2.1.")
    public static let smtpAlwaysSendEHLO = Parameter.flag(
        "smtp_always_send_ehlo", true, programs: "smtp", "Whether EHLO is sent whatever the greeting says.")
    public static let smtpNeverSendEHLO = Parameter.flag(
        "smtp_never_send_ehlo", false, programs: "smtp", "Whether only HELO is sent.")
    public static let smtpMXAddressLimit = Parameter.integer(
        "smtp_mx_address_limit", "5", in: ParameterBounds.count, programs: "smtp",
        "How many addresses of mail exchangers are tried in one attempt; 0 for no limit.")
    public static let smtpMXSessionLimit = Parameter.integer(
        "smtp_mx_session_limit", "2", in: ParameterBounds.count, programs: "smtp",
        "How many sessions are begun in one attempt; 0 for no limit.")
    public static let smtpFallbackRelay = Parameter.list(
        "smtp_fallback_relay", "", programs: "smtp", "Next hops that are tried where a destination has none or all are down.")
    public static let smtpRandomizeAddresses = Parameter.flag(
        "smtp_randomize_addresses", true, programs: "smtp", "Whether hosts of equal preference are tried in random order.")
    public static let smtpDeferIfNoMXAddressFound = Parameter.flag(
        "smtp_defer_if_no_mx_address_found", false, programs: "smtp", "Whether mail is deferred where no mail exchanger has an address.")
    public static let smtpBalanceInetProtocols = Parameter.flag(
        "smtp_balance_inet_protocols", true, programs: "smtp", "Whether the addresses that are tried come from both address families.")
    public static let ignoreMXLookupError = Parameter.flag(
        "ignore_mx_lookup_error", false, programs: "smtp", "Whether a failed MX lookup falls back to address records.")
    public static let disableDNSLookups = Parameter.flag(
        "disable_dns_lookups", false, programs: "smtp",
        "Whether MX records are not looked up: a next hop is the name of a host, in the DNS or in /etc/hosts.")
    public static let bestMXTransport = Parameter.string(
        "best_mx_transport", "", programs: "smtp qmgr",
        "A transport for domains whose best mail exchanger is this host; empty returns such mail as looping.")
    public static let smtpDNSSupportLevel = Parameter.words(
        "smtp_dns_support_level", "", of: ["", "enabled", "dnssec", "disabled"], programs: "smtp",
        "DNS use: empty or enabled, dnssec, disabled (as disable_dns_lookups).")
    public static let smtpPixWorkarounds = Parameter.list(
        "smtp_pix_workarounds", "", programs: "smtp", "Accepted for Postfix configurations; nothing is worked around.")
    public static let smtpTcpPort = Parameter.string(
        "smtp_tcp_port", "smtp", required: true, programs: "smtp", "The port where a next hop names none.")
    public static let smtpPerRequestDeadline = Parameter.flag(
        "smtp_per_request_deadline", false, programs: "smtp", "Accepted for Postfix configurations: timeouts always limit whole replies.")
    public static let smtpBindAddress = Parameter.string(
        "smtp_bind_address", "", programs: "smtp",
        "The local IPv4 address of outgoing connections; empty leaves the choice to the system.")
    public static let smtpBindAddress6 = Parameter.string(
        "smtp_bind_address6", "", programs: "smtp", "The local IPv6 address of outgoing connections.")
    public static let smtpConnectTimeout = Parameter.time(
        "smtp_connect_timeout", "30s", in: 0...ParameterBounds.longestTime, programs: "smtp",
        "How long a TCP connection may take; 0 leaves it to the system.")
    public static let smtpStarttlsTimeout = Parameter.time(
        "smtp_starttls_timeout", "300s", programs: "smtp", "How long STARTTLS and the handshake may take.")
    public static let smtpMailTimeout = Parameter.time(
        "smtp_mail_timeout", "300s", programs: "smtp", "How long to wait for the reply to MAIL.",
        discussion: "RFC 5321 section 4.5.3.2.2.")
    public static let smtpRcptTimeout = Parameter.time(
        "smtp_rcpt_timeout", "300s", programs: "smtp", "How long to wait for the reply to RCPT.",
        discussion: "RFC 5321 section 4.5.3.2.3.")
    public static let smtpDataInitTimeout = Parameter.time(
        "smtp_data_init_timeout", "120s", programs: "smtp", "How long to wait for the reply to DATA.",
        discussion: "RFC 5321 section 4.5.3.2.4.")
    public static let smtpDataXferTimeout = Parameter.time(
        "smtp_data_xfer_timeout", "180s", programs: "smtp", "How long a part of the message may take to be sent.",
        discussion: "RFC 5321 section 4.5.3.2.5.")
    public static let smtpDataDoneTimeout = Parameter.time(
        "smtp_data_done_timeout", "600s", programs: "smtp", "How long to wait for the reply after the message.",
        discussion: "RFC 5321 section 4.5.3.2.6.")
    public static let smtpRsetTimeout = Parameter.time(
        "smtp_rset_timeout", "20s", programs: "smtp", "How long to wait for the reply to RSET.")
    public static let smtpQuitTimeout = Parameter.time(
        "smtp_quit_timeout", "300s", programs: "smtp", "How long to wait for the reply to QUIT.")
    public static let smtpDestinationConcurrencyLimit = Parameter.integer(
        "smtp_destination_concurrency_limit", "$default_destination_concurrency_limit", in: ParameterBounds.count, programs: "qmgr",
        "How many deliveries to one destination run at a time over this transport.")
    public static let smtpDestinationRecipientLimit = Parameter.integer(
        "smtp_destination_recipient_limit", "$default_destination_recipient_limit", in: ParameterBounds.count, unit: "recipients",
        programs: "qmgr", "How many recipients one delivery over this transport has.")
    public static let smtpAddressPreference = Parameter.words(
        "smtp_address_preference", "any", of: ["any", "ipv4", "ipv6"], programs: "smtp", "Which address family is tried first.")
    public static let smtpHostLookup = Parameter.list(
        "smtp_host_lookup", "dns", programs: "smtp", "How hosts without MX lookup are found; only dns is offered.")
    public static let smtpSkip5xxGreeting = Parameter.flag(
        "smtp_skip_5xx_greeting", true, programs: "smtp", "Whether the next host is tried after a 5xx greeting.")
    public static let smtpSkipQuitResponse = Parameter.flag(
        "smtp_skip_quit_response", true, programs: "smtp", "Whether the reply to QUIT is not waited for.")
    public static let smtpSendXforwardCommand = Parameter.flag(
        "smtp_send_xforward_command", false, programs: "smtp", "Whether XFORWARD passes on what is known of the client.")
    public static let smtpSaslAuthEnable = Parameter.flag(
        "smtp_sasl_auth_enable", false, programs: "smtp", "Whether this client logs in; this version cannot and says so where it is set.")
    public static let smtpDiscardEHLOKeywords = Parameter.list(
        "smtp_discard_ehlo_keywords", "", programs: "smtp", "EHLO keywords of servers that are disregarded.")
    public static let smtpConnectionCacheOnDemand = Parameter.flag(
        "smtp_connection_cache_on_demand", true, programs: "smtp",
        "Whether connections are reused where there is more mail for the destination.")
    public static let smtpConnectionCacheDestinations = Parameter.list(
        "smtp_connection_cache_destinations", "", programs: "smtp", "Destinations for which connections are always kept for reuse.")
    public static let smtpConnectionCacheTimeLimit = Parameter.time(
        "smtp_connection_cache_time_limit", "2s", programs: "smtp", "How long an idle connection is kept.")
    public static let smtpConnectionReuseTimeLimit = Parameter.time(
        "smtp_connection_reuse_time_limit", "300s", programs: "smtp", "How long one connection is used.")
    public static let smtpConnectionReuseCountLimit = Parameter.integer(
        "smtp_connection_reuse_count_limit", "0", in: ParameterBounds.count, programs: "smtp",
        "How many messages one connection carries; 0 for no limit.")
    public static let smtpLineLengthLimit = Parameter.integer(
        "smtp_line_length_limit", "998", in: 0...1_048_576, unit: "bytes", programs: "smtp",
        "Where longer lines are folded in sending; 0 for nowhere.")
    public static let smtpTLSSecurityLevel = Parameter.words(
        "smtp_tls_security_level", "", of: ["", "none", "may", "encrypt", "verify", "secure"], programs: "smtp",
        "The use of TLS: empty or none (no), may (where offered), encrypt (required), verify or secure (with a trusted certificate).",
        discussion: "verify: the certificate has the name of the host that was connected to. secure: it has the name of the next hop, or "
            + "of a host under it that an MX record names; use it with a next hop of your own, such as relayhost. Mail that cannot be "
            + "sent so is deferred.")
    public static let smtpTLSCAFile = Parameter.string(
        "smtp_tls_CAfile", "", programs: "smtp", "Certificates of the authorities that are trusted where they are verified.",
        discussion: "With smtp_tls_CApath empty too, the authorities of the system are trusted.")
    public static let smtpTLSCAPath = Parameter.string(
        "smtp_tls_CApath", "", programs: "smtp", "A directory with certificates of authorities that are trusted.")
    public static let smtpTLSChainFiles = Parameter.list(
        "smtp_tls_chain_files", "", programs: "smtp", "Files with private key and certificate chain of the client in PEM.")
    public static let smtpTLSCertFile = Parameter.string(
        "smtp_tls_cert_file", "", programs: "smtp", "The client's certificate chain in PEM.")
    public static let smtpTLSKeyFile = Parameter.string(
        "smtp_tls_key_file", "$smtp_tls_cert_file", programs: "smtp", "The client's private key in PEM.")
    public static let smtpTLSProtocols = Parameter.list(
        "smtp_tls_protocols", ">=TLSv1.2", programs: "smtp", "The TLS versions.",
        discussion:
            ">=VERSION, <=VERSION, !VERSION, or names: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3. A version below 1.2 (RFC 8996) is used only "
            + "where it is named.")
    public static let smtpTLSMandatoryProtocols = Parameter.list(
        "smtp_tls_mandatory_protocols", ">=TLSv1.2", programs: "smtp", "The TLS versions where TLS is required.",
        discussion:
            ">=VERSION, <=VERSION, !VERSION, or names: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3. A version below 1.2 (RFC 8996) is used only "
            + "where it is named.")
    public static let smtpTLSLoglevel = Parameter.integer(
        "smtp_tls_loglevel", "0", in: 0...4, programs: "smtp", "How much is logged about TLS: 0 nothing, 1 and above each session.")

    static let smtpClientGroup: [ParameterDeclaration] = [
        smtpHELOName.declaration, smtpHELOTimeout.declaration, smtpAlwaysSendEHLO.declaration, smtpNeverSendEHLO.declaration,
        smtpMXAddressLimit.declaration, smtpMXSessionLimit.declaration, smtpFallbackRelay.declaration, smtpRandomizeAddresses.declaration,
        smtpDeferIfNoMXAddressFound.declaration, smtpBalanceInetProtocols.declaration, ignoreMXLookupError.declaration,
        disableDNSLookups.declaration, bestMXTransport.declaration, smtpDNSSupportLevel.declaration, smtpPixWorkarounds.declaration,
        smtpTcpPort.declaration, smtpPerRequestDeadline.declaration, smtpBindAddress.declaration,
        smtpBindAddress6.declaration, smtpConnectTimeout.declaration, smtpStarttlsTimeout.declaration, smtpMailTimeout.declaration,
        smtpRcptTimeout.declaration, smtpDataInitTimeout.declaration, smtpDataXferTimeout.declaration, smtpDataDoneTimeout.declaration,
        smtpRsetTimeout.declaration, smtpQuitTimeout.declaration, smtpDestinationConcurrencyLimit.declaration,
        smtpDestinationRecipientLimit.declaration, smtpAddressPreference.declaration, smtpHostLookup.declaration,
        smtpSkip5xxGreeting.declaration, smtpSkipQuitResponse.declaration, smtpSendXforwardCommand.declaration,
        smtpSaslAuthEnable.declaration, smtpDiscardEHLOKeywords.declaration,
        smtpConnectionCacheOnDemand.declaration, smtpConnectionCacheDestinations.declaration, smtpConnectionCacheTimeLimit.declaration,
        smtpConnectionReuseTimeLimit.declaration, smtpConnectionReuseCountLimit.declaration, smtpLineLengthLimit.declaration,
        smtpTLSSecurityLevel.declaration, smtpTLSCAFile.declaration, smtpTLSCAPath.declaration, smtpTLSChainFiles.declaration,
        smtpTLSCertFile.declaration,
        smtpTLSKeyFile.declaration, smtpTLSProtocols.declaration, smtpTLSMandatoryProtocols.declaration, smtpTLSLoglevel.declaration,

    ]
}
