// Parameters: processes, time limits of services, and DNS.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let defaultProcessLimit = Parameter.integer(
        "default_process_limit", "100", in: ParameterBounds.positive, programs: "master",
        "How many processes a service may have where master.cf does not say.")
    public static let serviceThrottleTime = Parameter.time(
        "service_throttle_time", "60s", programs: "master", "How long a service that fails at once is left alone.")
    public static let maxIdle = Parameter.time(
        "max_idle", "100s", programs: "master smtpd smtp cleanup bounce", "How long an idle process waits for work before it ends.")
    public static let maxUse = Parameter.integer(
        "max_use", "100", in: ParameterBounds.positive, programs: "master smtpd smtp cleanup bounce local",
        "Accepted for Postfix configurations; processes serve many clients at a time and are not replaced.")
    public static let ipcTimeout = Parameter.time(
        "ipc_timeout", "3600s", programs: "", "How long an exchange between programs may take.")
    public static let daemonTimeout = Parameter.time(
        "daemon_timeout", "18000s", programs: "",
        "How long the event loop of a program may show no sign of life before the program is ended and replaced.")
    public static let stopTimeout = Parameter.time(
        "stop_timeout", "30s", programs: "master martlet", "How long programs have to finish after a stop before they are killed.",
        discussion: "This parameter is new in Martlet.")
    public static let cleanupServiceName = Parameter.string(
        "cleanup_service_name", "cleanup", required: true, programs: "smtpd pickup bounce local", "The service that takes new mail.")
    public static let bounceServiceName = Parameter.string(
        "bounce_service_name", "bounce", required: true, programs: "qmgr", "The service that records and reports failures.")
    public static let queueServiceName = Parameter.string(
        "queue_service_name", "qmgr", required: true, programs: "cleanup pickup martlet postqueue", "The service that schedules mail.")
    public static let pickupServiceName = Parameter.string(
        "pickup_service_name", "pickup", required: true, programs: "postdrop sendmail", "The service that takes local submissions.")
    public static let resolverServiceName = Parameter.string(
        "resolver_service_name", "resolver", required: true, programs: "smtpd smtp", "The service that looks up DNS records.",
        discussion: "This parameter is new in Martlet.")
    public static let resolverNameservers = Parameter.list(
        "resolver_nameservers", "", programs: "resolver",
        "Name servers as address or address@port; empty takes those of /etc/resolv.conf.",
        discussion: "This parameter is new in Martlet.")
    public static let resolverTrustAnchorFile = Parameter.string(
        "resolver_trust_anchor_file", "", programs: "resolver", "A file with DNSSEC trust anchors; empty turns validation off.",
        discussion: "This parameter is new in Martlet.")
    public static let resolverTimeout = Parameter.time(
        "resolver_timeout", "30s", programs: "resolver smtp smtpd", "How long a DNS query may take.",
        discussion: "This parameter is new in Martlet.")
    public static let resolverCacheSize = Parameter.integer(
        "resolver_cache_size", "16777216", in: 65_536...Int.max / 4, unit: "bytes", programs: "resolver",
        "How much memory the cache of DNS records may use.", discussion: "This parameter is new in Martlet.")
    public static let jailDirectory = Parameter.string(
        "jail_directory", "$queue_directory/jail", required: true, programs: "master smtpd smtp resolver martlet",
        "The empty directory that is the root directory of programs with y in the column chroot of master.cf.",
        discussion:
            "This parameter is new in Martlet. master makes it where it is missing; it must be empty and belong to root, and nobody "
            + "else may write there.")
    public static let networkSeccomp = Parameter.flag(
        "network_seccomp", true, programs: "smtpd smtp resolver",
        "Whether the kernel refuses system calls that a program of the network has no use for.",
        discussion:
            "This parameter is new in Martlet. Where the kernel or a container does not allow such a filter, the program says so in the "
            + "log and works without it.")
    public static let authorizedFlushUsers = Parameter.list(
        "authorized_flush_users", "static:anyone", programs: "postqueue martlet", "Who may flush the queue.")
    public static let authorizedMailqUsers = Parameter.list(
        "authorized_mailq_users", "static:anyone", programs: "postqueue martlet", "Who may list the queue.")
    public static let authorizedSubmitUsers = Parameter.list(
        "authorized_submit_users", "static:anyone", programs: "postdrop sendmail", "Who may submit mail.")
    public static let alternateConfigDirectories = Parameter.list(
        "alternate_config_directories", "", programs: "postdrop postqueue",
        "Configuration directories besides /etc/martlet that users may name to the set-gid commands.",
        discussion: "With -c or MAIL_CONFIG. Only the value in /etc/martlet/main.cf counts. Root may name any directory.")
    public static let localSubmissionRateLimit = Parameter.integer(
        "local_submission_rate_limit", "0", in: ParameterBounds.count, unit: "messages", programs: "pickup",
        "How many messages a user may submit with sendmail in local_submission_rate_time_unit; 0 for any number.",
        discussion: "This parameter is new in Martlet. What is over the limit is accepted and put on hold, and the log says so with the "
            + "user id; martlet queue release lets it go. A user is the owner of the process that ran sendmail. The counts begin "
            + "anew when pickup is restarted.")
    public static let localSubmissionRateTimeUnit = Parameter.time(
        "local_submission_rate_time_unit", "60s", in: 1...ParameterBounds.longestTime, programs: "pickup",
        "The time in which local_submission_rate_limit counts.",
        discussion: "This parameter is new in Martlet.")
    public static let localSubmissionRateExemptUsers = Parameter.list(
        "local_submission_rate_exempt_users", "root", programs: "pickup",
        "Login names and user ids for which local_submission_rate_limit does not count.",
        discussion: "This parameter is new in Martlet.")

    static let processesGroup: [ParameterDeclaration] = [
        defaultProcessLimit.declaration, serviceThrottleTime.declaration, maxIdle.declaration, maxUse.declaration, ipcTimeout.declaration,
        daemonTimeout.declaration, stopTimeout.declaration, cleanupServiceName.declaration, bounceServiceName.declaration,
        queueServiceName.declaration, pickupServiceName.declaration, resolverServiceName.declaration,
        resolverNameservers.declaration, resolverTrustAnchorFile.declaration, resolverTimeout.declaration, resolverCacheSize.declaration,
        jailDirectory.declaration, networkSeccomp.declaration,
        authorizedFlushUsers.declaration, authorizedMailqUsers.declaration, authorizedSubmitUsers.declaration,
        alternateConfigDirectories.declaration, localSubmissionRateLimit.declaration, localSubmissionRateTimeUnit.declaration,
        localSubmissionRateExemptUsers.declaration,
    ]
}
