// The directories of the queue with their owners and modes, made where they are missing.
//
// Security: modes are set explicitly, whatever the umask is. What exists is left as the administrator made it, except what earlier versions of
// Martlet made with too few or too many rights (`mend`).
//
// maildrop is 1770, and not 0730 as an earlier version made it (and 1730 as in Postfix), because `postdrop` must be able to open the
// directory: fsync(2) on the directory is the only portable way to make a new name durable, and exit status 0 of sendmail rests on it. What
// the read bit gives away are names made of time and inode number, and only to holders of the group, which are `postdrop` and `postqueue`;
// the sticky bit keeps a subverted one from removing or replacing what others submitted.

public import SystemKit

/// The layout of `queue_directory`.
public struct QueueLayout: Sendable {
    /// One directory below the queue directory.
    public struct Entry: Hashable, Sendable {
        public let name: String
        public let mode: UInt32
        public let owner: UInt32
        public let group: UInt32
    }

    /// Who owns the queue. In a private instance that is whoever runs it, in every role.
    public struct Owners: Sendable {
        public let root: (user: UInt32, group: UInt32)
        public let mail: (user: UInt32, group: UInt32)
        public let submissionGroup: UInt32

        public init(root: (user: UInt32, group: UInt32), mail: (user: UInt32, group: UInt32), submissionGroup: UInt32) {
            self.root = root
            self.mail = mail
            self.submissionGroup = submissionGroup
        }
    }

    public let entries: [Entry]

    public init(_ owners: Owners) {
        let mail = owners.mail
        entries =
            ["incoming", "deferred", "hold", "corrupt", "commit", "bounce", "defer", "trace"].map {
                Entry(name: $0, mode: 0o700, owner: mail.user, group: mail.group)
            } + [
                Entry(name: "maildrop", mode: 0o1770, owner: mail.user, group: owners.submissionGroup),
                // Programs that talk to the network get their connections from master.
                Entry(name: "private", mode: 0o700, owner: mail.user, group: mail.group),
                Entry(name: "public", mode: 0o710, owner: mail.user, group: owners.submissionGroup),
                Entry(name: "pid", mode: 0o755, owner: owners.root.user, group: owners.root.group),
            ]
    }

    /// The owners that main.cf names; errors with their parameter when an account is missing.
    public static func owners(_ main: Configuration) throws(ConfigurationErrors) -> Owners {
        // `mail_owner = root` makes a private instance of root's, as it may for any caller: nobody else owns anything.
        guard Privileges.isRoot, main[Parameters.mailOwner] != "root" else {
            let me = (user: Privileges.effectiveUser, group: Privileges.effectiveGroup)
            return Owners(root: me, mail: me, submissionGroup: me.group)
        }
        var problems: [ConfigurationProblem] = []
        func user(_ parameter: String, _ name: String) -> UserRecord? {
            do throws(SystemError) {
                if let found = try UserDatabase.user(named: name) { return found }
                problems.append(ConfigurationProblem(file: "", line: 0, text: "\(parameter): there is no user \(name)"))
            } catch {
                problems.append(ConfigurationProblem(file: "", line: 0, text: "\(parameter): \(error)"))
            }
            return nil
        }
        let mail = user("mail_owner", main[Parameters.mailOwner])
        let network = user("network_owner", main[Parameters.networkOwner])
        var submission: GroupRecord?
        let name = main[Parameters.setgidGroup]
        do throws(SystemError) {
            submission = try UserDatabase.group(named: name)
            if submission == nil {
                problems.append(ConfigurationProblem(file: "", line: 0, text: "setgid_group: there is no group \(name)"))
            }
        } catch {
            problems.append(ConfigurationProblem(file: "", line: 0, text: "setgid_group: \(error)"))
        }
        guard let mail, network != nil, let submission else { throw ConfigurationErrors(problems) }
        return Owners(root: (0, 0), mail: (mail.uid, mail.gid), submissionGroup: submission.gid)
    }

    /// Makes what is missing, durably. The queue directory itself too, but not what is above it.
    public func make(in queueDirectory: String) throws(SystemError) {
        var hasChanged = try Self.make(queueDirectory, mode: 0o755, owner: nil)
        if hasChanged, let slash = queueDirectory.lastIndex(of: "/") {
            // Without its name there is no queue after a power failure, however durable its files are.
            try Files.synchronizeDirectory(slash == queueDirectory.startIndex ? "/" : String(queueDirectory[..<slash]))
        }
        for entry in entries {
            let path = "\(queueDirectory)/\(entry.name)"
            if try Self.make(path, mode: entry.mode, owner: (entry.owner, entry.group)) { hasChanged = true }
        }
        if hasChanged { try Files.synchronizeDirectory(queueDirectory) }
        for entry in entries { try mend(entry, in: queueDirectory) }
    }

    /// Directories that earlier versions made otherwise: in that maildrop `postdrop` could not make a submission durable, and that `private` was
    /// open to the programs of the network.
    private func mend(_ entry: Entry, in queueDirectory: String) throws(SystemError) {
        let former: [String: [UInt32]] = ["maildrop": [0o730, 0o1730], "private": [0o710]]
        guard let modes = former[entry.name] else { return }
        let path = "\(queueDirectory)/\(entry.name)"
        let status = try Files.linkStatus(of: path)
        let mine = Privileges.isRoot || status.owner == Privileges.effectiveUser
        guard mine, status.isDirectory, modes.contains(status.mode) else { return }
        if Privileges.isRoot { try Files.changeOwner(path, owner: entry.owner, group: entry.group) }
        try Files.changeMode(path, entry.mode)
    }

    /// Whether it had to be made.
    @discardableResult
    private static func make(_ path: String, mode: UInt32, owner: (user: UInt32, group: UInt32)?) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try Files.makeDirectory(path, mode: 0o700)
        } catch {
            if error.isAlreadyThere { return false }
            throw error
        }
        // Only root may give away; a private instance keeps what it made.
        if let owner, Privileges.isRoot { try Files.changeOwner(path, owner: owner.user, group: owner.group) }
        try Files.changeMode(path, mode)
        return true
    }

    /// Makes one directory that is missing, durably.
    public static func make(_ entry: Entry, in queueDirectory: String) throws(SystemError) {
        try make("\(queueDirectory)/\(entry.name)", mode: entry.mode, owner: (entry.owner, entry.group))
        try Files.synchronizeDirectory(queueDirectory)
    }
}
