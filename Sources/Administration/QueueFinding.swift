// What the offline check of a queue can find, and what can be done about it. ARCHITECTURE.md, "State table", says why.

import MailConfiguration
import MailModel
import MailQueue

/// One thing that is not as the state table says, or that a crash left behind.
struct QueueFinding: Hashable {
    /// The words of `--json`.
    enum Kind: String, CaseIterable {
        /// A directory of the queue is missing.
        case directoryMissing = "directory-missing"
        /// A directory or file has a wrong owner or mode.
        case ownership
        /// A name that nothing of Martlet makes.
        case strayName = "stray-name"
        /// No regular file, or a file with more than one name.
        case badFile = "bad-file"
        /// S1, S2: its writer died before the message was accepted.
        case incomplete
        /// S11: no queue file, or one that is damaged.
        case damaged
        /// The content is not what was accepted.
        case content
        /// Written by another version of Martlet.
        case version
        /// One message in two directories.
        case twoPlaces = "two-places"
        /// S9: to be tried at a time at which it would long have expired.
        case dueTooLate = "due-too-late"
        /// A log of recipients without its message.
        case logWithoutMessage = "log-without-message"
        /// L1: a submission that was never finished.
        case unfinishedSubmission = "unfinished-submission"
        /// A file of `maildrop` that is no submission.
        case damagedSubmission = "damaged-submission"
        /// After a power failure: the message is in a commit log and in no whole file.
        case unrecovered
        /// The system refused to let it be looked at.
        case unreadable
        /// For information: nothing has to be done.
        case note
    }

    /// What `--repair` does about it.
    enum Repair: Hashable {
        case remove
        case moveToCorrupt
        case setOwnerAndMode(owner: UInt32, group: UInt32, mode: UInt32)
        case makeDirectory(QueueLayout.Entry)
        case makeDueNow
        case recover

        var act: String {
            switch self {
            case .remove: "removed"
            case .moveToCorrupt: "moved to corrupt"
            case .setOwnerAndMode(let owner, let group, let mode): "owner set to \(owner):\(group), mode to \(String(mode, radix: 8))"
            case .makeDirectory: "made"
            case .makeDueNow: "made due now"
            case .recover: "recovered"
            }
        }
    }

    let kind: Kind
    /// Below the queue directory.
    let path: String
    let text: String
    var repair: Repair?
    /// What was done about it; nil while nothing was.
    var done: String?

    var isNote: Bool { kind == .note }
}
