// Giving up everything that master.cf says: first the file system, then root's rights, for good (ARCHITECTURE.md, "Privileges").
//
// Security: the order is chroot, bounding set, groups, user, proof; each step that fails ends the program. In a private instance of an ordinary
// user there is nothing to give up and no right to do it with; the columns unpriv and chroot have no effect there.

import MailConfiguration
import SystemKit

/// What a daemon gives up between its start and its work.
struct Jail {
    private let directory: String?
    private let owner: UserRecord?

    /// Reads what is needed of the user database, while it can be read.
    init(_ context: ServiceContext, _ identity: Daemon.Identity) throws {
        let options = context.options
        guard Privileges.isRoot, !options.checksOnly else {
            directory = nil
            owner = nil
            return
        }
        if options.isJailed && identity != .networkOwner {
            throw ServiceUsageError("option -j: \(context.program) works on files by their names and cannot be jailed")
        }
        directory = options.isJailed ? context.configuration[Parameters.jailDirectory] : nil
        guard options.dropsPrivileges else {
            owner = nil
            return
        }
        let name = context.configuration[identity == .mailOwner ? Parameters.mailOwner : Parameters.networkOwner]
        guard let user = try UserDatabase.user(named: name) else {
            throw SystemError(errno: 2, operation: "find user", object: name)
        }
        owner = user
    }

    /// Before anything is opened.
    func prepare() { if directory != nil { FileWatch.ofProcess.begin() } }

    /// After everything was opened, and before there is a second thread.
    func enter() throws {
        if let directory {
            // master made it at its start; who removed it since must not stop the mail.
            try JailDirectory.make(directory)
            if let problem = try JailDirectory.problem(directory) { throw JailError(description: "jail_directory: \(problem)") }
            try Privileges.chroot(to: directory)
            FileWatch.ofProcess.seal()
        }
        if let owner {
            // What it makes, such as a log file that was moved, is nobody else's.
            Files.setCreationMask(0o077)
            try Privileges.becomePowerless(user: owner.uid, group: owner.gid)
        }
    }
}

/// A jail that must not be used.
struct JailError: Error, CustomStringConvertible {
    let description: String
}
