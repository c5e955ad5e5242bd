// martlet queue fsck: the offline check of the queue, and its repair.
//
// The queue manager holds a lock on `incoming` while it runs. With --repair this command takes that lock itself, so that no queue manager
// can start in the middle; it refuses where it cannot have it. Without --repair a running mail system costs a warning: what comes and goes
// meanwhile is not found wanting, but a count may be one off.

import ArgumentParser
import MailConfiguration
import MailQueue
import SystemKit

struct QueueCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fsck", abstract: "Check every file of the queue while the mail system is stopped, and repair what can be repaired.",
        discussion: """
            The status is 0 where the queue is in order (after repairs, too), 1 where something is left that is not, 65 where another version of \
            Martlet wrote the queue, 69 where the mail system runs and the queue is to be repaired.
            """)

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Repair what can be repaired, and say what was done.")
    var repair = false

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    func run() throws {
        let main = try common.loadMain()
        let directories = QueueDirectories(root: main[Parameters.queueDirectory])
        do throws(QueueFormatError) {
            try QueueFormat.check(directories.root)
        } catch {
            Diagnostics.error(error.description)
            if case .system = error { throw SystemExit.system }
            throw SystemExit.data
        }
        let owners: QueueLayout.Owners
        do throws(ConfigurationErrors) {
            owners = try QueueLayout.owners(main)
        } catch {
            for problem in error.problems { Diagnostics.error(problem.description) }
            throw SystemExit.configuration
        }
        let lock = try takeLock(directories)
        var check = QueueCheck(
            directories: directories, owners: owners, now: SystemClock.now(),
            maximalLifetime: Int64(main[Parameters.maximalQueueLifetime]) * 1_000_000, messageSizeLimit: main[Parameters.messageSizeLimit])
        check.run()
        if repair {
            var work = QueueRepair(directories: directories)
            for index in check.findings.indices { work.apply(&check.findings[index]) }
            work.finish()
        }
        withExtendedLifetime(lock) {}
        report(check)
        if check.findings.contains(where: { !$0.isNote && $0.done == nil }) { throw SystemExit.negative }
    }

    /// The queue manager's lock; nil where it cannot be had and is not needed.
    private func takeLock(_ directories: QueueDirectories) throws -> QueueLock? {
        do throws(SystemError) {
            switch try QueueLock.take(directories) {
            case .taken(let lock): return lock
            case .needless: return nil
            case .busy: break
            }
        } catch {
            Diagnostics.error(error.description)
            throw error.isPermissionDenied ? SystemExit.noPermission : SystemExit.system
        }
        if repair {
            Diagnostics.error("the mail system runs: stop it before the queue is repaired")
            throw SystemExit.unavailable
        }
        Diagnostics.warning("the mail system runs: files come and go while they are checked")
        return nil
    }

    private func report(_ check: QueueCheck) {
        let wrong = check.findings.filter { !$0.isNote }
        let repaired = wrong.count(where: { $0.done != nil })
        if json {
            let list = check.findings.map { finding in
                JSONText.object([
                    ("kind", .text(finding.kind.rawValue)), ("path", .text(finding.path)), ("text", .text(finding.text)),
                    ("repairable", .flag(finding.repair != nil)), ("done", finding.done.map { .text($0) } ?? .null),
                ])
            }
            print(
                JSONText.object([
                    ("files", .number(Int64(check.fileCount))), ("found", .number(Int64(wrong.count))),
                    ("repaired", .number(Int64(repaired))), ("left", .number(Int64(wrong.count - repaired))), ("findings", .list(list)),
                ]).encoded)
            return
        }
        for finding in check.findings {
            let end = finding.done.map { ": \($0)" } ?? (finding.repair != nil && !repair ? " (--repair can mend this)" : "")
            print("\(finding.path): \(finding.isNote ? "note: " : "")\(finding.text)\(end)")
        }
        Diagnostics.note("\(check.fileCount) files checked, \(wrong.count) findings, \(repaired) repaired, \(wrong.count - repaired) left")
    }
}
