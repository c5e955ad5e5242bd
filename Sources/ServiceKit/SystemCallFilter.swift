// What a program of the network may ask of the kernel, once it has everything that it works with (seccomp(2), by libseccomp).
//
// Security: an allow list. What is not in it fails with EPERM; what nothing but an attack would ask for (another program, another's memory,
// mounts, kernel extensions) ends the process. In a jail no file can be opened and no memory be made executable; smtpd cannot make a connection,
// and the others only those of the Internet. The list names the calls of glibc, Swift's runtime, NIO, BoringSSL and libunbound on all
// architectures, as far as this one has them.
// Known limits: clone3(2) has its flags in memory, where a filter cannot see them: it does not exist here (ENOSYS), and glibc takes clone(2),
// which is allowed for threads only.

import CSeccomp
import SystemKit

/// The filter of one program.
struct SystemCallFilter {
    /// What a program does on the network, beyond its sessions.
    enum Network {
        /// It takes connections only.
        case accepts
        /// It makes connections of its own.
        case connects
    }

    private struct Failure: Error { let code: Int32 }

    private static let errnoBase: UInt32 = 0x0005_0000  // SCMP_ACT_ERRNO is a macro
    private static let permissionDenied: UInt32 = 1
    private static let notImplemented: UInt32 = 38

    let network: Network
    /// Whether files are out of reach; else it may read them, and connect to sockets of this host.
    let isJailed: Bool

    /// Installs it for this thread and those that it starts; returns why it cannot be, where the kernel or a sandbox around us does not allow
    /// it. Sets no_new_privs.
    func install() -> String? {
        guard let context = seccomp_init(Self.errnoBase | Self.permissionDenied) else { return "out of memory" }
        defer { seccomp_release(context) }
        do throws(Failure) {
            // A binary tree instead of a list of comparisons; older libraries cannot.
            _ = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
            for name in Self.deadly { try add(context, name, SCMP_ACT_KILL_PROCESS) }
            try add(context, "clone3", Self.errnoBase | Self.notImplemented)
            for name in Self.always { try add(context, name) }
            for name in Self.fileReading where !isJailed { try add(context, name) }
            try addThreads(context)
            try addMemory(context)
            try addSockets(context)
            // FIONBIO, FIONREAD
            for request in [0x5421, 0x541B] as [UInt64] { try add(context, "ioctl", SCMP_ACT_ALLOW, argument: 1, equals: request) }
        } catch {
            return "libseccomp: error \(-error.code)"
        }
        let code = seccomp_load(context)
        return code == 0 ? nil : "the kernel refuses it (error \(-code))"
    }

    // MARK: Rules

    private func addThreads(_ context: scmp_filter_ctx) throws(Failure) {
        let thread: UInt64 = 0x0001_0000  // CLONE_THREAD
        try add(context, "clone", SCMP_ACT_ALLOW, argument: 0, mask: thread, equals: thread)
        // PR_SET_NAME: threads have names; PR_SET_VMA: and so has memory of the allocator's.
        for option in [15, 0x5356_4D41] as [UInt64] { try add(context, "prctl", SCMP_ACT_ALLOW, argument: 0, equals: option) }
        // abort(3), and no signal to another process of the same user.
        try add(context, "tgkill", SCMP_ACT_ALLOW, argument: 0, equals: UInt64(ProcessSpawn.currentProcessID))
        try add(context, "prlimit64", SCMP_ACT_ALLOW, argument: 0, equals: 0)
    }

    private func addMemory(_ context: scmp_filter_ctx) throws(Failure) {
        for name in ["mmap", "mmap2", "mprotect"] {
            // PROT_EXEC; libraries are loaded from files, which only a program outside of a jail can open.
            if isJailed {
                try add(context, name, SCMP_ACT_ALLOW, argument: 2, mask: 4, equals: 0)
            } else {
                try add(context, name)
            }
        }
    }

    private func addSockets(_ context: scmp_filter_ctx) throws(Failure) {
        let unix: UInt64 = 1
        let internet: [UInt64] = [2, 10]  // AF_INET, AF_INET6
        // For the log, whose reader may have been restarted, and LMTP.
        let families = (network == .connects ? internet : []) + (isJailed ? [] : [unix])
        for family in families { try add(context, "socket", SCMP_ACT_ALLOW, argument: 0, equals: family) }
        try add(context, "socketpair", SCMP_ACT_ALLOW, argument: 0, equals: unix)
        if !families.isEmpty { try add(context, "connect") }
        if network == .connects { try add(context, "bind") }
    }

    private func add(_ context: scmp_filter_ctx, _ name: String, _ action: UInt32 = SCMP_ACT_ALLOW) throws(Failure) {
        let number = seccomp_syscall_resolve_name(name)
        // Below zero: another architecture's.
        if number < 0 { return }
        let code = seccomp_rule_add_array(context, action, number, 0, nil)
        if code != 0 { throw Failure(code: code) }
    }

    private func add(
        _ context: scmp_filter_ctx, _ name: String, _ action: UInt32, argument: UInt32, mask: UInt64 = .max, equals value: UInt64
    ) throws(Failure) {
        let number = seccomp_syscall_resolve_name(name)
        if number < 0 { return }
        var comparison = scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
        let code = seccomp_rule_add_array(context, action, number, 1, &comparison)
        if code != 0 { throw Failure(code: code) }
    }

    // MARK: Lists

    /// What ends the process.
    static let deadly = [
        "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
        "mount", "umount", "umount2", "move_mount", "fsopen", "fsmount", "open_tree", "pivot_root", "chroot", "unshare", "setns",
        "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "init_module", "finit_module", "delete_module", "kexec_load",
        "kexec_file_load", "reboot", "swapon", "swapoff", "keyctl", "add_key", "request_key", "open_by_handle_at", "personality",
        "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
    ]

    static let always = [
        // Files that are open
        "read", "readv", "pread64", "preadv", "write", "writev", "close", "lseek", "_llseek", "fstat", "fstat64", "newfstatat", "fstatat64",
        "statx", "fcntl",
        "fcntl64", "dup", "dup2", "dup3", "pipe", "pipe2",
        // Memory; memfd_create: of smtpd with cleanup
        "brk", "munmap", "mremap", "madvise", "mincore", "memfd_create",
        // Threads, signals, time
        "futex", "futex_time64", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "exit", "exit_group", "sched_yield",
        "sched_getaffinity", "gettid", "getpid", "getppid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
        "sigaltstack", "signalfd4", "restart_syscall", "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
        "clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times", "membarrier", "getcpu",
        // Waiting
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "timerfd_create",
        "timerfd_settime",
        "timerfd_settime64", "timerfd_gettime", "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
        // Sockets that are open
        "accept", "accept4", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendfile", "sendfile64",
        "sendto", "recvfrom", "sendmsg", "recvmsg",
        "sendmmsg",
        "recvmmsg", "recvmmsg_time64", "shutdown",
        // Facts
        "getrandom", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32", "getgid32", "getegid32", "uname", "sysinfo",
        "getrlimit",
        "ugetrlimit", "getrusage",
    ]

    /// For a program that is not jailed: tables are opened again when they change.
    static let fileReading = [
        "open", "openat", "stat", "stat64", "lstat", "lstat64", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64",
        "getcwd",
        "statfs", "statfs64", "fstatfs", "fstatfs64", "flock", "fadvise64", "fadvise64_64",
    ]
}
