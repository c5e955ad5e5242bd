// Parameters: smtp as LMTP client.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let lmtpLHLOName = Parameter.string(
        "lmtp_lhlo_name", "$myhostname", required: true, programs: "smtp", "The name this client gives in LHLO.")
    public static let lmtpLHLOTimeout = Parameter.time(
        "lmtp_lhlo_timeout", "300s", programs: "smtp", "How long to wait for the greeting and for the reply to LHLO.")
    public static let lmtpTcpPort = Parameter.string(
        "lmtp_tcp_port", "24", required: true, programs: "smtp", "The port where a next hop names none.")
    public static let lmtpMXAddressLimit = Parameter.integer(
        "lmtp_mx_address_limit", "5", in: ParameterBounds.count, programs: "smtp",
        "How many addresses are tried in one attempt; 0 for no limit.")
    public static let lmtpMXSessionLimit = Parameter.integer(
        "lmtp_mx_session_limit", "2", in: ParameterBounds.count, programs: "smtp",
        "How many sessions are begun in one attempt; 0 for no limit.")
    public static let lmtpAssumeFinal = Parameter.flag(
        "lmtp_assume_final", false, programs: "smtp", "Whether a successful delivery to a server without DSN counts as final.")
    public static let lmtpBindAddress = Parameter.string(
        "lmtp_bind_address", "", programs: "smtp",
        "The local IPv4 address of outgoing connections; empty leaves the choice to the system.")
    public static let lmtpBindAddress6 = Parameter.string(
        "lmtp_bind_address6", "", programs: "smtp", "The local IPv6 address of outgoing connections.")
    public static let lmtpConnectTimeout = Parameter.time(
        "lmtp_connect_timeout", "0s", in: 0...ParameterBounds.longestTime, programs: "smtp",
        "How long a TCP connection may take; 0 leaves it to the system.")
    public static let lmtpStarttlsTimeout = Parameter.time(
        "lmtp_starttls_timeout", "300s", programs: "smtp", "How long STARTTLS and the handshake may take.")
    public static let lmtpMailTimeout = Parameter.time(
        "lmtp_mail_timeout", "300s", programs: "smtp", "How long to wait for the reply to MAIL.",
        discussion: "RFC 5321 section 4.5.3.2.2.")
    public static let lmtpRcptTimeout = Parameter.time(
        "lmtp_rcpt_timeout", "300s", programs: "smtp", "How long to wait for the reply to RCPT.",
        discussion: "RFC 5321 section 4.5.3.2.3.")
    public static let lmtpDataInitTimeout = Parameter.time(
        "lmtp_data_init_timeout", "120s", programs: "smtp", "How long to wait for the reply to DATA.",
        discussion: "RFC 5321 section 4.5.3.2.4.")
    public static let lmtpDataXferTimeout = Parameter.time(
        "lmtp_data_xfer_timeout", "180s", programs: "smtp", "How long a part of the message may take to be sent.",
        discussion: "RFC 5321 section 4.5.3.2.5.")
    public static let lmtpDataDoneTimeout = Parameter.time(
        "lmtp_data_done_timeout", "600s", programs: "smtp", "How long to wait for the reply after the message.",
        discussion: "RFC 5321 section 4.5.3.2.6.")
    public static let lmtpRsetTimeout = Parameter.time(
        "lmtp_rset_timeout", "20s", programs: "smtp", "How long to wait for the reply to RSET.")
    public static let lmtpQuitTimeout = Parameter.time(
        "lmtp_quit_timeout", "300s", programs: "smtp", "How long to wait for the reply to QUIT.")
    public static let lmtpDestinationConcurrencyLimit = Parameter.integer(
        "lmtp_destination_concurrency_limit", "$default_destination_concurrency_limit", in: ParameterBounds.count, programs: "qmgr",
        "How many deliveries to one destination run at a time over this transport.")
    public static let lmtpDestinationRecipientLimit = Parameter.integer(
        "lmtp_destination_recipient_limit", "$default_destination_recipient_limit", in: ParameterBounds.count, unit: "recipients",
        programs: "qmgr", "How many recipients one delivery over this transport has.")
    public static let lmtpAddressPreference = Parameter.words(
        "lmtp_address_preference", "any", of: ["any", "ipv4", "ipv6"], programs: "smtp", "Which address family is tried first.")
    public static let lmtpHostLookup = Parameter.list(
        "lmtp_host_lookup", "dns", programs: "smtp", "How hosts without MX lookup are found; only dns is offered.")
    public static let lmtpSkip5xxGreeting = Parameter.flag(
        "lmtp_skip_5xx_greeting", true, programs: "smtp", "Whether the next host is tried after a 5xx greeting.")
    public static let lmtpSkipQuitResponse = Parameter.flag(
        "lmtp_skip_quit_response", false, programs: "smtp", "Whether the reply to QUIT is not waited for.")
    public static let lmtpSendXforwardCommand = Parameter.flag(
        "lmtp_send_xforward_command", false, programs: "smtp", "Whether XFORWARD passes on what is known of the client.")
    public static let lmtpSaslAuthEnable = Parameter.flag(
        "lmtp_sasl_auth_enable", false, programs: "smtp", "Whether this client logs in; this version cannot and says so where it is set.")
    public static let lmtpDiscardEHLOKeywords = Parameter.list(
        "lmtp_discard_ehlo_keywords", "", programs: "smtp", "LHLO keywords of servers that are disregarded.")
    public static let lmtpConnectionCacheOnDemand = Parameter.flag(
        "lmtp_connection_cache_on_demand", true, programs: "smtp",
        "Whether connections are reused where there is more mail for the destination.")
    public static let lmtpConnectionCacheDestinations = Parameter.list(
        "lmtp_connection_cache_destinations", "", programs: "smtp", "Destinations for which connections are always kept for reuse.")
    public static let lmtpConnectionCacheTimeLimit = Parameter.time(
        "lmtp_connection_cache_time_limit", "2s", programs: "smtp", "How long an idle connection is kept.")
    public static let lmtpConnectionReuseTimeLimit = Parameter.time(
        "lmtp_connection_reuse_time_limit", "300s", programs: "smtp", "How long one connection is used.")
    public static let lmtpConnectionReuseCountLimit = Parameter.integer(
        "lmtp_connection_reuse_count_limit", "0", in: ParameterBounds.count, programs: "smtp",
        "How many messages one connection carries; 0 for no limit.")
    public static let lmtpLineLengthLimit = Parameter.integer(
        "lmtp_line_length_limit", "998", in: 0...1_048_576, unit: "bytes", programs: "smtp",
        "Where longer lines are folded in sending; 0 for nowhere.")
    public static let lmtpTLSSecurityLevel = Parameter.words(
        "lmtp_tls_security_level", "", of: ["", "none", "may", "encrypt", "verify", "secure"], programs: "smtp",
        "The use of TLS: empty or none (no), may (where offered), encrypt (required), verify or secure (with a trusted certificate).",
        discussion: "verify: the certificate has the name of the host that was connected to. secure: it has the name of the next hop, or "
            + "of a host under it that an MX record names; use it with a next hop of your own, such as relayhost. Mail that cannot be "
            + "sent so is deferred.")
    public static let lmtpTLSCAFile = Parameter.string(
        "lmtp_tls_CAfile", "", programs: "smtp", "Certificates of the authorities that are trusted where they are verified.",
        discussion: "With lmtp_tls_CApath empty too, the authorities of the system are trusted.")
    public static let lmtpTLSCAPath = Parameter.string(
        "lmtp_tls_CApath", "", programs: "smtp", "A directory with certificates of authorities that are trusted.")
    public static let lmtpTLSChainFiles = Parameter.list(
        "lmtp_tls_chain_files", "", programs: "smtp", "Files with private key and certificate chain of the client in PEM.")
    public static let lmtpTLSCertFile = Parameter.string(
        "lmtp_tls_cert_file", "", programs: "smtp", "The client's certificate chain in PEM.")
    public static let lmtpTLSKeyFile = Parameter.string(
        "lmtp_tls_key_file", "$lmtp_tls_cert_file", programs: "smtp", "The client's private key in PEM.")
    public static let lmtpTLSProtocols = Parameter.list(
        "lmtp_tls_protocols", ">=TLSv1.2", programs: "smtp", "The TLS versions.",
        discussion:
            ">=VERSION, <=VERSION, !VERSION, or names: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3. A version below 1.2 (RFC 8996) is used only "
            + "where it is named.")
    public static let lmtpTLSMandatoryProtocols = Parameter.list(
        "lmtp_tls_mandatory_protocols", ">=TLSv1.2", programs: "smtp", "The TLS versions where TLS is required.",
        discussion:
            ">=VERSION, <=VERSION, !VERSION, or names: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3. A version below 1.2 (RFC 8996) is used only "
            + "where it is named.")
    public static let lmtpTLSLoglevel = Parameter.integer(
        "lmtp_tls_loglevel", "0", in: 0...4, programs: "smtp", "How much is logged about TLS: 0 nothing, 1 and above each session.")

    static let lmtpClientGroup: [ParameterDeclaration] = [
        lmtpLHLOName.declaration, lmtpLHLOTimeout.declaration, lmtpTcpPort.declaration, lmtpMXAddressLimit.declaration,
        lmtpMXSessionLimit.declaration, lmtpAssumeFinal.declaration, lmtpBindAddress.declaration, lmtpBindAddress6.declaration,
        lmtpConnectTimeout.declaration, lmtpStarttlsTimeout.declaration, lmtpMailTimeout.declaration, lmtpRcptTimeout.declaration,
        lmtpDataInitTimeout.declaration, lmtpDataXferTimeout.declaration, lmtpDataDoneTimeout.declaration, lmtpRsetTimeout.declaration,
        lmtpQuitTimeout.declaration, lmtpDestinationConcurrencyLimit.declaration, lmtpDestinationRecipientLimit.declaration,
        lmtpAddressPreference.declaration, lmtpHostLookup.declaration, lmtpSkip5xxGreeting.declaration, lmtpSkipQuitResponse.declaration,
        lmtpSendXforwardCommand.declaration, lmtpSaslAuthEnable.declaration,
        lmtpDiscardEHLOKeywords.declaration, lmtpConnectionCacheOnDemand.declaration, lmtpConnectionCacheDestinations.declaration,
        lmtpConnectionCacheTimeLimit.declaration, lmtpConnectionReuseTimeLimit.declaration, lmtpConnectionReuseCountLimit.declaration,
        lmtpLineLengthLimit.declaration, lmtpTLSSecurityLevel.declaration, lmtpTLSCAFile.declaration, lmtpTLSCAPath.declaration,
        lmtpTLSChainFiles.declaration,
        lmtpTLSCertFile.declaration, lmtpTLSKeyFile.declaration, lmtpTLSProtocols.declaration, lmtpTLSMandatoryProtocols.declaration,
        lmtpTLSLoglevel.declaration,
    ]
}
