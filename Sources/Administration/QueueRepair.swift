// What `martlet queue fsck --repair` does about findings. Each act is one that start-up would do, too, or that the state table allows.
//
// Nothing accepted is ever removed: what is removed had no valid end record and was never accepted, or is a log that only informs. What cannot
// be read goes to `corrupt`. The caller holds the queue manager's lock meanwhile.

import MailConfiguration
import MailQueue
import SystemKit

/// The repair.
struct QueueRepair {
    let directories: QueueDirectories
    private var changed: Set<String> = []

    init(directories: QueueDirectories) { self.directories = directories }

    /// Does what a finding says, and notes in it what was done, or why not.
    mutating func apply(_ finding: inout QueueFinding) {
        guard let repair = finding.repair else { return }
        let path = "\(directories.root)/\(finding.path)"
        do throws(SystemError) {
            switch repair {
            case .remove: try Files.unlink(path)
            case .moveToCorrupt:
                let name = finding.path.split(separator: "/").last.map(String.init) ?? finding.path
                try Files.rename(path, try freeName(name))
                changed.insert(directories.path(.corrupt))
            case .setOwnerAndMode(let owner, let group, let mode):
                try Files.changeOwner(path, owner: owner, group: group)
                try Files.changeMode(path, mode)
            case .makeDirectory(let entry): try QueueLayout.make(entry, in: directories.root)
            case .makeDueNow: try Files.setTimes(path, modified: SystemClock.now())
            // All of them at the first.
            case .recover: try recoverCommitLogs()
            }
            if let slash = path.lastIndex(of: "/") { changed.insert(String(path[..<slash])) }
            finding.done = repair.act
        } catch {
            // An earlier repair of the same file may have taken it away.
            finding.done = error.isNotFound ? "gone" : nil
            if !error.isNotFound { Diagnostics.error("\(finding.path): \(error)") }
        }
    }

    private func recoverCommitLogs() throws(SystemError) {
        let recovery = CommitLogRecovery(directories: directories, now: SystemClock.now())
        // Damage is told of once, and a finding of its own; what is left to do is what goes wrong again.
        _ = try recovery.run()
        if let problem = try recovery.run().problems.first { throw SystemError(errno: 5, operation: "recover", object: problem) }
    }

    /// Makes every change of a name durable.
    func finish() {
        for directory in changed.sorted() {
            do throws(SystemError) {
                try Files.synchronizeDirectory(directory)
            } catch {
                Diagnostics.warning("\(directory): \(error)")
            }
        }
    }

    /// A name in `corrupt` that nothing has: rename would put one file in another's place.
    private func freeName(_ name: String) throws(SystemError) -> String {
        var candidate = "\(directories.path(.corrupt))/\(name)"
        var number = 0
        while try Files.exists(candidate) {
            number += 1
            candidate = "\(directories.path(.corrupt))/\(name).\(number)"
        }
        return candidate
    }
}
