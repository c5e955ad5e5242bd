// Signals as events, not as interrupts: blocked before the first thread starts, then waited for or read from a descriptor.
//
// No Swift code ever runs in a signal handler. A blocked set is inherited by threads that start later, and cleared in children by
// ProcessSpawn.

import CSystemKit
import Glibc

/// A signal number.
public struct Signal: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let terminate = Signal(rawValue: SIGTERM)
    public static let hangUp = Signal(rawValue: SIGHUP)
    public static let interrupt = Signal(rawValue: SIGINT)
    public static let user1 = Signal(rawValue: SIGUSR1)
    public static let user2 = Signal(rawValue: SIGUSR2)
    public static let child = Signal(rawValue: SIGCHLD)
    public static let alarm = Signal(rawValue: SIGALRM)
    public static let pipe = Signal(rawValue: SIGPIPE)
    public static let kill = Signal(rawValue: SIGKILL)
    public static let quit = Signal(rawValue: SIGQUIT)
    /// RLIMIT_CPU, the soft limit.
    public static let cpuLimit = Signal(rawValue: SIGXCPU)

    public var description: String { "signal \(rawValue)" }
}

/// Waiting for signals.
public enum SignalWait {
    private static func set(of signals: [Signal]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal.rawValue) }
        return set
    }

    /// Blocks signals in this thread and in all that it starts. Call it in main, before any thread exists.
    public static func block(_ signals: [Signal]) {
        var set = set(of: signals)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Undoes `block` in this thread.
    public static func unblock(_ signals: [Signal]) {
        var set = set(of: signals)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Makes a write that the kernel refuses an error value, in the whole process: to a peer that has closed (EPIPE), and of a file over RLIMIT_FSIZE
    /// (EFBIG). Unlike a blocked signal this outlives execve(2): ProcessSpawn gives other programs the default back.
    public static func ignoreRefusedWrites() {
        csk_ignore_signal(SIGPIPE)
        csk_ignore_signal(SIGXFSZ)
    }

    /// Waits until one of these blocked signals arrives, and takes it.
    public static func wait(for signals: [Signal]) -> Signal {
        var set = set(of: signals)
        var number: Int32 = 0
        while sigwait(&set, &number) != 0 {}
        return Signal(rawValue: number)
    }

    /// A non-blocking descriptor that becomes readable when one of these blocked signals is pending (signalfd(2)).
    public static func descriptor(for signals: [Signal]) throws(SystemError) -> FileDescriptor {
        let numbers = signals.map(\.rawValue)
        return FileDescriptor(owning: Int32(try checked(Int(csk_signal_descriptor(numbers, numbers.count)), "signalfd", "")))
    }

    /// Takes one pending signal from such a descriptor; nil when there is none.
    public static func next(from descriptor: borrowing FileDescriptor) throws(SystemError) -> Signal? {
        let fd = descriptor.rawValue
        let number = try checked(shimCall { Int(csk_next_signal(fd)) }, "read signal", "")
        return number == 0 ? nil : Signal(rawValue: Int32(number))
    }

    /// Sends a signal to the calling thread.
    public static func raise(_ signal: Signal) { _ = Glibc.raise(signal.rawValue) }
}
