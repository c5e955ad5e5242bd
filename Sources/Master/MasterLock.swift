// pid/master.pid: one master for one queue. The lock, not the number in the file, is the proof that a master runs.
// pid/unix.NAME: one process of a service that may have only one, also across a master that was killed and the next one.

import SystemKit

/// The lock of a running master, held until the process ends.
final class MasterLock {
    private let descriptor: FileDescriptor

    static func path(in queueDirectory: String) -> String { "\(queueDirectory)/pid/master.pid" }

    /// Takes the lock and writes the process id, as Postfix does; nil when another master has it.
    init?(queueDirectory: String) throws(SystemError) {
        let path = Self.path(in: queueDirectory)
        let file = try FileDescriptor.open(path, [.readWrite, .create, .noFollow], mode: 0o644)
        guard try file.tryLockExclusive() else { return nil }
        try file.truncate(to: 0)
        let number = String(ProcessSpawn.currentProcessID)
        try file.pwriteAll(Array((String(repeating: " ", count: max(0, 10 - number.utf8.count)) + number + "\n").utf8), at: 0)
        descriptor = file
    }

    /// What to say where the lock cannot be had. A master that is just starting has not written its number yet.
    static func refusal(queueDirectory: String) -> String {
        let text = (try? Files.contents(of: path(in: queueDirectory))) ?? []
        let number = Int32(String(decoding: text, as: UTF8.self).filter { $0.isNumber })
        return "the mail system is already running" + (number.map { ": process \($0)" } ?? "")
    }

    /// Whether a master runs in a queue directory.
    static func isHeld(queueDirectory: String) throws(SystemError) -> Bool {
        do throws(SystemError) {
            return try !FileDescriptor.open(path(in: queueDirectory), [.readOnly, .noFollow]).tryLockExclusive()
        } catch {
            if error.isNotFound { return false }
            throw error
        }
    }
}

/// The right to run the single process of a service. Master and the child share the lock: it is free only when both are gone, so that after
/// a crash of master no second queue manager touches the queue while the first one finishes.
final class ServiceLock {
    private let descriptor: FileDescriptor

    /// Handed down to the child, which need not know of it.
    var rawValue: Int32 { descriptor.rawValue }

    /// Takes the lock of a service; nil while a process of an earlier master has it.
    init?(_ key: ServiceKey, queueDirectory: String) throws(SystemError) {
        let path = "\(queueDirectory)/pid/\(key.isInet ? "inet" : "unix").\(key.name)"
        // For reading only: the child, which gets the same open file, has nothing to write there.
        let file = try FileDescriptor.open(path, [.readOnly, .create, .noFollow], mode: 0o600)
        guard try file.tryLockExclusive() else { return nil }
        descriptor = file
    }
}

/// The locks of the services that may have one process only, kept once taken.
struct ServiceLocks {
    enum Answer {
        case held
        /// A process of an earlier master has it; `isNews` the first time.
        case waits(isNews: Bool)
    }

    private var held: [ServiceKey: ServiceLock] = [:]
    private var waiting: Set<ServiceKey> = []

    subscript(key: ServiceKey) -> ServiceLock? { held[key] }

    mutating func take(_ key: ServiceKey, queueDirectory: String) throws(SystemError) -> Answer {
        guard held[key] == nil else { return .held }
        held[key] = try ServiceLock(key, queueDirectory: queueDirectory)
        if held[key] != nil {
            waiting.remove(key)
            return .held
        }
        return .waits(isNews: waiting.insert(key).inserted)
    }
}
