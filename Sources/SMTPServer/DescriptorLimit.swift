// How many descriptors the process may have: one for each session.

import Glibc

enum DescriptorLimit {
    /// Raises the soft limit to the hard one and tells what it is now; the old soft limit where that fails.
    static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { return 1024 }
        let soft = limit.rlim_cur
        // More than this many sessions in one process is not wanted.
        let wanted = min(limit.rlim_max, 65536)
        if wanted > soft {
            limit.rlim_cur = wanted
            if setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 { return Int(clamping: wanted) }
        }
        return Int(clamping: soft)
    }
}
