// The draft of the directory `commit`: a queue file that recovery makes again, or a commit log that cleanup makes. It gets its name, by a rename, when
// all of it is there. Whoever has the turn (CommitLogRecovery.takeTurn) has the draft; one that is found was left by a program that died.

import SystemKit

public enum CommitLogDraft {
    /// Its name beside the logs.
    public static let name = "draft"

    static func path(_ directories: QueueDirectories) -> String { "\(directories.commit)/\(name)" }

    /// An empty one. What the owner of the queue has put in its place is not written to: root makes drafts, too.
    static func begin(_ directories: QueueDirectories, _ access: OpenFlags) throws(SystemError) -> FileDescriptor {
        let path = path(directories)
        do throws(SystemError) { try Files.unlink(path) } catch { if !error.isNotFound { throw error } }
        return try FileDescriptor.open(path, [access, .create, .exclusive, .noFollow], mode: 0o600)
    }
}
