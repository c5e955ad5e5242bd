// Parameters: smtpd.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let smtpdBanner = Parameter.string(
        "smtpd_banner", "$myhostname ESMTP $mail_name", required: true, programs: "smtpd",
        "The text after 220 in the greeting; it must begin with $myhostname.")
    public static let smtpdTimeout = Parameter.time(
        "smtpd_timeout", "300s", programs: "smtpd", "How long to wait for a client to send or to take data.",
        discussion: "RFC 5321 section 4.5.3.2.7 asks for at least 5 minutes.")
    public static let smtpdPerRequestDeadline = Parameter.flag(
        "smtpd_per_request_deadline", false, programs: "smtpd", "Whether smtpd_timeout limits a whole command instead of each read.")
    public static let smtpdMinDataRate = Parameter.integer(
        "smtpd_min_data_rate", "500", in: 1...1_000_000, unit: "bytes per second", programs: "smtpd",
        "How fast a client must send where smtpd_per_request_deadline is on.")
    public static let smtpdSoftErrorLimit = Parameter.integer(
        "smtpd_soft_error_limit", "10", in: ParameterBounds.positive, programs: "smtpd",
        "How many errors a client may make before replies are delayed by smtpd_error_sleep_time.")
    public static let smtpdHardErrorLimit = Parameter.integer(
        "smtpd_hard_error_limit", "20", in: ParameterBounds.positive, programs: "smtpd",
        "How many errors a client may make before it is disconnected.")
    public static let smtpdErrorSleepTime = Parameter.time(
        "smtpd_error_sleep_time", "1s", in: 0...ParameterBounds.longestTime, programs: "smtpd",
        "The delay of replies after more than smtpd_soft_error_limit errors.")
    public static let smtpdJunkCommandLimit = Parameter.integer(
        "smtpd_junk_command_limit", "100", in: ParameterBounds.positive, programs: "smtpd",
        "How many NOOP, VRFY, RSET and similar commands a client may send per delivered message.")
    public static let smtpdRecipientLimit = Parameter.integer(
        "smtpd_recipient_limit", "1000", in: ParameterBounds.positive, unit: "recipients", programs: "smtpd",
        "How many recipients one transaction may have.")
    public static let smtpdRecipientOvershootLimit = Parameter.integer(
        "smtpd_recipient_overshoot_limit", "1000", in: ParameterBounds.positive, unit: "recipients", programs: "smtpd",
        "How many recipients over the limit are refused before they count as errors.")
    public static let smtpdClientConnectionCountLimit = Parameter.integer(
        "smtpd_client_connection_count_limit", "50", in: ParameterBounds.count, programs: "smtpd",
        "How many connections one client may have at a time; 0 for no limit.")
    public static let smtpdClientConnectionLimitExceptions = Parameter.list(
        "smtpd_client_connection_limit_exceptions", "$mynetworks", programs: "smtpd",
        "Clients whose number of connections is not limited.",
        discussion: "Postfix names this smtpd_client_event_limit_exceptions, which is read as well.")
    public static let smtpdClientEventLimitExceptions = Parameter.list(
        "smtpd_client_event_limit_exceptions", "${smtpd_client_connection_limit_exceptions:$mynetworks}", programs: "smtpd",
        "Clients to which no per-client limit applies.")
    public static let smtpdHELORequired = Parameter.flag(
        "smtpd_helo_required", false, programs: "smtpd", "Whether HELO or EHLO must come before MAIL.")
    public static let smtpdRelayRestrictions = Parameter.list(
        "smtpd_relay_restrictions", "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination", programs: "smtpd",
        "Who may send to other domains; evaluated for each recipient.",
        discussion: "Available: permit, reject, defer, permit_mynetworks, permit_sasl_authenticated, permit_auth_destination, "
            + "reject_unauth_destination, defer_unauth_destination, reject_non_fqdn_sender, reject_non_fqdn_recipient, "
            + "reject_unlisted_recipient, warn_if_reject, check_client_access, check_sender_access and check_recipient_access "
            + "type:table.")
    public static let smtpdRecipientRestrictions = Parameter.list(
        "smtpd_recipient_restrictions", "", programs: "smtpd", "Further conditions for each recipient, after smtpd_relay_restrictions.")
    public static let smtpdClientRestrictions = Parameter.list(
        "smtpd_client_restrictions", "", programs: "smtpd", "Conditions for clients.")
    public static let smtpdHELORestrictions = Parameter.list(
        "smtpd_helo_restrictions", "", programs: "smtpd", "Conditions for HELO and EHLO names.")
    public static let smtpdSenderRestrictions = Parameter.list(
        "smtpd_sender_restrictions", "", programs: "smtpd", "Conditions for senders.")
    public static let smtpdDataRestrictions = Parameter.list(
        "smtpd_data_restrictions", "", programs: "smtpd", "Conditions at the DATA command.")
    public static let smtpdEndOfDataRestrictions = Parameter.list(
        "smtpd_end_of_data_restrictions", "", programs: "smtpd", "Conditions after the message.")
    public static let smtpdDelayReject = Parameter.flag(
        "smtpd_delay_reject", true, programs: "smtpd", "Whether conditions for clients, HELO and senders are answered at RCPT.",
        discussion: "no: at the connection, HELO and MAIL. Then the log does not name the recipients of what was refused.")
    public static let smtpdRejectUnlistedRecipient = Parameter.flag(
        "smtpd_reject_unlisted_recipient", true, programs: "smtpd", "Whether unknown recipients are refused.")
    public static let smtpdRejectUnlistedSender = Parameter.flag(
        "smtpd_reject_unlisted_sender", false, programs: "smtpd", "Whether unknown senders in our domains are refused.")
    public static let smtpdForbidBareNewline = Parameter.words(
        "smtpd_forbid_bare_newline", "normalize", of: ["normalize", "reject", "no", "yes", "note"], programs: "smtpd",
        "What happens to a line that ends with a bare newline.",
        discussion: "normalize (also yes): it ends a line but never the message, so that only CR LF . CR LF ends it. note: the same, and "
            + "logged. reject: the session ends with smtpd_forbid_bare_newline_reject_code. "
            + "no: it is a line end like any other, and LF . LF ends the message too."
    )
    public static let smtpdForbidBareNewlineRejectCode = Parameter.integer(
        "smtpd_forbid_bare_newline_reject_code", "550", in: 400...599, programs: "smtpd",
        "The reply code for a bare newline where it is rejected.")
    public static let smtpdForbidBareNewlineExclusions = Parameter.list(
        "smtpd_forbid_bare_newline_exclusions", "$mynetworks", programs: "smtpd",
        "Clients that are neither refused nor noted for a bare newline.",
        discussion: "Unlike in Postfix, also their messages end at CR LF . CR LF only, unless smtpd_forbid_bare_newline is no.")
    public static let smtpdForbidUnauthPipelining = Parameter.flag(
        "smtpd_forbid_unauth_pipelining", true, programs: "smtpd", "Whether a client that sends commands before it may is disconnected.")
    public static let smtpdForbiddenCommands = Parameter.list(
        "smtpd_forbidden_commands", "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", programs: "smtpd",
        "Commands that end a session at once.")
    public static let smtpdNOOPCommands = Parameter.list(
        "smtpd_noop_commands", "", programs: "smtpd", "Commands that are answered with 250 and have no effect; words only.")
    public static let smtpdPeernameLookup = Parameter.flag(
        "smtpd_peername_lookup", true, programs: "smtpd", "Whether the name of a client is looked up from its address.")
    public static let smtpdDiscardEHLOKeywords = Parameter.list(
        "smtpd_discard_ehlo_keywords", "", programs: "smtpd", "EHLO keywords that are not offered, without regard to case.")
    public static let smtpdDiscardEHLOKeywordAddressMaps = Parameter.list(
        "smtpd_discard_ehlo_keyword_address_maps", "", programs: "smtpd",
        "Tables from a client address to EHLO keywords that are not offered to it.")
    public static let disableVRFYCommand = Parameter.flag(
        "disable_vrfy_command", false, programs: "smtpd", "Whether VRFY is refused.")
    public static let smtpdCommandFilter = Parameter.string(
        "smtpd_command_filter", "", programs: "smtpd", "A table (type:name) that replaces a client's command before it is read.")
    public static let smtpdAuthorizedXclientHosts = Parameter.list(
        "smtpd_authorized_xclient_hosts", "", programs: "smtpd", "Clients that may use XCLIENT.")
    public static let smtpdAuthorizedXforwardHosts = Parameter.list(
        "smtpd_authorized_xforward_hosts", "", programs: "smtpd", "Clients that may use XFORWARD.")
    public static let smtpdSenderLoginMaps = Parameter.list(
        "smtpd_sender_login_maps", "", programs: "smtpd", "Tables with the login names that own a sender address.")
    public static let smtpdLogAccessPermitActions = Parameter.list(
        "smtpd_log_access_permit_actions", "", programs: "smtpd", "Permitting actions that are logged.")
    public static let smtpdRejectFooter = Parameter.string(
        "smtpd_reject_footer", "", raw: true, programs: "smtpd", "Text appended to each 4xx and 5xx reply.",
        discussion: "\\n begins a further line; \\c at the start continues the last line of the reply. $client, $client_address, "
            + "$client_name, $client_port, $helo_name, $localtime, $recipient, $sender and $server_name are expanded.")
    public static let smtpdTLSSecurityLevel = Parameter.words(
        "smtpd_tls_security_level", "", of: ["", "none", "may", "encrypt"], programs: "smtpd",
        "Whether TLS is offered: empty or none (no), may, encrypt (required).")
    public static let smtpdTLSWrappermode = Parameter.flag(
        "smtpd_tls_wrappermode", false, programs: "smtpd", "Whether TLS begins with the connection, without STARTTLS (port 465).")
    public static let smtpdTLSChainFiles = Parameter.list(
        "smtpd_tls_chain_files", "", programs: "smtpd", "Files with private key and certificate chain in PEM, the key first.",
        discussion: "Of several keys the first is used.")
    public static let smtpdTLSCertFile = Parameter.string(
        "smtpd_tls_cert_file", "", programs: "smtpd", "The certificate chain in PEM, the server's own first.")
    public static let smtpdTLSKeyFile = Parameter.string(
        "smtpd_tls_key_file", "$smtpd_tls_cert_file", programs: "smtpd", "The private key in PEM.")
    public static let smtpdTLSCAFile = Parameter.string(
        "smtpd_tls_CAfile", "", programs: "smtpd", "Certificates of the authorities that sign client certificates.")
    public static let smtpdTLSAuthOnly = Parameter.flag(
        "smtpd_tls_auth_only", false, programs: "smtpd", "Whether AUTH is offered over TLS only.")
    public static let smtpdTLSAskCcert = Parameter.flag(
        "smtpd_tls_ask_ccert", false, programs: "smtpd", "Whether a client certificate is asked for.")
    public static let smtpdTLSProtocols = Parameter.list(
        "smtpd_tls_protocols", ">=TLSv1.2", programs: "smtpd", "The TLS versions.",
        discussion:
            ">=VERSION, <=VERSION, !VERSION, or names: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3. A version below 1.2 (RFC 8996) is used only "
            + "where it is named.")
    public static let smtpdTLSMandatoryProtocols = Parameter.list(
        "smtpd_tls_mandatory_protocols", ">=TLSv1.2", programs: "smtpd", "The TLS versions where TLS is required.",
        discussion:
            ">=VERSION, <=VERSION, !VERSION, or names: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3. A version below 1.2 (RFC 8996) is used only "
            + "where it is named.")
    public static let smtpdTLSReceivedHeader = Parameter.flag(
        "smtpd_tls_received_header", false, programs: "smtpd", "Whether the Received field names TLS version and cipher.")
    public static let smtpdTLSLoglevel = Parameter.integer(
        "smtpd_tls_loglevel", "0", in: 0...4, programs: "smtpd", "How much is logged about TLS: 0 nothing, 1 and above each session.")
    public static let smtpdStarttlsTimeout = Parameter.time(
        "smtpd_starttls_timeout", "300s", programs: "smtpd", "How long the TLS handshake may take.")
    public static let smtpdSaslAuthEnable = Parameter.flag(
        "smtpd_sasl_auth_enable", false, programs: "smtpd",
        "Whether AUTH is offered; this version has no authentication server and offers none.")
    public static let unknownLocalRecipientRejectCode = Parameter.integer(
        "unknown_local_recipient_reject_code", "550", in: 400...599, programs: "smtpd", "The reply code for unknown local recipients.")
    public static let unknownRelayRecipientRejectCode = Parameter.integer(
        "unknown_relay_recipient_reject_code", "550", in: 400...599, programs: "smtpd",
        "The reply code for unknown recipients in relay_domains.")
    public static let unknownVirtualAliasRejectCode = Parameter.integer(
        "unknown_virtual_alias_reject_code", "550", in: 400...599, programs: "smtpd",
        "The reply code for unknown recipients in virtual_alias_domains.")
    public static let unknownVirtualMailboxRejectCode = Parameter.integer(
        "unknown_virtual_mailbox_reject_code", "550", in: 400...599, programs: "smtpd",
        "The reply code for unknown recipients in virtual_mailbox_domains.")
    public static let relayDomainsRejectCode = Parameter.integer(
        "relay_domains_reject_code", "554", in: 400...599, programs: "smtpd", "The reply code where relaying is refused.")
    public static let accessMapRejectCode = Parameter.integer(
        "access_map_reject_code", "554", in: 400...599, programs: "smtpd", "The reply code of REJECT in access tables.")
    public static let accessMapDeferCode = Parameter.integer(
        "access_map_defer_code", "450", in: 400...599, programs: "smtpd", "The reply code of DEFER in access tables.")
    public static let deferCode = Parameter.integer(
        "defer_code", "450", in: 400...499, programs: "smtpd", "The reply code of defer.")
    public static let rejectCode = Parameter.integer(
        "reject_code", "554", in: 400...599, programs: "smtpd", "The reply code of reject.")
    public static let nonFqdnRejectCode = Parameter.integer(
        "non_fqdn_reject_code", "504", in: 400...599, programs: "smtpd", "The reply code of reject_non_fqdn restrictions.")
    public static let softBounce = Parameter.flag(
        "soft_bounce", false, programs: "smtpd cleanup qmgr",
        "Whether every permanent refusal is made temporary, for trials of a configuration.")

    static let smtpServerGroup: [ParameterDeclaration] = [
        smtpdBanner.declaration, smtpdTimeout.declaration, smtpdPerRequestDeadline.declaration, smtpdMinDataRate.declaration,
        smtpdSoftErrorLimit.declaration, smtpdHardErrorLimit.declaration, smtpdErrorSleepTime.declaration,
        smtpdJunkCommandLimit.declaration, smtpdRecipientLimit.declaration, smtpdRecipientOvershootLimit.declaration,
        smtpdClientConnectionCountLimit.declaration,
        smtpdClientConnectionLimitExceptions.declaration, smtpdClientEventLimitExceptions.declaration, smtpdHELORequired.declaration,
        smtpdRelayRestrictions.declaration, smtpdRecipientRestrictions.declaration, smtpdClientRestrictions.declaration,
        smtpdHELORestrictions.declaration, smtpdSenderRestrictions.declaration, smtpdDataRestrictions.declaration,
        smtpdEndOfDataRestrictions.declaration, smtpdDelayReject.declaration, smtpdRejectUnlistedRecipient.declaration,
        smtpdRejectUnlistedSender.declaration, smtpdForbidBareNewline.declaration, smtpdForbidBareNewlineRejectCode.declaration,
        smtpdForbidBareNewlineExclusions.declaration, smtpdForbidUnauthPipelining.declaration, smtpdForbiddenCommands.declaration,
        smtpdNOOPCommands.declaration, smtpdPeernameLookup.declaration, smtpdDiscardEHLOKeywords.declaration,
        smtpdDiscardEHLOKeywordAddressMaps.declaration, disableVRFYCommand.declaration, smtpdCommandFilter.declaration,
        smtpdAuthorizedXclientHosts.declaration, smtpdAuthorizedXforwardHosts.declaration, smtpdSenderLoginMaps.declaration,
        smtpdLogAccessPermitActions.declaration, smtpdRejectFooter.declaration, smtpdTLSSecurityLevel.declaration,
        smtpdTLSWrappermode.declaration, smtpdTLSChainFiles.declaration, smtpdTLSCertFile.declaration, smtpdTLSKeyFile.declaration,
        smtpdTLSCAFile.declaration, smtpdTLSAuthOnly.declaration, smtpdTLSAskCcert.declaration, smtpdTLSProtocols.declaration,
        smtpdTLSMandatoryProtocols.declaration, smtpdTLSReceivedHeader.declaration, smtpdTLSLoglevel.declaration,
        smtpdStarttlsTimeout.declaration, smtpdSaslAuthEnable.declaration, unknownLocalRecipientRejectCode.declaration,
        unknownRelayRecipientRejectCode.declaration, unknownVirtualAliasRejectCode.declaration,
        unknownVirtualMailboxRejectCode.declaration, relayDomainsRejectCode.declaration, accessMapRejectCode.declaration,
        accessMapDeferCode.declaration, deferCode.declaration, rejectCode.declaration, nonFqdnRejectCode.declaration,
        softBounce.declaration,
    ]
}
