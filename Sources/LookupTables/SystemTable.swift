// `unix:passwd.byname` and `unix:group.byname`: the user database of the system.

import MailModel
import SystemKit

/// A table over the system's users or groups.
struct SystemTable: LookupTable {
    let database: String
    let name: String

    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? {
        // Without its files the name service would say that there is no such user.
        if FileWatch.ofProcess.isSealed { throw LookupError(table: name, reason: "cannot be used in a jail (chroot y in master.cf)") }
        do throws(SystemError) {
            switch database {
            case "passwd.byname":
                guard let text = Self.name(key), let user = try UserDatabase.user(named: text) else { return nil }
                return Array("\(user.name):*:\(user.uid):\(user.gid):\(user.gecos):\(user.home):\(user.shell)".utf8)
            case "group.byname":
                guard let text = Self.name(key), let group = try UserDatabase.group(named: text) else { return nil }
                return Array("\(group.name):*:\(group.gid):\(group.members.joined(separator: ","))".utf8)
            default: break
            }
        } catch {
            throw LookupError(table: name, reason: error.description)
        }
        throw LookupError(table: name, reason: "\(database) is neither passwd.byname nor group.byname")
    }

    /// The key as a user name: in lower case as every fixed key, not empty, and without bytes that no name has.
    private static func name(_ key: [UInt8]) -> String? {
        if key.isEmpty || key.count > 256 || key.contains(where: { $0 <= 0x20 || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") }) {
            return nil
        }
        return String(validating: key.map(ASCII.lowercased), as: UTF8.self)
    }
}
