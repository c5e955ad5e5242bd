// Parameters: local.
//
// Names, defaults and meaning are Postfix's where Postfix has the parameter.

extension Parameters {
    public static let homeMailbox = Parameter.string(
        "home_mailbox", "", programs: "local", "The mailbox relative to a user's home; a name that ends with a slash is a Maildir.")
    public static let mailboxCommand = Parameter.string(
        "mailbox_command", "", raw: true, programs: "local",
        "The command that delivers to users in place of a mailbox; no shell is used.",
        discussion: "The text is split into an argument vector; $user, $home, $extension, $recipient, $domain, $local, $mailbox and "
            + "$shell are put in each argument as data.")
    public static let mailboxCommandMaps = Parameter.list(
        "mailbox_command_maps", "", programs: "local", "Tables from a user to the command that delivers to that user.")
    public static let mailboxTransport = Parameter.string(
        "mailbox_transport", "", programs: "local", "The transport that delivers to local mailboxes, after aliases and .forward files.",
        discussion: "Written as transport:nexthop, such as lmtp:unix:/run/dovecot/lmtp. It gets names without an account as well; "
            + "local_recipient_maps must list them.")
    public static let mailboxTransportMaps = Parameter.list(
        "mailbox_transport_maps", "", programs: "local", "Tables from a user to the transport that delivers to that user's mailbox.")
    public static let fallbackTransport = Parameter.string(
        "fallback_transport", "", programs: "local", "The transport for names that are neither an alias nor an account.",
        discussion: "Written as transport:nexthop; local_recipient_maps must list the names, or be empty.")
    public static let fallbackTransportMaps = Parameter.list(
        "fallback_transport_maps", "", programs: "local", "Tables from an unknown name to the transport for it.")
    public static let luserRelay = Parameter.string(
        "luser_relay", "", raw: true, programs: "local",
        "Where mail for unknown local names goes; needs local_recipient_maps to be empty.",
        discussion: "$domain, $extension, $home, $local, $recipient, $recipient_delimiter, $shell and $user are expanded.")
    public static let forwardPath = Parameter.list(
        "forward_path", "$home/.forward${recipient_delimiter}${extension}, $home/.forward", raw: true, programs: "local",
        "The files in which a user's forwarding is looked for.")
    public static let allowMailToCommands = Parameter.list(
        "allow_mail_to_commands", "alias, forward", programs: "local", "Where commands are allowed: alias, forward, include.")
    public static let allowMailToFiles = Parameter.list(
        "allow_mail_to_files", "alias, forward", programs: "local", "Where file names are allowed: alias, forward, include.")
    public static let commandTimeLimit = Parameter.time(
        "command_time_limit", "1000s", programs: "local", "How long a delivery command may run.")
    public static let commandExecutionDirectory = Parameter.string(
        "command_execution_directory", "", raw: true, programs: "local",
        "The directory in which a delivery command runs; empty for the user's home.",
        discussion: "$user, $home, $shell, $recipient, $domain, $local, $extension and $recipient_delimiter are expanded.")
    public static let localCommandShell = Parameter.string(
        "local_command_shell", "", programs: "local",
        "A program that is given a delivery command as its last argument; empty runs the command itself, and by /bin/sh where it has characters of the shell."
    )
    public static let mailboxSizeLimit = Parameter.integer(
        "mailbox_size_limit", "51200000", in: ParameterBounds.size, unit: "bytes", programs: "local",
        "How large a mailbox or a file may become; 0 for no limit.")
    public static let mailboxDeliveryLock = Parameter.list(
        "mailbox_delivery_lock", "fcntl, dotlock", programs: "local", "How mailboxes are locked: fcntl, flock, dotlock.")
    public static let virtualMailboxLock = Parameter.list(
        "virtual_mailbox_lock", "fcntl, dotlock", programs: "local", "How virtual mailboxes are locked.")
    public static let deliverLockAttempts = Parameter.integer(
        "deliver_lock_attempts", "20", in: ParameterBounds.positive, programs: "local", "How often a lock is tried.")
    public static let deliverLockDelay = Parameter.time(
        "deliver_lock_delay", "1s", programs: "local", "The time between two tries of a lock.")
    public static let staleLockTime = Parameter.time(
        "stale_lock_time", "500s", programs: "local", "The age at which a lock file is removed as left over.")
    public static let localDestinationConcurrencyLimit = Parameter.integer(
        "local_destination_concurrency_limit", "2", in: ParameterBounds.count, programs: "qmgr",
        "How many deliveries to one local user run at a time.")
    public static let localDestinationRecipientLimit = Parameter.integer(
        "local_destination_recipient_limit", "1", in: ParameterBounds.count, unit: "recipients", programs: "qmgr",
        "How many recipients one local delivery has.")
    public static let expandOwnerAlias = Parameter.flag(
        "expand_owner_alias", false, programs: "local",
        "Whether the sender of a list becomes the expansion of owner-list instead of owner-list itself.")
    public static let ownerRequestSpecial = Parameter.flag(
        "owner_request_special", true, programs: "local cleanup",
        "Whether owner-list and list-request are not split at a minus sign used as recipient_delimiter.")
    public static let resetOwnerAlias = Parameter.flag(
        "reset_owner_alias", false, programs: "local", "Whether aliases below an alias with an owner lose that owner.")
    public static let prependDeliveredHeader = Parameter.list(
        "prepend_delivered_header", "command, file, forward", programs: "local", "Deliveries that get a Delivered-To field.")
    public static let requireHomeDirectory = Parameter.flag(
        "require_home_directory", false, programs: "local", "Whether delivery is deferred where a user's home does not exist.")
    public static let strictMailboxOwnership = Parameter.flag(
        "strict_mailbox_ownership", true, programs: "local", "Whether a mailbox must belong to its user.")
    public static let biff = Parameter.flag(
        "biff", false, programs: "local", "Accepted for Postfix configurations; nobody is told of new mail.")
    public static let aliasExpansionLimit = Parameter.integer(
        "alias_expansion_limit", "1000", in: ParameterBounds.positive, unit: "recipients", programs: "local",
        "How many recipients one local recipient may become; also how deep aliases may be nested.",
        discussion: "This parameter is new in Martlet.")

    static let localDeliveryGroup: [ParameterDeclaration] = [
        mailboxTransportMaps.declaration, fallbackTransportMaps.declaration, homeMailbox.declaration, mailboxCommand.declaration,
        mailboxCommandMaps.declaration, mailboxTransport.declaration,
        fallbackTransport.declaration, luserRelay.declaration, forwardPath.declaration, allowMailToCommands.declaration,
        allowMailToFiles.declaration, commandTimeLimit.declaration, commandExecutionDirectory.declaration, localCommandShell.declaration,
        mailboxSizeLimit.declaration, mailboxDeliveryLock.declaration, virtualMailboxLock.declaration, deliverLockAttempts.declaration,
        deliverLockDelay.declaration, staleLockTime.declaration, localDestinationConcurrencyLimit.declaration,
        localDestinationRecipientLimit.declaration, expandOwnerAlias.declaration, ownerRequestSpecial.declaration,
        resetOwnerAlias.declaration, prependDeliveredHeader.declaration, requireHomeDirectory.declaration,
        strictMailboxOwnership.declaration, biff.declaration, aliasExpansionLimit.declaration,
    ]
}
