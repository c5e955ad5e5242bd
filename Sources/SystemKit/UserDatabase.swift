// Users and groups of the system, through the name service switch.
//
// Security: a failure of the database is an error and never "no such user": mail for a user whose directory server is down must be
// deferred, not bounced. Known limits: modules of the switch may wait for the network; daemons call this on a thread that may block,
// and before they are jailed.

import Glibc

/// A user account.
public struct UserRecord: Hashable, Sendable {
    public let name: String
    public let uid: UInt32
    public let gid: UInt32
    public let home: String
    public let shell: String
    public let gecos: String

    public init(name: String, uid: UInt32, gid: UInt32, home: String, shell: String, gecos: String) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.shell = shell
        self.gecos = gecos
    }
}

/// A group.
public struct GroupRecord: Hashable, Sendable {
    public let name: String
    public let gid: UInt32
    public let members: [String]
}

/// Look-ups of users and groups.
public enum UserDatabase {
    /// The account of a name, nil when there is none; an NSS failure is thrown.
    public static func user(named name: String) throws(SystemError) -> UserRecord? {
        // A NUL would cut the name short and find somebody else.
        if name.utf8.contains(0) || name.isEmpty { return nil }
        var entry = passwd()
        let found = lookUp { buffer, size in
            var result: UnsafeMutablePointer<passwd>?
            let code = getpwnam_r(name, &entry, buffer, size, &result)
            return (code, code == 0 && result != nil ? record(entry) : nil)
        }
        return try outcome(found, "look up user", name)
    }

    public static func user(id: UInt32) throws(SystemError) -> UserRecord? {
        var entry = passwd()
        let found = lookUp { buffer, size in
            var result: UnsafeMutablePointer<passwd>?
            let code = getpwuid_r(id, &entry, buffer, size, &result)
            return (code, code == 0 && result != nil ? record(entry) : nil)
        }
        return try outcome(found, "look up user id", String(id))
    }

    public static func group(named name: String) throws(SystemError) -> GroupRecord? {
        if name.utf8.contains(0) || name.isEmpty { return nil }
        var entry = Glibc.group()
        let found = lookUp { buffer, size in
            var result: UnsafeMutablePointer<Glibc.group>?
            let code = getgrnam_r(name, &entry, buffer, size, &result)
            return (code, code == 0 && result != nil ? record(entry) : nil)
        }
        return try outcome(found, "look up group", name)
    }

    /// The ids of all groups of a user, with `primary` among them.
    public static func groups(ofUser name: String, primary: UInt32) -> [UInt32] {
        var count: Int32 = 64
        while true {
            var groups = [gid_t](repeating: 0, count: Int(count))
            let capacity = count
            if getgrouplist(name, primary, &groups, &count) >= 0 { return Array(groups.prefix(Int(count))) }
            // The count needed was written back; ask again, but not for ever.
            if count <= capacity || count > 65536 { return groups }
        }
    }

    /// Repeats a look-up with a larger buffer until the record fits. The record is copied out before the buffer goes.
    private static func lookUp<R>(_ call: (UnsafeMutablePointer<CChar>, Int) -> (code: Int32, record: R?)) -> (code: Int32, record: R?) {
        var size = 4096
        while true {
            let answer = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { buffer -> (code: Int32, record: R?) in
                // An allocation of a capacity above 0 has a base address.
                guard let base = buffer.baseAddress else { return (ENOMEM, nil) }
                return call(base, buffer.count)
            }
            if answer.code == EINTR { continue }
            guard answer.code == ERANGE, size < 4 << 20 else { return answer }
            size *= 4
        }
    }

    /// glibc returns 0 without a record for a name that no source knows; any other code means that a source could not be asked.
    private static func outcome<R>(_ answer: (code: Int32, record: R?), _ operation: String, _ object: String) throws(SystemError) -> R? {
        if answer.code != 0 { throw SystemError(errno: answer.code, operation: operation, object: object) }
        return answer.record
    }

    private static func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }

    private static func record(_ entry: passwd) -> UserRecord {
        UserRecord(
            name: text(entry.pw_name), uid: entry.pw_uid, gid: entry.pw_gid, home: text(entry.pw_dir), shell: text(entry.pw_shell),
            gecos: text(entry.pw_gecos))
    }

    private static func record(_ entry: Glibc.group) -> GroupRecord {
        var members: [String] = []
        var next = entry.gr_mem
        while let pointer = next, let member = pointer.pointee {
            members.append(String(cString: member))
            next = pointer + 1
        }
        return GroupRecord(name: text(entry.gr_name), gid: entry.gr_gid, members: members)
    }
}
