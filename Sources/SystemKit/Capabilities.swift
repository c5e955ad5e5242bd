// Root's power in pieces (capabilities(7)): a process keeps those it has a use for, and proves that it has no others.
//
// Security: all five sets are cut, so that neither a set-user-id program nor an exec gives anything back.
// Known limits: the sets are each thread's own; these calls are for a process that has one thread.

import CSystemKit
import Glibc

/// One of the capabilities that Martlet uses; the numbers are the kernel's.
public enum Capability: Int32, Sendable, CaseIterable {
    /// CAP_CHOWN
    case changeOwner = 0
    /// CAP_DAC_OVERRIDE
    case overrideModes = 1
    /// CAP_FOWNER
    case actAsOwner = 3
    /// CAP_KILL
    case signalOthers = 5
    /// CAP_SETGID
    case changeGroups = 6
    /// CAP_SETUID
    case changeUser = 7
    /// CAP_SETPCAP: to cut the bounding set
    case changeCapabilities = 8
    /// CAP_NET_BIND_SERVICE
    case bindLowPorts = 10
    /// CAP_SYS_CHROOT
    case changeRoot = 18
}

extension Privileges {
    /// What master and `local` need, and with them the whole mail system (ARCHITECTURE.md, "Privileges").
    public static let capabilitiesOfMaster: [Capability] = Capability.allCases

    /// Keeps of all sets of this process no more than `wanted`, and proves it. Needs CAP_SETPCAP unless the bounding set is small already.
    public static func limitCapabilities(to wanted: [Capability]) throws(SystemError) {
        try checked(Int(csk_limit_bounding_set(mask(wanted))), "limit", "capability bounding set")
        try limitOwnCapabilities(to: wanted)
    }

    /// Becomes a user for good (``become(user:group:supplementary:)``) as a program that will never need anything of root's again: without any
    /// capability, also in the bounding set; no set-id program gives it one; nobody else looks at its memory.
    public static func becomePowerless(user: UInt32, group: UInt32) throws(SystemError) {
        // Before the change of user, which takes away the capability that this needs.
        try checked(Int(csk_limit_bounding_set(0)), "limit", "capability bounding set")
        try become(user: user, group: group)
        try limitOwnCapabilities(to: [])
        try forbidNewPrivileges()
        try hideMemory()
    }

    private static func limitOwnCapabilities(to wanted: [Capability]) throws(SystemError) {
        try checked(Int(csk_limit_capabilities(mask(wanted))), "limit", "capabilities")
        guard csk_has_capabilities_beyond(mask(wanted)) == 0 else {
            throw SystemError(errno: EPERM, operation: "prove loss of", object: "capabilities")
        }
    }

    /// Whether this process may use a capability now.
    public static func has(_ capability: Capability) -> Bool { csk_has_capability(capability.rawValue) == 1 }

    private static func mask(_ wanted: [Capability]) -> UInt64 { wanted.reduce(0) { $0 | 1 << UInt64($1.rawValue) } }

    /// Neither a debugger of the same user nor a core file shows what is in the memory of this process: keys, mail.
    public static func hideMemory() throws(SystemError) { try checked(Int(csk_hide_memory()), "hide", "memory") }
}
