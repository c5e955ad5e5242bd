// Delivery into a Maildir: written to `tmp`, synced, renamed into `new`, and that directory synced. Only then does it count as delivered.
//
// A crash before the rename leaves a file in `tmp`, which mail readers clean up after 36 hours (maildir(5)); after it, a message that the
// queue may deliver a second time.

import SystemKit

/// A Maildir.
struct MaildirDelivery {
    /// With or without a final slash.
    let path: String
    let identity: DeliveryIdentity
    let hostName: String
    /// Microseconds since 1970.
    let time: Int64

    /// Puts the message in. When this returns it is durable.
    ///
    /// - Parameter header: from ``DeliveryHeader``.
    func deliver(_ content: borrowing MessageContent, header: [UInt8], form: MailboxForm) throws(SystemError) {
        // All of it with the user's rights, so that permissions and quotas hold: the queue file is open already.
        try identity.perform { () throws(SystemError) in try store(content, header: header, form: form) }
    }

    private func store(_ content: borrowing MessageContent, header: [UInt8], form: MailboxForm) throws(SystemError) {
        let directory = path.utf8.last == UInt8(ascii: "/") ? String(path.dropLast()) : path
        let host = MaildirDelivery.safe(hostName)
        let temporary = "\(directory)/tmp/\(time / 1_000_000).M\(time % 1_000_000)P\(ProcessSpawn.currentProcessID).\(host)"
        let file = try create(temporary, in: directory)
        do throws(SystemError) {
            try content.forEachStoredPiece(header: header, form: form) { piece throws(SystemError) in try file.writeAll(piece) }
            try file.synchronizeData()
            let status = try file.status()
            let device = String(status.device, radix: 16)
            let inode = String(status.inode, radix: 16)
            let name = "\(time / 1_000_000).V\(device)I\(inode)M\(time % 1_000_000).\(host)"
            try Files.rename(temporary, "\(directory)/new/\(name)")
            try Files.synchronizeDirectory("\(directory)/new")
        } catch {
            // After the rename the name is gone, and what is in `new` may be delivered a second time.
            try? Files.unlink(temporary)
            throw error
        }
    }

    /// Creates the file; the Maildir too where it is missing.
    private func create(_ temporary: String, in directory: String) throws(SystemError) -> FileDescriptor {
        let flags: OpenFlags = [.writeOnly, .create, .exclusive, .noFollow]
        do throws(SystemError) {
            return try FileDescriptor.open(temporary, flags, mode: 0o600)
        } catch {
            guard error.isNotFound else { throw error }
        }
        try makeMaildir(directory)
        return try FileDescriptor.open(temporary, flags, mode: 0o600)
    }

    private func makeMaildir(_ directory: String) throws(SystemError) {
        var missing: [String] = []
        var ancestor = directory
        // Postfix make_dirs: missing parents are made, too.
        while !ancestor.isEmpty, !(try Files.exists(ancestor)) {
            missing.append(ancestor)
            guard let slash = ancestor.lastIndex(of: "/") else { break }
            ancestor = String(ancestor[..<slash])
        }
        for path in missing.reversed() { try MaildirDelivery.make(path) }
        for name in ["tmp", "new", "cur"] { try MaildirDelivery.make("\(directory)/\(name)") }
        try Files.synchronizeDirectory(directory)
        for path in missing {
            guard let slash = path.lastIndex(of: "/") else { continue }
            let parent = path[..<slash]
            try Files.synchronizeDirectory(parent.isEmpty ? "/" : String(parent))
        }
    }

    /// Makes a directory that another delivery may be making, too.
    private static func make(_ path: String) throws(SystemError) {
        do throws(SystemError) {
            try Files.makeDirectory(path, mode: 0o700)
        } catch {
            if !error.isAlreadyThere { throw error }
        }
    }

    /// A host name as part of a file name: `/` and `:` are written in octal (maildir(5)).
    private static func safe(_ name: String) -> String {
        name.unicodeScalars.map { $0 == "/" ? "\\057" : $0 == ":" ? "\\072" : String($0) }.joined()
    }
}
