// Delivery into an mbox file: appended under locks and synced; what could not be written whole is cut off again.
//
// Security: a mail spool may be writable by more than one user (CVE-2008-2936). The file is opened without following links, must be
// regular, have one name, belong to its user, and still be the file of that name once the locks are held. It is opened with the rights of
// whoever may create files in the directory, and written with the user's own, so that quotas hold.

import SystemKit

/// An mbox file.
struct MboxDelivery {
    let path: String
    let identity: DeliveryIdentity
    let settings: LocalSettings
    /// The spool of the system: files are made by root where users may not make them, and must belong to their user.
    let isSpool: Bool
    let now: () -> Int64
    let pause: (Int) -> Void

    /// What went wrong: with the system, or with the mailbox.
    enum Failure: Error {
        case system(SystemError)
        /// The limit of `mailbox_size_limit`: permanent, as in Postfix.
        case tooLarge
        /// Something about the file that an administrator has to look at; the text says what.
        case unsafe(String)
    }

    /// Appends the message. When this returns it is durable.
    func deliver(_ content: borrowing MessageContent, header: [UInt8], form: MailboxForm) throws(Failure) {
        do {
            let opener = try self.opener()
            let (raw, isNew) = try opener.run(identity) { () throws(SystemError) in try open() }
            let file = FileDescriptor(owning: raw)
            if isNew, case .root = opener, Privileges.isRoot { try file.setOwner(identity.user, group: identity.group) }
            try check(file)
            let lock = try opener.run(identity) { () throws(SystemError) in
                try FileDescriptor.borrowing(raw) { open throws(SystemError) in
                    try MailboxLock.take(
                        open, path: path, settings: settings, mayLackLockFile: !isSpool, now: now, pause: pause)
                }
            }
            defer {
                if let lock { try? opener.run(identity) { () throws(SystemError) in MailboxLock.release(lock) } }
            }
            // Somebody may have replaced or removed the file while we waited for the lock.
            try check(file)
            try append(content, to: file, header: header, form: form)
            if isNew { try opener.run(identity) { () throws(SystemError) in try Files.synchronizeDirectory(directory) } }
        } catch let failure as Failure {
            throw failure
        } catch let error as SystemError {
            throw .system(error)
        } catch {
            throw .unsafe("\(error)")
        }
    }

    private enum Opener {
        case root
        case user

        func run<Result>(_ identity: DeliveryIdentity, _ work: () throws(SystemError) -> Result) throws(SystemError) -> Result {
            switch self {
            case .root: try work()
            case .user: try identity.perform(work)
            }
        }
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Postfix mailbox.c: root opens files in a spool in which the user cannot make them; everywhere else the user does.
    private func opener() throws(SystemError) -> Opener {
        guard isSpool else { return .user }
        let status = try Files.status(of: directory)
        let mode = status.mode
        let isWritable =
            mode & 0o002 != 0 || (mode & 0o020 != 0 && status.group == identity.group)
            || (mode & 0o200 != 0 && status.owner == identity.user)
        return isWritable ? .user : .root
    }

    private func open() throws(SystemError) -> (Int32, Bool) {
        for _ in 0..<5 {
            do throws(SystemError) {
                return (try FileDescriptor.open(path, [.readWrite, .append, .noFollow, .nonBlocking]).release(), false)
            } catch {
                guard error.isNotFound else { throw error }
            }
            do throws(SystemError) {
                let flags: OpenFlags = [.readWrite, .append, .create, .exclusive, .noFollow]
                return (try FileDescriptor.open(path, flags, mode: 0o600).release(), true)
            } catch {
                guard error.isAlreadyThere else { throw error }
            }
        }
        throw SystemError(errno: 11, operation: "open", object: path)
    }

    private func check(_ file: borrowing FileDescriptor) throws {
        let status = try file.status()
        guard status.isRegularFile else { throw Failure.unsafe("destination \(path) is not a regular file") }
        guard status.links == 1 else { throw Failure.unsafe("destination \(path) should not have more than one name") }
        if isSpool && settings.strictMailboxOwnership && Privileges.isRoot && status.owner != identity.user {
            throw Failure.unsafe("destination \(path) is not owned by recipient")
        }
        let named = try Files.linkStatus(of: path)
        guard named.inode == status.inode, named.device == status.device else {
            throw SystemError(errno: 11, operation: "open", object: "\(path): replaced by another file")
        }
    }

    private func append(
        _ content: borrowing MessageContent, to file: borrowing FileDescriptor, header: [UInt8], form: MailboxForm
    ) throws {
        let size = try file.status().size
        if settings.mailboxSizeLimit > 0, size + Int64(content.length) > Int64(settings.mailboxSizeLimit) { throw Failure.tooLarge }
        var start = header
        // A message that another program left without a final newline would swallow our From line.
        if size > 0, try file.pread(upTo: 1, at: size - 1) != [UInt8(ascii: "\n")] { start.insert(UInt8(ascii: "\n"), at: 0) }
        let descriptor = file.rawValue
        do {
            try identity.perform { () throws(SystemError) in
                try content.forEachStoredPiece(header: start, form: form, at: size) { piece throws(SystemError) in
                    try FileDescriptor.borrowing(descriptor) { open throws(SystemError) in try open.writeAll(piece) }
                }
            }
            try file.synchronize()
        } catch {
            // If even this fails, half a message stays; the next attempt puts a whole one behind it.
            try? file.truncate(to: size)
            throw error
        }
    }
}
