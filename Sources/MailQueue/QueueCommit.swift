// Makes accepted messages durable, each in its own file: those that are too large for a commit log, or find none (CommitLogFile).
//
// Order, and why: (1) every file is made durable with fdatasync, which also brings its size to the disk, all at the same time, so that the disk
// flushes its cache once (Durability); (2) the directory is synced, because until then the name may be lost
// although the data is safe (the qmail and OpenSMTPD defect in "mistakes of others"). Only then may anybody say 250. The end record inside
// the file is its commit marker: a name without it, or with wrong checksums, was never accepted.

public import SystemKit

/// Durability for a batch of files in one directory.
public enum QueueCommit {
    /// Makes files and their names durable. Blocks; for a thread of its own.
    ///
    /// - Returns: for each file nil, or why it may not be durable. Then it must not be acknowledged, and is to be removed.
    public static func commit(_ files: [CompletedQueueFile], directory: String, synchronizes: Bool = true) -> [SystemError?] {
        guard synchronizes else { return files.map { _ in nil } }
        let results = Durability.synchronizeData(files.map(\.descriptor))
        do {
            try Files.synchronizeDirectory(directory)
        } catch {
            return results.map { $0 ?? error }
        }
        return results
    }
}
