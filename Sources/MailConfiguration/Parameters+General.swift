// Parameters: who this system is, and where its files are.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

import MailModel

extension Parameters {
    public static let mailName = Parameter.string(
        "mail_name", "Martlet", programs: "smtpd cleanup bounce smtp local",
        "The name of the mail system, in the greeting, Received fields and notices.")
    public static let mailVersion = Parameter.string(
        "mail_version", MartletVersion.current, programs: "smtpd",
        "The version of the mail system, for use in other parameters as $mail_version.")
    public static let compatibilityLevel = Parameter.string(
        "compatibility_level", "3.6", programs: "martlet",
        "Accepted for Postfix configurations; Martlet always has the newest safe defaults.")
    public static let myhostname = Parameter.string(
        "myhostname", "", note: "the name of the system; where that has no dot, with $mydomain appended", required: true,
        programs: "smtpd smtp cleanup qmgr local bounce pickup sendmail", "The Internet host name of this mail system.",
        discussion: "Used in the greeting, in HELO, Received and Message-ID fields and as the default of many parameters.")
    public static let mydomain = Parameter.string(
        "mydomain", "", note: "$myhostname without its first label, or localdomain", required: true, programs: "smtpd cleanup local qmgr",
        "The Internet domain of this mail system.")
    public static let myorigin = Parameter.string(
        "myorigin", "$myhostname", required: true, programs: "cleanup local qmgr sendmail bounce",
        "The domain that is appended to addresses without one.",
        discussion: "A file name (beginning with a slash) takes the first line of that file.")
    public static let mydestination = Parameter.list(
        "mydestination", "$myhostname, localhost.$mydomain, localhost", programs: "smtpd cleanup qmgr local",
        "The domains whose mail is delivered by local_transport.",
        discussion: "Words are domains, /file/name for a file of words, type:table, and !word to exclude.")
    public static let mynetworks = Parameter.list(
        "mynetworks", "", note: "what mynetworks_style says", programs: "smtpd", "The networks of clients that are trusted to relay mail.",
        discussion: "Words are addresses, networks (address/bits), /file/name, type:table, and !word to exclude. An IPv6 address is "
            + "written in square brackets.")
    public static let mynetworksStyle = Parameter.words(
        "mynetworks_style", "host", of: ["host", "subnet", "class"], programs: "smtpd",
        "How the default of mynetworks is made from the interfaces of inet_interfaces.",
        discussion:
            "host trusts this host itself, subnet the networks it is directly connected to, class whole networks of class A, B or C. "
            + "127.0.0.0/8 counts as this host. Set mynetworks itself where the network is not under your own control.")
    public static let inetInterfaces = Parameter.list(
        "inet_interfaces", "all", programs: "master smtp",
        "The addresses on which this system receives mail: all, loopback-only, or host names and addresses.")
    public static let inetProtocols = Parameter.list(
        "inet_protocols", "all", programs: "master smtp smtpd", "The address families in use: all, ipv4, ipv6.")
    public static let proxyInterfaces = Parameter.list(
        "proxy_interfaces", "", programs: "smtp qmgr",
        "Addresses under which this system is reached through a proxy or address translator; for the detection of loops.")
    public static let relayDomains = Parameter.list(
        "relay_domains", "", programs: "smtpd qmgr", "The domains to which this system relays mail for everybody.",
        discussion: "Words as in mydestination; a word example.org also matches its subdomains where relay_domains is named in "
            + "parent_domain_matches_subdomains.")
    public static let relayRecipientMaps = Parameter.list(
        "relay_recipient_maps", "", programs: "smtpd cleanup",
        "Tables with all valid addresses in relay_domains; empty accepts every address.")
    public static let parentDomainMatchesSubdomains = Parameter.list(
        "parent_domain_matches_subdomains",
        "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps",
        programs: "smtpd qmgr cleanup",
        "Parameters in whose lists a domain also matches its subdomains without a leading dot.",
        discussion: "In every list, a word .example.org matches the subdomains.")
    public static let relayhost = Parameter.string(
        "relayhost", "", programs: "qmgr", "The next hop for mail to other domains; empty sends to the hosts named in DNS.",
        discussion: "Written as domain, [host], [host]:port or domain:port; square brackets turn MX lookups off.")
    public static let queueDirectory = Parameter.string(
        "queue_directory", "/var/spool/martlet", required: true, programs: "", "The directory of the mail queue and of the sockets.")
    public static let commandDirectory = Parameter.string(
        "command_directory", "/usr/sbin", required: true, programs: "master sendmail martlet",
        "Where the administrator's commands are, postdrop and postqueue among them.")
    public static let daemonDirectory = Parameter.string(
        "daemon_directory", "/usr/libexec/martlet", required: true, programs: "master martlet", "Where the daemon programs are.")
    public static let dataDirectory = Parameter.string(
        "data_directory", "/var/lib/martlet", required: true, programs: "master",
        "The directory of data that daemons write and that are not mail.")
    public static let configDirectory = Parameter.string(
        "config_directory", "/etc/martlet", note: "/etc/martlet, or the directory the configuration was read from", required: true,
        programs: "", "The directory of main.cf and master.cf.")
    public static let mailOwner = Parameter.string(
        "mail_owner", "martlet", required: true, programs: "master cleanup qmgr bounce pickup martlet",
        "The user who owns the queue and runs the programs that handle it.")
    public static let networkOwner = Parameter.string(
        "network_owner", "martlet-net", required: true, programs: "smtpd smtp resolver martlet",
        "The user of the programs that talk to the network; it owns nothing.",
        discussion: "This parameter is new in Martlet. smtpd, smtp and resolver run as this user.")
    public static let setgidGroup = Parameter.string(
        "setgid_group", "postdrop", required: true, programs: "master postdrop postqueue martlet",
        "The group of the set-gid commands postdrop and postqueue and of the directories they may reach.")
    public static let defaultPrivs = Parameter.string(
        "default_privs", "nobody", required: true, programs: "local",
        "The user for deliveries to commands and files of alias tables that root owns.")
    public static let defaultDatabaseType = Parameter.string(
        "default_database_type", "lmdb", required: true, programs: "martlet newaliases",
        "The table type of map build, postmap and newaliases where none is named.")
    public static let syslogName = Parameter.string(
        "syslog_name", "martlet", required: true, programs: "",
        "What precedes the program name in log lines; postfix makes the tools that read Postfix logs work unchanged.")
    public static let syslogFacility = Parameter.words(
        "syslog_facility", "mail",
        of: [
            "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp", "local0", "local1",
            "local2", "local3", "local4", "local5", "local6", "local7",
        ],
        programs: "", "The syslog facility.")
    public static let maillogFile = Parameter.string(
        "maillog_file", "", programs: "", "A file for log lines in place of syslog; /dev/stdout stands for standard output.",
        discussion:
            "The file's name must begin with a prefix from maillog_file_prefixes. Standard output is that of whoever started master, "
            + "which has to stay in the foreground for it (martlet start --foreground), as in a container.")
    public static let maillogFormat = Parameter.words(
        "maillog_format", "classic", of: ["classic", "json"], programs: "",
        "How lines in maillog_file look: as Postfix writes them, or as JSON objects.",
        discussion: "This parameter is new in Martlet. classic is what log analysers for Postfix read. With json each line is one "
            + "object with time (RFC 3339, UTC), host, program, tag, pid, severity, message (the classic text) and the facts of the event, "
            + "such as queue_id, event, client_address, sender, recipient, relay, the delays, dsn, status and reason; see martlet_log(5).")
    public static let maillogJournal = Parameter.words(
        "maillog_journal", "auto", of: ["auto", "yes", "no"], programs: "",
        "Whether lines for the system logger go to journald with the facts of the event beside the classic text.",
        discussion:
            "This parameter is new in Martlet. auto does so where journald reads /dev/log anyway; no uses /dev/log always. It has no "
            + "effect with maillog_file. Facts are journal fields with the prefix MARTLET_; see martlet_log(5).")
    public static let maillogFilePrefixes = Parameter.list(
        "maillog_file_prefixes", "/var, /dev/stdout", programs: "", "Where a maillog_file may be.")
    public static let mailSpoolDirectory = Parameter.string(
        "mail_spool_directory", "/var/mail", required: true, programs: "local", "The directory of the users' mailboxes in mbox format.")
    public static let importEnvironment = Parameter.list(
        "import_environment", "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C", programs: "master sendmail postdrop",
        "Environment variables a program keeps; a word name=value sets one.")
    public static let exportEnvironment = Parameter.list(
        "export_environment", "TZ MAIL_CONFIG LANG", programs: "local",
        "Environment variables that commands of users receive; a word name=value sets one.")
    public static let delayLoggingResolutionLimit = Parameter.integer(
        "delay_logging_resolution_limit", "2", in: 0...6, programs: "smtp local qmgr",
        "How many digits after the point the delays in log lines have.")
    public static let enableLongQueueIds = Parameter.flag(
        "enable_long_queue_ids", true, programs: "cleanup",
        "Accepted for Postfix configurations; queue ids are always long and not reused.")
    public static let smtputf8Enable = Parameter.flag(
        "smtputf8_enable", true, programs: "smtpd smtp cleanup sendmail",
        "Whether internationalized addresses (RFC 6531) are offered and used.")
    public static let emptyAddressRecipient = Parameter.string(
        "empty_address_recipient", "MAILER-DAEMON", required: true, programs: "cleanup qmgr local",
        "The local recipient of mail addressed to the null address.")
    public static let doubleBounceSender = Parameter.string(
        "double_bounce_sender", "double-bounce", required: true, programs: "bounce cleanup qmgr",
        "The sender of notices that must never be bounced; mail to it is discarded.")
    public static let lineLengthLimit = Parameter.integer(
        "line_length_limit", "2048", in: 512...1_048_576, unit: "bytes", programs: "smtpd cleanup smtp local",
        "How long a line of a message header or of internal protocols may be before it is broken.")
    public static let messageSizeLimit = Parameter.integer(
        "message_size_limit", "10240000", in: ParameterBounds.size, unit: "bytes", programs: "smtpd cleanup pickup sendmail postdrop",
        "How large a message with its envelope may be; 0 for no limit.")
    public static let commitLogSize = Parameter.integer(
        "commit_log_size", "33554432", in: 0...(1 << 30), unit: "bytes", programs: "cleanup",
        "How large each of the two files is that make small messages durable together; 0 for none.",
        discussion:
            "This parameter is new in Martlet. The files are commit/log.N below queue_directory; they are made when messages come "
            + "densely (a message that shares its commit with others for each 512 KB of their size, within a second), and only where the file system has room for eight of them. Without them each message is synced for itself."
    )
    public static let queueMinfree = Parameter.integer(
        "queue_minfree", "0", in: ParameterBounds.size, unit: "bytes", programs: "smtpd cleanup",
        "How much space in the queue file system must stay free for mail to be received; at least 1.5 times "
            + "message_size_limit is required anyway.")
    public static let headerSizeLimit = Parameter.integer(
        "header_size_limit", "102400", in: 1...Int.max / 4, unit: "bytes", programs: "cleanup",
        "How much of one message header is kept; the rest is dropped, with a warning in the log.")
    public static let headerAddressTokenLimit = Parameter.integer(
        "header_address_token_limit", "10240", in: ParameterBounds.positive, programs: "cleanup",
        "How many address tokens of a header are looked at.")
    public static let hopcountLimit = Parameter.integer(
        "hopcount_limit", "50", in: ParameterBounds.positive, programs: "cleanup",
        "How many Received fields a message may have before it is returned as looping.")

    static let generalGroup: [ParameterDeclaration] = [
        mailName.declaration, mailVersion.declaration, compatibilityLevel.declaration, myhostname.declaration, mydomain.declaration,
        myorigin.declaration, mydestination.declaration, mynetworks.declaration, mynetworksStyle.declaration, inetInterfaces.declaration,
        inetProtocols.declaration, proxyInterfaces.declaration, relayDomains.declaration, relayRecipientMaps.declaration,
        parentDomainMatchesSubdomains.declaration, relayhost.declaration, queueDirectory.declaration, commandDirectory.declaration,
        daemonDirectory.declaration, dataDirectory.declaration, configDirectory.declaration, mailOwner.declaration,
        networkOwner.declaration, setgidGroup.declaration, defaultPrivs.declaration, defaultDatabaseType.declaration,
        syslogName.declaration, syslogFacility.declaration, maillogFile.declaration, maillogFormat.declaration, maillogJournal.declaration,
        maillogFilePrefixes.declaration,
        mailSpoolDirectory.declaration, importEnvironment.declaration, exportEnvironment.declaration,
        delayLoggingResolutionLimit.declaration, enableLongQueueIds.declaration, smtputf8Enable.declaration,
        emptyAddressRecipient.declaration, doubleBounceSender.declaration, lineLengthLimit.declaration, messageSizeLimit.declaration,
        commitLogSize.declaration, queueMinfree.declaration, headerSizeLimit.declaration, headerAddressTokenLimit.declaration,
        hopcountLimit.declaration,
    ]
}
