// The directories of the queue and the names in them. ARCHITECTURE.md, "State table", says which file may be where, and when.

public import MailModel
public import SystemKit

/// A directory of the queue.
public enum QueueDirectory: String, Sendable, Hashable, CaseIterable {
    /// Submissions of `postdrop`, not yet accepted by cleanup.
    case maildrop
    /// Accepted; not yet tried, or in its first round.
    case incoming
    /// To be tried again at the file's modification time.
    case deferred
    /// Left alone until released.
    case hold
    /// Files that are no queue files; never touched again.
    case corrupt
    case bounce
    case `defer`
    case trace

    public var name: String { rawValue }
}

/// Where the queue is.
public struct QueueDirectories: Sendable, Hashable {
    /// `queue_directory`.
    public let root: String

    public init(root: String) { self.root = root }

    /// Where the commit logs are.
    public var commit: String { "\(root)/commit" }

    public func path(_ directory: QueueDirectory) -> String { "\(root)/\(directory.rawValue)" }
    public func path(_ directory: QueueDirectory, _ id: QueueID) -> String { "\(root)/\(directory.rawValue)/\(id.text)" }
    /// The socket of a service: `private/NAME` or `public/NAME`.
    public func socket(_ name: String, isPrivate: Bool) -> String { "\(root)/\(isPrivate ? "private" : "public")/\(name)" }

    /// The ids of the files in a directory, in no order. Names that are no ids are left out.
    public func ids(in directory: QueueDirectory) throws(SystemError) -> [QueueID] {
        try Files.directoryEntries(path(directory)).compactMap { QueueID($0) }
    }

    /// Moves a message's file between directories of the queue: one rename; the directories need no sync, because either name is a state
    /// that start-up knows.
    public func move(_ id: QueueID, from: QueueDirectory, to: QueueDirectory) throws(SystemError) {
        try Files.rename(path(from, id), path(to, id))
    }
}
