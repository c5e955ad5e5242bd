// The running master of a queue: its lock and process id in `pid/master.pid` under the queue directory.
//
// Security: a signal is sent only while the file is locked, so that a number left over from another day hits nobody.

import MailConfiguration
import MailModel
import SystemKit

/// What is known of the master process.
struct MasterProcess: Hashable {
    let pid: Int32
    let queueDirectory: String

    /// What this master said of its configuration last; nil for an earlier one's word.
    var report: ReloadReport? {
        ReloadReport.read(queueDirectory: queueDirectory).flatMap { $0.processID == Int(pid) ? $0 : nil }
    }

    /// The report on a reading of the files later than the one with that number; nil where it does not come in time.
    func awaitReport(after attempt: Int, seconds: Int) throws(SystemError) -> ReloadReport? {
        let deadline = SystemClock.monotonic() + Int64(seconds) * 1_000_000
        while true {
            if let report, report.attempt > attempt { return report }
            if SystemClock.monotonic() >= deadline { return nil }
            _ = try Polling.wait([], milliseconds: 20)
        }
    }

    /// The master that runs on a queue, or nil where none does.
    static func running(queueDirectory: String) throws(SystemError) -> MasterProcess? {
        let path = queueDirectory + "/pid/master.pid"
        let bytes: [UInt8]
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, [.readOnly, .noFollow])
            if try file.tryLockExclusive() { return nil }
            bytes = try file.readAll(limit: 64)
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
        let digits = bytes.filter { !ASCII.isSpace($0) }
        guard let number = ASCII.decimal(digits, maximum: Int(Int32.max)), number > 1 else {
            throw SystemError(errno: 22, operation: "read process id", object: path)
        }
        return MasterProcess(pid: Int32(number), queueDirectory: queueDirectory)
    }

    /// Waits until no master runs any more; false where that takes longer.
    static func awaitEnd(queueDirectory: String, seconds: Int) throws(SystemError) -> Bool {
        let deadline = SystemClock.monotonic() + Int64(seconds) * 1_000_000
        while try running(queueDirectory: queueDirectory) != nil {
            if SystemClock.monotonic() >= deadline { return false }
            _ = try Polling.wait([], milliseconds: 50)
        }
        return true
    }
}
