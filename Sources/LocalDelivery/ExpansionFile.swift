// Reading what users and list owners wrote: `.forward` and `:include:` files.
//
// Security: opened with the reader's rights, never root's, without following a link in the last part of the name. A `.forward` counts only
// when it is a regular file of the user (or of root) that nobody else may write: otherwise somebody else would run commands as the user.

import MailModel
import SystemKit

enum ExpansionFile {
    /// Octets of a `.forward` or `:include:` file.
    static let limit = 4 << 20

    /// What became of looking for a `.forward`.
    enum Forward {
        case none
        case items([ExpansionItem])
        /// There is one, but it must not be believed; the text says why.
        case rejected(String)
    }

    /// Reads a user's `.forward`.
    static func forward(_ path: String, of user: DeliveryIdentity) throws(SystemError) -> Forward {
        let status: FileStatus
        let text: [UInt8]
        do throws(SystemError) {
            status = try user.perform { () throws(SystemError) in try Files.linkStatus(of: path) }
        } catch {
            // ENOENT, ENOTDIR, EACCES: to the user's own eyes there is no such file.
            if [2, 20, 13].contains(error.errno) { return .none }
            throw error
        }
        guard status.isRegularFile else { return .rejected("\(path) is not a regular file") }
        guard status.owner == 0 || status.owner == user.user else { return .rejected("\(path) has bad owner uid \(status.owner)") }
        guard status.mode & 0o002 == 0 else { return .rejected("\(path) is world writable") }
        do throws(SystemError) {
            text = try read(path, as: user, expecting: status)
        } catch {
            guard error.errno != 13 else { return .rejected("cannot open \(path)") }
            throw error
        }
        let items = ExpansionItem.list(file: text)
        return items.isEmpty ? .none : .items(items)
    }

    /// Reads an `:include:` file.
    ///
    /// - Throws: whatever is wrong with it: mail for a list is deferred until its owner has put it right.
    static func include(_ path: String, as reader: DeliveryIdentity) throws(SystemError) -> [ExpansionItem] {
        let status = try reader.perform { () throws(SystemError) in try Files.status(of: path) }
        guard status.isRegularFile else { throw SystemError(errno: 22, operation: "read :include: file", object: path) }
        guard status.mode & 0o002 == 0 else { throw SystemError(errno: 1, operation: "trust world writable :include: file", object: path) }
        return ExpansionItem.list(file: try read(path, as: reader, expecting: status))
    }

    private static func read(_ path: String, as reader: DeliveryIdentity, expecting: FileStatus) throws(SystemError) -> [UInt8] {
        try reader.perform { () throws(SystemError) in
            let file = try FileDescriptor.open(path, [.readOnly, .nonBlocking, .noControllingTerminal])
            let status = try file.status()
            // The file that was checked, not one that took its place.
            guard status.inode == expecting.inode, status.device == expecting.device else {
                throw SystemError(errno: 11, operation: "read", object: "\(path): replaced by another file")
            }
            return try file.readAll(limit: limit)
        }
    }
}
