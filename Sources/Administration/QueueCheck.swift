// The offline check of a queue: every name and every file, held against the state table of ARCHITECTURE.md.
//
// It reads only. QueueRepair changes what a finding says can be changed. Whoever runs it sees to it that nothing else works on the queue; where
// something does, a file that went away meanwhile, or is locked by its writer, is no finding.
//
// Security: every file is taken for hostile: opened without following links, parsed by the bounded readers of MailQueue.
// Known limits: whole logs and envelopes are read into memory, one at a time; content is read in pieces.

import MailConfiguration
import MailModel
import MailQueue
import SystemKit

/// The check.
struct QueueCheck {
    let directories: QueueDirectories
    let layout: QueueLayout
    let owners: QueueLayout.Owners
    /// Microseconds since 1970.
    let now: Int64
    /// `maximal_queue_lifetime`, microseconds: nothing is due later than that from now.
    let maximalLifetime: Int64
    /// `message_size_limit`, for submissions; 0 for none.
    let messageSizeLimit: Int

    var findings: [QueueFinding] = []
    /// Messages, submissions and logs that were looked at.
    var fileCount = 0
    /// Messages that the recovery of commit logs makes files again, or removes what is left of.
    var unrecovered: Set<QueueID> = []
    /// Where each message is.
    var places: [QueueID: [QueueDirectory]] = [:]

    /// Submissions that are older were never finished. Microseconds: a day, as in `pickup`.
    static let staleAge: Int64 = 86_400_000_000
    static let messageDirectories: [QueueDirectory] = [.incoming, .deferred, .hold]

    init(
        directories: QueueDirectories, owners: QueueLayout.Owners, now: Int64, maximalLifetime: Int64, messageSizeLimit: Int
    ) {
        self.directories = directories
        self.owners = owners
        layout = QueueLayout(owners)
        self.now = now
        self.maximalLifetime = maximalLifetime
        self.messageSizeLimit = messageSizeLimit
    }

    /// Looks at everything.
    mutating func run() {
        checkTop()
        checkCommitLogs()
        for directory in QueueCheck.messageDirectories {
            for name in entries(of: directory) { checkMessage(name, in: directory) }
        }
        for (id, found) in places.sorted(by: { $0.key < $1.key }) where found.count > 1 {
            add(
                .twoPlaces, "\(found[0].name)/\(id.text)", "the message is also in \(found.dropFirst().map(\.name).joined(separator: ", "))"
            )
        }
        for name in entries(of: .maildrop) { checkSubmission(name) }
        for directory in [QueueDirectory.bounce, .defer, .trace] {
            for name in entries(of: directory) { checkLog(name, in: directory) }
        }
        let corrupt = entries(of: .corrupt).count
        if corrupt > 0 { add(.note, "corrupt", "\(corrupt) \(corrupt == 1 ? "file that is" : "files that are") left to the administrator") }
    }

    mutating func add(_ kind: QueueFinding.Kind, _ path: String, _ text: String, _ repair: QueueFinding.Repair? = nil) {
        findings.append(QueueFinding(kind: kind, path: path, text: text, repair: repair))
    }

    // MARK: Directories

    /// The queue directory itself: what has to be there, and what has not.
    private mutating func checkTop() {
        for entry in layout.entries {
            let path = "\(directories.root)/\(entry.name)"
            do throws(SystemError) {
                let status = try Files.linkStatus(of: path)
                guard status.isDirectory else {
                    add(.badFile, entry.name, "this should be a directory")
                    continue
                }
                if status.owner != entry.owner || status.group != entry.group || status.mode != entry.mode {
                    addOwnership(entry.name, status, entry.owner, entry.group, entry.mode)
                }
            } catch {
                if error.isNotFound {
                    add(.directoryMissing, entry.name, "the directory is missing", .makeDirectory(entry))
                } else {
                    add(.unreadable, entry.name, error.description)
                }
            }
        }
        // The jail is where jail_directory says, by default here; `check` looks at it.
        let known = Set(layout.entries.map(\.name) + [QueueFormat.fileName, "jail"])
        for name in names(in: directories.root, "") where !known.contains(name) {
            // Its writer died between writing and renaming it.
            let isDraft = name == QueueFormat.fileName + ".new"
            add(.strayName, name, "nothing of Martlet has this name", isDraft ? .remove : nil)
        }
    }

    /// What start-up would recover, and what else is in the directory of the logs.
    private mutating func checkCommitLogs() {
        do throws(SystemError) {
            let (missing, leftovers, damages) = try CommitLogRecovery(directories: directories, now: now).inspect()
            for damage in damages { add(.damaged, "commit/\(damage.log)", damage.text, .recover) }
            for id in missing {
                add(.unrecovered, "commit", "message \(id) is in a commit log and in no whole file: start-up recovers it", .recover)
            }
            for id in leftovers {
                add(.incomplete, "commit", "message \(id) was done when its file was torn: start-up removes what is left of it", .recover)
            }
            unrecovered = Set(missing + leftovers)
        } catch {
            add(.unreadable, "commit", error.description)
        }
        for name in names(in: directories.commit, "commit")
        where CommitLogRecovery.number(ofName: name) == nil && name != CommitLogDraft.name {
            add(.strayName, "commit/\(name)", "nothing of Martlet has this name")
        }
    }

    mutating func addOwnership(_ path: String, _ status: FileStatus, _ owner: UInt32, _ group: UInt32, _ mode: UInt32) {
        func text(_ owner: UInt32, _ group: UInt32, _ mode: UInt32) -> String { "\(owner):\(group) \(String(mode, radix: 8))" }
        add(
            .ownership, path, "owner and mode are \(text(status.owner, status.group, status.mode)), not \(text(owner, group, mode))",
            .setOwnerAndMode(owner: owner, group: group, mode: mode))
    }

    private mutating func entries(of directory: QueueDirectory) -> [String] {
        names(in: directories.path(directory), directory.name)
    }

    private mutating func names(in path: String, _ shown: String) -> [String] {
        do throws(SystemError) {
            return try Files.directoryEntries(path).sorted()
        } catch {
            // A missing directory, and what should be one (ENOTDIR), were told of already.
            if !error.isNotFound && error.errno != 20 { add(.unreadable, shown, error.description) }
            return []
        }
    }

    /// What the name of a queue file says; nil, with a finding, where it is none, or the file is not fit to be one.
    mutating func identify(_ name: String, in directory: QueueDirectory) -> (id: QueueID, status: FileStatus)? {
        let shown = "\(directory.name)/\(name)"
        guard let id = QueueID(name) else {
            add(.strayName, shown, "the name is no queue id")
            return nil
        }
        do throws(SystemError) {
            let status = try Files.linkStatus(of: directories.path(directory, id))
            guard status.isRegularFile else {
                add(.badFile, shown, "not a regular file")
                return nil
            }
            if status.links != 1 { add(.badFile, shown, "the file has \(status.links) names") }
            fileCount += 1
            return (id, status)
        } catch {
            if !error.isNotFound { add(.unreadable, shown, error.description) }
            return nil
        }
    }
}
