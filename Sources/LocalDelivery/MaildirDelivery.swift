// Delivery into a Maildir: the message is written to `tmp` here; MaildirBatch makes it durable and gives it its name in `new`.

import SystemKit

/// A Maildir.
struct MaildirDelivery {
    /// With or without a final slash.
    let path: String
    let identity: DeliveryIdentity
    let hostName: String
    /// Microseconds since 1970.
    let time: Int64

    /// Writes the message, to become durable with the batch.
    ///
    /// - Parameter header: from ``DeliveryHeader``.
    /// - Returns: its place in the results of the batch.
    func deliver(
        _ content: borrowing MessageContent, header: [UInt8], form: MailboxForm, into batch: MaildirBatch
    ) throws(SystemError) -> Int {
        // All of it with the user's rights, so that permissions and quotas hold: the queue file is open already.
        let sequence = batch.nextSequence()
        return batch.add(
            try identity.perform { () throws(SystemError) in try write(content, header: header, form: form, sequence: sequence) })
    }

    private func write(
        _ content: borrowing MessageContent, header: [UInt8], form: MailboxForm, sequence: Int
    ) throws(SystemError) -> MaildirBatch.Entry {
        let directory = path.utf8.last == UInt8(ascii: "/") ? String(path.dropLast()) : path
        let host = MaildirDelivery.safe(hostName)
        let (seconds, micro) = (time / 1_000_000, time % 1_000_000)
        let temporary = "\(directory)/tmp/\(seconds).M\(micro)P\(ProcessSpawn.currentProcessID)Q\(sequence).\(host)"
        let file = try create(temporary, in: directory)
        do throws(SystemError) {
            var writer = MaildirFileWriter(file, length: content.length)
            try content.forEachStoredPiece(header: header, form: form) { piece throws(SystemError) in
                try writer.write(piece, to: file)
            }
            let status = try file.status()
            let device = String(status.device, radix: 16)
            let inode = String(status.inode, radix: 16)
            return MaildirBatch.Entry(
                identity: identity, descriptor: file.release(), temporary: temporary,
                final: "\(directory)/new/\(seconds).V\(device)I\(inode)M\(micro).\(host)", directory: "\(directory)/new")
        } catch {
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
