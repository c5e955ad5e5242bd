// The parameters that `local` reads, as one value: a test makes its own.

import MailConfiguration

/// What the administrator wants of local delivery.
struct LocalSettings: Sendable {
    /// Where an expansion came from, and so what it may ask for (`allow_mail_to_commands`, `allow_mail_to_files`).
    enum Source: String, Sendable, Hashable {
        case alias
        case forward
        case include
    }

    var myhostname = "localhost"
    var recipientDelimiter = ""
    var mailSpoolDirectory = "/var/mail"
    var homeMailbox = ""
    var mailboxCommand = ""
    var luserRelay = ""
    var forwardPath: [String] = ["$home/.forward${recipient_delimiter}${extension}", "$home/.forward"]
    var commandSources: Set<Source> = [.alias, .forward]
    var fileSources: Set<Source> = [.alias, .forward]
    /// Seconds.
    var commandTimeLimit = 1000
    /// Octets; 0 for no limit.
    var mailboxSizeLimit = 0
    var lockMethods: [MailboxLock.Method] = [.fcntl, .dotlock]
    var lockAttempts = 20
    /// Seconds.
    var lockDelay = 1
    /// Seconds.
    var staleLockTime = 500
    var expansionLimit = 1000
    var requireHomeDirectory = false
    var strictMailboxOwnership = true
    /// `prepend_delivered_header`: of `command`, `file`, `forward`.
    var deliveredHeaders: Set<String> = ["command", "file", "forward"]
    var exportEnvironment: [String] = ["TZ"]
    /// `mailbox_transport`; empty for none.
    var mailboxTransport = ""
    /// `fallback_transport`; empty for none.
    var fallbackTransport = ""
    /// `command_execution_directory`, not expanded; empty for the user's home.
    var commandDirectory = ""
    /// `local_command_shell`: a program and its arguments, to which a command is added as the last; empty for none.
    var commandShell = ""
    /// `expand_owner_alias`.
    var expandsOwnerAlias = false
    /// `reset_owner_alias`.
    var resetsOwnerAlias = false
    /// `owner_request_special`.
    var ownerIsSpecial = true
    /// `enable_original_recipient`: X-Original-To is added.
    var showsOriginalRecipient = true
    /// `delay_logging_resolution_limit`.
    var delayDecimals = 2

    /// The characters that a value from the message may have in the environment of a command (`command_expansion_filter` of Postfix).
    static let safeCharacters = "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    static let commandPath = "/usr/bin:/bin"

    init() {}

    init(_ configuration: Configuration) {
        myhostname = configuration[Parameters.myhostname]
        delayDecimals = configuration[Parameters.delayLoggingResolutionLimit]
        recipientDelimiter = configuration[Parameters.recipientDelimiter]
        mailSpoolDirectory = configuration[Parameters.mailSpoolDirectory]
        homeMailbox = configuration[Parameters.homeMailbox]
        mailboxCommand = configuration[Parameters.mailboxCommand]
        luserRelay = configuration[Parameters.luserRelay]
        forwardPath = configuration[Parameters.forwardPath]
        commandSources = Set(configuration[Parameters.allowMailToCommands].compactMap { Source(rawValue: $0) })
        fileSources = Set(configuration[Parameters.allowMailToFiles].compactMap { Source(rawValue: $0) })
        commandTimeLimit = configuration[Parameters.commandTimeLimit]
        mailboxSizeLimit = configuration[Parameters.mailboxSizeLimit]
        lockMethods = configuration[Parameters.mailboxDeliveryLock].compactMap { MailboxLock.Method(rawValue: $0) }
        lockAttempts = configuration[Parameters.deliverLockAttempts]
        lockDelay = configuration[Parameters.deliverLockDelay]
        staleLockTime = configuration[Parameters.staleLockTime]
        expansionLimit = configuration[Parameters.aliasExpansionLimit]
        requireHomeDirectory = configuration[Parameters.requireHomeDirectory]
        strictMailboxOwnership = configuration[Parameters.strictMailboxOwnership]
        exportEnvironment = configuration[Parameters.exportEnvironment]
        deliveredHeaders = Set(configuration[Parameters.prependDeliveredHeader])
        mailboxTransport = configuration[Parameters.mailboxTransport]
        fallbackTransport = configuration[Parameters.fallbackTransport]
        commandDirectory = configuration[Parameters.commandExecutionDirectory]
        commandShell = configuration[Parameters.localCommandShell]
        expandsOwnerAlias = configuration[Parameters.expandOwnerAlias]
        resetsOwnerAlias = configuration[Parameters.resetOwnerAlias]
        ownerIsSpecial = configuration[Parameters.ownerRequestSpecial]
        showsOriginalRecipient = configuration[Parameters.enableOriginalRecipient]
    }
}
