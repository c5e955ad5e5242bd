// Locks of an mbox file: fcntl on the file, then a lock file beside it (Debian policy section 11.6: in that order), or flock.
//
// A lock of fcntl dies with its holder. A lock file does not: one older than `stale_lock_time` is taken for left over and removed, as in
// Postfix. So that a killed `local`, or a power failure, does not hold up a mailbox for so long (500 s), our lock files say whose they are,
// `PID HOST BOOT`, and one of this host whose process is gone, or is of an earlier start of the machine, is removed at once. The process id
// comes first, as liblockfile writes and reads it. A lock file appears with its content (link(2)): a death between creating and writing would
// leave one that nobody can judge.
// Known limit: a power failure may take the content of a lock file that was made a moment before, and leave its name. Such a one is left to
// `stale_lock_time`: it cannot be told from one of another host. To sync it would cost each delivery as much as the delivery itself.

import MailModel
import SystemKit

/// A held lock file.
struct MailboxLock {
    enum Method: String, Sendable, Hashable {
        case fcntl
        case flock
        case dotlock
    }

    /// The lock was not to be had in time: try the delivery again later.
    static func busy(_ path: String) -> SystemError { SystemError(errno: 11, operation: "lock", object: path) }

    /// Takes every lock of `methods` for a file that is open.
    ///
    /// - Parameters:
    ///   - mayLackLockFile: for a file outside the mail spool: where no lock file can be made, the other locks must do (Postfix
    ///     MBOX_DOT_LOCK_MAY_FAIL).
    ///   - pause: waits between two attempts.
    /// - Returns: the path of the lock file to be removed afterwards; nil without one.
    static func take(
        _ file: borrowing FileDescriptor, path: String, settings: LocalSettings, mayLackLockFile: Bool, now: () -> Int64,
        pause: (Int) -> Void
    ) throws(SystemError) -> String? {
        var lockFile: String?
        do throws(SystemError) {
            for method in settings.lockMethods {
                switch method {
                case .fcntl: try attempt(path, settings, pause) { () throws(SystemError) in try file.tryRecordLock() }
                case .flock: try attempt(path, settings, pause) { () throws(SystemError) in try file.tryLockExclusive() }
                case .dotlock:
                    let name = path + ".lock"
                    let staleAge = Int64(settings.staleLockTime) * 1_000_000
                    do throws(SystemError) {
                        try attempt(path, settings, pause) { () throws(SystemError) in try make(name, staleAge: staleAge, now: now()) }
                        lockFile = name
                    } catch {
                        // EACCES, EROFS
                        guard mayLackLockFile, error.errno == 13 || error.errno == 30 else { throw error }
                    }
                }
            }
        } catch {
            if let lockFile { release(lockFile) }
            throw error
        }
        return lockFile
    }

    /// Removes the lock file.
    static func release(_ lockFile: String) {
        // What stays is removed by the next delivery when it is stale.
        try? Files.unlink(lockFile)
    }

    private static func attempt(
        _ path: String, _ settings: LocalSettings, _ pause: (Int) -> Void, _ take: () throws(SystemError) -> Bool
    ) throws(SystemError) {
        for number in 1...max(1, settings.lockAttempts) {
            if try take() { return }
            if number < settings.lockAttempts { pause(settings.lockDelay) }
        }
        throw busy(path)
    }

    private static func make(_ name: String, staleAge: Int64, now: Int64) throws(SystemError) -> Bool {
        if try create(name) { return true }
        do throws(SystemError) {
            if try !isLeftOver(name) {
                let age = now - (try Files.linkStatus(of: name)).modified
                guard age > staleAge else { return false }
            }
            try Files.unlink(name)
        } catch {
            // Its holder has just removed it: free now, or somebody else's in a moment.
            if !error.isNotFound { throw error }
        }
        return try create(name)
    }

    private static let host = HostName.current
    /// Differs each time the machine starts; `-` where that cannot be told.
    private static let boot: String = {
        let text = (try? Files.contents(of: "/proc/sys/kernel/random/boot_id", limit: 128)) ?? []
        let word = text.filter { !ASCII.isSpace($0) }
        return word.isEmpty ? "-" : ASCII.printable(word)
    }()

    /// What stands in a lock file of ours.
    static func signature(pid: Int32 = ProcessSpawn.currentProcessID, host: String? = nil, boot: String? = nil) -> String {
        "\(pid) \(host ?? MailboxLock.host) \(boot ?? MailboxLock.boot)\n"
    }

    private static let flags: OpenFlags = [.writeOnly, .create, .exclusive, .noFollow]

    /// Makes the lock file with its content; false where there is one.
    private static func create(_ name: String) throws(SystemError) -> Bool {
        let draft = "\(name).\(ProcessSpawn.currentProcessID)"
        do throws(SystemError) {
            let file = try makeDraft(draft)
            defer { try? Files.unlink(draft) }
            try file.writeAll(Array(signature().utf8))
            try Files.link(draft, name)
            return true
        } catch {
            if error.isAlreadyThere { return false }
            // EPERM, EOPNOTSUPP, EMLINK: a file system without links. ENAMETOOLONG: no room for the draft's name. Then as Postfix does.
            guard [1, 95, 31, 36].contains(error.errno) else { throw error }
        }
        do throws(SystemError) {
            let file = try FileDescriptor.open(name, flags, mode: 0o644)
            try? file.writeAll(Array(signature().utf8))
            return true
        } catch {
            if error.isAlreadyThere { return false }
            throw error
        }
    }

    private static func makeDraft(_ path: String) throws(SystemError) -> FileDescriptor {
        do throws(SystemError) {
            return try FileDescriptor.open(path, flags, mode: 0o644)
        } catch {
            guard error.isAlreadyThere else { throw error }
        }
        // Of an earlier process with our number, which died here.
        try Files.unlink(path)
        return try FileDescriptor.open(path, flags, mode: 0o644)
    }

    /// Whether a lock file is of a process of this host that is gone, or of another start of this host. Another program's, another host's and an unreadable one are not.
    private static func isLeftOver(_ name: String) throws(SystemError) -> Bool {
        let text: [UInt8]
        do throws(SystemError) {
            text = try FileDescriptor.open(name, [.readOnly, .noFollow, .nonBlocking]).readAll(limit: 512)
        } catch {
            if error.isNotFound { throw error }
            return false
        }
        let words = String(decoding: text, as: UTF8.self).split(separator: " ")
        guard words.count == 3, text.last == UInt8(ascii: "\n"), words[1] == host,
            let pid = ASCII.decimal(Array(words[0].utf8), maximum: Int(Int32.max)), pid > 1
        else { return false }
        let madeBy = words[2].dropLast()
        return madeBy != boot && madeBy != "-" && boot != "-" || !ProcessSpawn.exists(Int32(pid))
    }
}
