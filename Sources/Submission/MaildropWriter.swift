// Puts one submission into `maildrop` so that it is there after a power failure: exit status 0 of sendmail rests on this file.
//
// Order: write under a name that pickup does not look at, fdatasync, rename to a queue id, sync of the directory. `postdrop` is in the
// group that may write `maildrop` and read it (QueueLayout says why). Where it may not, the submission is refused: that an fsync of the file
// also commits its new name is a property of some file systems and a promise of none, and nobody would notice before the power fails.

import MailModel
import MailQueue
import SystemKit

/// A file on its way into `maildrop`.
struct MaildropWriter: ~Copyable {
    private let file: FileDescriptor
    private let directory: String
    private let temporaryPath: String
    private let time: Int64

    /// Creates the file, under a name with a dot: no queue id has one.
    init(directory: String, time: Int64, processID: Int32) throws(SystemError) {
        self.directory = directory
        self.time = time
        temporaryPath = "\(directory)/\(time).\(processID).tmp"
        file = try FileDescriptor.open(temporaryPath, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
    }

    func write(_ bytes: [UInt8]) throws(SystemError) { try file.writeAll(bytes) }

    /// Makes the file durable and visible. When this returns, the submission survives a crash.
    func commit() throws(SystemError) -> QueueID {
        // pickup is another user: it reads the file, and learns from its owner who submitted it.
        try file.setMode(0o644)
        try file.synchronizeData()
        // While the file exists no other has its inode number, so no two files get one name.
        let id = QueueID(microseconds: time, unique: try file.status().inode)
        let path = "\(directory)/\(id.text)"
        try Files.rename(temporaryPath, path)
        do throws(SystemError) {
            try Files.synchronizeDirectory(directory)
        } catch {
            // Not known to be durable: it must not be delivered and reported as failed both.
            try? Files.unlink(path)
            throw error
        }
        return id
    }

    /// Removes the unfinished file.
    func abandon() {
        // What cannot be removed now pickup removes in a day.
        try? Files.unlink(temporaryPath)
    }
}
