// Giving up privileges for good, and changing identity for a while.
//
// Security: setgroups, then group, then user, and afterwards a proof: all ids are the wanted ones and root cannot be had back.
// glibc changes all threads of the process. The temporary change (`assume`, `restore`) is for single-threaded programs only.

import CSystemKit
import Glibc

/// The identity of this process.
public enum Privileges {
    public static var realUser: UInt32 { getuid() }
    public static var effectiveUser: UInt32 { geteuid() }
    public static var realGroup: UInt32 { getgid() }
    public static var effectiveGroup: UInt32 { getegid() }
    /// Whether the effective user is root: a private instance is not, and changes no identity.
    public static var isRoot: Bool { geteuid() == 0 }
    /// Whether this program was started set-user-id or set-group-id (AT_SECURE): its environment and descriptors are the caller's.
    public static var isElevated: Bool { csk_is_elevated() != 0 }

    /// Whether the caller of a set-id program is somebody to be guarded against. Root could do by itself what such a program can.
    public static var isCallerUntrusted: Bool { isElevated && getuid() != 0 }

    /// Gives up what came with execve(2): ignored signals that would change the meaning of system calls, and, in a set-id program, all
    /// descriptors above 2, core dumps and being traced. All variables but MAIL_CONFIG and TZ went before the first constructor ran.
    public static func dropInheritance() throws(SystemError) { try checked(Int(csk_drop_inheritance()), "prepare", "process") }

    /// Locks the process into a directory, with the working directory at its root. The time zone is read before.
    public static func chroot(to directory: String) throws(SystemError) {
        SystemClock.loadTimeZone()
        try Files.changeDirectory(to: directory)
        try checked(directory.withCString { name in systemCall { Int(Glibc.chroot(name)) } }, "chroot", directory)
        try Files.changeDirectory(to: "/")
    }

    /// Becomes a user for good. Afterwards real, effective and saved ids are these and an attempt to become root again has failed.
    public static func become(user: UInt32, group: UInt32, supplementary: [UInt32] = []) throws(SystemError) {
        let object = "user \(user) group \(group)"
        guard user != 0 else { throw SystemError(errno: EINVAL, operation: "become", object: object) }
        try checked(systemCall { Int(setgroups(supplementary.count, supplementary)) }, "setgroups", object)
        try checked(Int(csk_set_group_ids(group)), "setgid", object)
        try checked(Int(csk_set_user_ids(user)), "setuid", object)
        try prove(user: user, group: group, object: object)
    }

    /// Gives up a set-group-id privilege for good: the caller's real group becomes the only one.
    public static func dropGroupPrivilege() throws(SystemError) {
        let group = getgid()
        try checked(Int(csk_set_group_ids(group)), "setgid", "group \(group)")
        guard getegid() == group else { throw SystemError(errno: EPERM, operation: "setgid", object: "group \(group)") }
    }

    private static func prove(user: UInt32, group: UInt32, object: String) throws(SystemError) {
        let isChanged = csk_has_only_ids(user, group) != 0
        // Both calls must fail: one that succeeds proves that root is still within reach.
        let isRootReachable = setuid(0) == 0 || seteuid(0) == 0
        guard isChanged, !isRootReachable else { throw SystemError(errno: EPERM, operation: "prove loss of privileges", object: object) }
    }

    /// Nothing that this process executes can gain privileges by set-id bits or file capabilities.
    public static func forbidNewPrivileges() throws(SystemError) { try checked(Int(csk_no_new_privileges()), "prctl", "no_new_privs") }

    // MARK: For a while

    /// The identity to go back to.
    public struct Identity: Sendable {
        public let user: UInt32
        public let group: UInt32
        public let supplementary: [UInt32]

        public init(user: UInt32, group: UInt32, supplementary: [UInt32]) {
            self.user = user
            self.group = group
            self.supplementary = supplementary
        }

        /// The effective identity of this process.
        public static func current() throws(SystemError) -> Identity {
            let count = try checked(systemCall { Int(getgroups(0, nil)) }, "getgroups", "")
            var groups = [gid_t](repeating: 0, count: count)
            try checked(systemCall { Int(getgroups(Int32(count), &groups)) }, "getgroups", "")
            return Identity(user: geteuid(), group: getegid(), supplementary: groups)
        }
    }

    /// Takes the effective identity of a user. Needs root, and a single thread.
    ///
    /// - Parameter before: the present identity, which `restore` is to get.
    public static func assume(_ identity: Identity, insteadOf before: Identity) throws(SystemError) {
        guard isRoot else { throw SystemError(errno: EPERM, operation: "assume identity", object: "user \(identity.user)") }
        do {
            try change(to: identity)
        } catch {
            // Half a change is worse than none; that the way back fails too is a reason to stop.
            do { try restore(before) } catch { fatalError("cannot restore identity: \(error)") }
            throw error
        }
    }

    /// Goes back to the identity from before `assume`.
    public static func restore(_ identity: Identity) throws(SystemError) {
        // The user first: only root may change groups.
        try checked(systemCall { Int(seteuid(identity.user)) }, "seteuid", "user \(identity.user)")
        try checked(systemCall { Int(setegid(identity.group)) }, "setegid", "group \(identity.group)")
        let groups = identity.supplementary
        try checked(systemCall { Int(setgroups(groups.count, groups)) }, "setgroups", "user \(identity.user)")
    }

    private static func change(to identity: Identity) throws(SystemError) {
        let object = "user \(identity.user) group \(identity.group)"
        try checked(systemCall { Int(setgroups(identity.supplementary.count, identity.supplementary)) }, "setgroups", object)
        try checked(systemCall { Int(setegid(identity.group)) }, "setegid", object)
        try checked(systemCall { Int(seteuid(identity.user)) }, "seteuid", object)
        guard geteuid() == identity.user, getegid() == identity.group else {
            throw SystemError(errno: EPERM, operation: "seteuid", object: object)
        }
    }
}
