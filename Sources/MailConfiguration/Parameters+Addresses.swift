// Parameters: address classes, aliases and rewriting.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let recipientDelimiter = Parameter.string(
        "recipient_delimiter", "", programs: "smtpd cleanup local qmgr",
        "The characters that separate a user name from its extension (user+folder).")
    public static let localRecipientMaps = Parameter.list(
        "local_recipient_maps", "proxy:unix:passwd.byname $alias_maps", programs: "smtpd cleanup",
        "Tables with all valid local recipients; empty accepts every name.",
        discussion: "An unknown name is refused by the SMTP server with 550 5.1.1. The prefix proxy: is accepted and has no effect.")
    public static let aliasMaps = Parameter.list(
        "alias_maps", "lmdb:/etc/aliases", programs: "local cleanup", "The tables of local aliases, in the format of aliases(5).")
    public static let aliasDatabase = Parameter.list(
        "alias_database", "lmdb:/etc/aliases", programs: "newaliases martlet", "The alias tables that newaliases builds.")
    public static let virtualAliasMaps = Parameter.list(
        "virtual_alias_maps", "", programs: "cleanup smtpd", "Tables that replace recipients by other recipients, in any domain.")
    public static let virtualAliasDomains = Parameter.list(
        "virtual_alias_domains", "$virtual_alias_maps", programs: "cleanup smtpd qmgr",
        "Domains all of whose addresses are virtual aliases.")
    public static let virtualAliasExpansionLimit = Parameter.integer(
        "virtual_alias_expansion_limit", "1000", in: ParameterBounds.positive, unit: "recipients", programs: "cleanup",
        "How many recipients one recipient may become by virtual aliases.")
    public static let virtualAliasRecursionLimit = Parameter.integer(
        "virtual_alias_recursion_limit", "1000", in: ParameterBounds.positive, programs: "cleanup",
        "How deep virtual aliases may be nested.")
    public static let virtualAliasAddressLengthLimit = Parameter.integer(
        "virtual_alias_address_length_limit", "1000", in: ParameterBounds.positive, unit: "bytes", programs: "cleanup",
        "How long an address that results from virtual aliases may be.")
    public static let propagateUnmatchedExtensions = Parameter.list(
        "propagate_unmatched_extensions", "canonical, virtual", programs: "cleanup local",
        "In which tables an address extension is carried over to the result where the key matched without it.")
    public static let virtualMailboxDomains = Parameter.list(
        "virtual_mailbox_domains", "$virtual_mailbox_maps", programs: "smtpd qmgr cleanup", "Domains delivered by virtual_transport.")
    public static let virtualMailboxMaps = Parameter.list(
        "virtual_mailbox_maps", "", programs: "smtpd cleanup",
        "Tables with all valid addresses in virtual_mailbox_domains; empty accepts every address.")
    public static let transportMaps = Parameter.list(
        "transport_maps", "", programs: "qmgr smtpd", "Tables from a recipient or domain to transport:nexthop.")
    public static let localTransport = Parameter.string(
        "local_transport", "local:$myhostname", required: true, programs: "qmgr smtpd",
        "The transport and next hop for domains in mydestination.")
    public static let defaultTransport = Parameter.string(
        "default_transport", "smtp", required: true, programs: "qmgr", "The transport for domains of no other class.")
    public static let relayTransport = Parameter.string(
        "relay_transport", "relay", required: true, programs: "qmgr", "The transport for domains in relay_domains.")
    public static let virtualTransport = Parameter.string(
        "virtual_transport", "virtual", required: true, programs: "qmgr", "The transport for domains in virtual_mailbox_domains.")
    public static let appendAtMyorigin = Parameter.flag(
        "append_at_myorigin", true, programs: "cleanup", "Whether @$myorigin is appended to local addresses without a domain.")
    public static let appendDotMydomain = Parameter.flag(
        "append_dot_mydomain", false, programs: "cleanup", "Whether .$mydomain is appended to domains without a dot.")
    public static let localHeaderRewriteClients = Parameter.list(
        "local_header_rewrite_clients", "permit_inet_interfaces", programs: "smtpd cleanup",
        "The clients whose message headers are completed with $myorigin and missing fields.",
        discussion: "permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated, check_address_map type:table.")
    public static let remoteHeaderRewriteDomain = Parameter.string(
        "remote_header_rewrite_domain", "", programs: "cleanup",
        "A domain appended to incomplete header addresses of other clients; empty leaves them as they are.")
    public static let swapBangpath = Parameter.flag(
        "swap_bangpath", true, programs: "cleanup", "Whether site!user is rewritten to user@site.")
    public static let allowPercentHack = Parameter.flag(
        "allow_percent_hack", true, programs: "cleanup", "Whether user%domain is rewritten to user@domain.")
    public static let masqueradeDomains = Parameter.list(
        "masquerade_domains", "", programs: "cleanup", "Domains whose subdomains are removed from addresses; !domain keeps one.")
    public static let allowMinUser = Parameter.flag(
        "allow_min_user", false, programs: "qmgr smtpd", "Whether a recipient may begin with a minus sign.")
    public static let alwaysBcc = Parameter.string(
        "always_bcc", "", programs: "cleanup", "An address that receives a copy of each message.")
    public static let senderBccMaps = Parameter.list(
        "sender_bcc_maps", "", programs: "cleanup", "Tables from a sender to an address that receives a copy of the sender's mail.")
    public static let recipientBccMaps = Parameter.list(
        "recipient_bcc_maps", "", programs: "cleanup", "Tables from a recipient to an address that receives a copy of the recipient's mail."
    )
    public static let canonicalMaps = Parameter.list(
        "canonical_maps", "", programs: "cleanup", "Tables that replace addresses in envelopes and headers, canonical(5).",
        discussion: "Header addresses are replaced in mail of local_header_rewrite_clients, and in all mail where "
            + "remote_header_rewrite_domain is set.")
    public static let canonicalClasses = Parameter.list(
        "canonical_classes", "envelope_sender, envelope_recipient, header_sender, header_recipient", programs: "cleanup",
        "Where canonical_maps apply.")
    public static let senderCanonicalMaps = Parameter.list(
        "sender_canonical_maps", "", programs: "cleanup", "Tables that replace sender addresses, before canonical_maps.")
    public static let senderCanonicalClasses = Parameter.list(
        "sender_canonical_classes", "envelope_sender, header_sender", programs: "cleanup", "Where sender_canonical_maps apply.")
    public static let recipientCanonicalMaps = Parameter.list(
        "recipient_canonical_maps", "", programs: "cleanup", "Tables that replace recipient addresses, before canonical_maps.")
    public static let recipientCanonicalClasses = Parameter.list(
        "recipient_canonical_classes", "envelope_recipient, header_recipient", programs: "cleanup",
        "Where recipient_canonical_maps apply.")
    public static let masqueradeClasses = Parameter.list(
        "masquerade_classes", "envelope_sender, header_sender, header_recipient", programs: "cleanup",
        "Where masquerade_domains apply.")
    public static let masqueradeExceptions = Parameter.list(
        "masquerade_exceptions", "", programs: "cleanup", "User names that masquerade_domains leaves alone.")
    public static let alwaysAddMissingHeaders = Parameter.flag(
        "always_add_missing_headers", false, programs: "cleanup",
        "Whether From, To, Date and Message-ID are also added to mail of remote clients.")
    public static let messageDropHeaders = Parameter.list(
        "message_drop_headers", "bcc, content-length, resent-bcc, return-path", programs: "cleanup",
        "Header fields that are removed from every message.")
    public static let undisclosedRecipientsHeader = Parameter.string(
        "undisclosed_recipients_header", "", programs: "cleanup",
        "The header field that is inserted where a message names no recipient; empty inserts none.")
    public static let enableOriginalRecipient = Parameter.flag(
        "enable_original_recipient", true, programs: "cleanup local",
        "Whether the address before rewriting is kept for X-Original-To and notices.")
    public static let duplicateFilterLimit = Parameter.integer(
        "duplicate_filter_limit", "1000", in: ParameterBounds.count, programs: "cleanup local",
        "Accepted for Postfix configurations: duplicates are found however many recipients there are.")
    public static let headerFromFormat = Parameter.words(
        "header_from_format", "standard", of: ["standard", "obsolete"], programs: "cleanup", "The form of a From field that is added.")
    public static let fullNameEncodingCharset = Parameter.string(
        "full_name_encoding_charset", "utf-8", required: true, programs: "cleanup",
        "The character set of full names in From fields that are added.")
    public static let strictRFC821Envelopes = Parameter.flag(
        "strict_rfc821_envelopes", false, programs: "smtpd", "Whether MAIL FROM and RCPT TO require angle brackets and plain addresses.")
    public static let defaultVerpDelimiters = Parameter.string(
        "default_verp_delimiters", "+=", required: true, programs: "sendmail",
        "The two characters of variable envelope return paths (sendmail -XV) where none are given.",
        discussion: "list@origin for user@domain becomes list+user=domain@origin.")
    public static let verpDelimiterFilter = Parameter.string(
        "verp_delimiter_filter", "-=+", required: true, programs: "sendmail postdrop",
        "The characters that may be delimiters of variable envelope return paths.")

    static let addressesGroup: [ParameterDeclaration] = [
        recipientDelimiter.declaration, localRecipientMaps.declaration, aliasMaps.declaration, aliasDatabase.declaration,
        virtualAliasMaps.declaration, virtualAliasDomains.declaration, virtualAliasExpansionLimit.declaration,
        virtualAliasRecursionLimit.declaration, virtualAliasAddressLengthLimit.declaration, propagateUnmatchedExtensions.declaration,
        virtualMailboxDomains.declaration, virtualMailboxMaps.declaration, transportMaps.declaration, localTransport.declaration,
        defaultTransport.declaration, relayTransport.declaration, virtualTransport.declaration,
        appendAtMyorigin.declaration, appendDotMydomain.declaration, localHeaderRewriteClients.declaration,
        remoteHeaderRewriteDomain.declaration, swapBangpath.declaration, allowPercentHack.declaration, masqueradeDomains.declaration,
        allowMinUser.declaration, alwaysBcc.declaration, alwaysAddMissingHeaders.declaration,
        messageDropHeaders.declaration, undisclosedRecipientsHeader.declaration, enableOriginalRecipient.declaration,
        duplicateFilterLimit.declaration, headerFromFormat.declaration, fullNameEncodingCharset.declaration,
        strictRFC821Envelopes.declaration, senderBccMaps.declaration, recipientBccMaps.declaration, canonicalMaps.declaration,
        canonicalClasses.declaration, senderCanonicalMaps.declaration, senderCanonicalClasses.declaration,
        recipientCanonicalMaps.declaration, recipientCanonicalClasses.declaration, masqueradeClasses.declaration,
        masqueradeExceptions.declaration,
        defaultVerpDelimiters.declaration, verpDelimiterFilter.declaration,
    ]
}
