// Locks of an mbox file: fcntl on the file, then a lock file beside it (Debian policy section 11.6: in that order), or flock.
//
// A lock of fcntl dies with its holder. A lock file does not: one older than `stale_lock_time` is taken for left over and removed.

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
        do throws(SystemError) {
            _ = try FileDescriptor.open(name, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
            return true
        } catch {
            guard error.isAlreadyThere else { throw error }
        }
        do throws(SystemError) {
            if now - (try Files.linkStatus(of: name)).modified > staleAge { try Files.unlink(name) }
        } catch {
            // Its holder has just removed it.
            if !error.isNotFound { throw error }
        }
        return false
    }
}
