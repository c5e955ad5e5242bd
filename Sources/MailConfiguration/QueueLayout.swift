// The directories of the queue with their owners and modes, made where they are missing.
//
// Security: modes are set explicitly, whatever the umask is. What exists is left as the administrator made it.

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
        let root: (user: UInt32, group: UInt32)
        let mail: (user: UInt32, group: UInt32)
        let networkGroup: UInt32
        let submissionGroup: UInt32

        public init(
            root: (user: UInt32, group: UInt32), mail: (user: UInt32, group: UInt32), networkGroup: UInt32, submissionGroup: UInt32
        ) {
            self.root = root
            self.mail = mail
            self.networkGroup = networkGroup
            self.submissionGroup = submissionGroup
        }
    }

    public let entries: [Entry]

    public init(_ owners: Owners) {
        let mail = owners.mail
        entries =
            ["incoming", "deferred", "hold", "corrupt", "bounce", "defer", "trace"].map {
                Entry(name: $0, mode: 0o700, owner: mail.user, group: mail.group)
            } + [
                // postdrop, set-gid to the submission group, may create files here and see none.
                Entry(name: "maildrop", mode: 0o730, owner: mail.user, group: owners.submissionGroup),
                // Programs that talk to the network reach their services here, and own nothing.
                Entry(name: "private", mode: 0o710, owner: mail.user, group: owners.networkGroup),
                Entry(name: "public", mode: 0o710, owner: mail.user, group: owners.submissionGroup),
                Entry(name: "pid", mode: 0o755, owner: owners.root.user, group: owners.root.group),
            ]
    }

    /// The owners that main.cf names; errors with their parameter when an account is missing.
    public static func owners(_ main: Configuration) throws(ConfigurationErrors) -> Owners {
        // `mail_owner = root` makes a private instance of root's, as it may for any caller: nobody else owns anything.
        guard Privileges.isRoot, main[Parameters.mailOwner] != "root" else {
            let me = (user: Privileges.effectiveUser, group: Privileges.effectiveGroup)
            return Owners(root: me, mail: me, networkGroup: me.group, submissionGroup: me.group)
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
        guard let mail, let network, let submission else { throw ConfigurationErrors(problems) }
        return Owners(
            root: (0, 0), mail: (mail.uid, mail.gid), networkGroup: network.gid, submissionGroup: submission.gid)
    }

    /// Makes what is missing. The queue directory itself too, but not what is above it.
    public func make(in queueDirectory: String) throws(SystemError) {
        try Self.make(queueDirectory, mode: 0o755, owner: nil)
        for entry in entries {
            try Self.make("\(queueDirectory)/\(entry.name)", mode: entry.mode, owner: (entry.owner, entry.group))
        }
    }

    private static func make(_ path: String, mode: UInt32, owner: (user: UInt32, group: UInt32)?) throws(SystemError) {
        do throws(SystemError) {
            try Files.makeDirectory(path, mode: 0o700)
        } catch {
            if error.isAlreadyThere { return }
            throw error
        }
        // Only root may give away; a private instance keeps what it made.
        if let owner, Privileges.isRoot { try Files.changeOwner(path, owner: owner.user, group: owner.group) }
        try Files.changeMode(path, mode)
    }
}
