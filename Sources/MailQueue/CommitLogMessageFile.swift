// Makes a message of a commit log a file in `incoming`, where it stands. By whoever has the lock of its slot (CommitLogSlot), qmgr or the settling
// cleanup, so that nobody else is at it. Not synced: the log has the message until it is settled.

import MailModel
import SystemKit

enum CommitLogMessageFile {
    /// - Returns: the file, whole, and locked: a scan leaves it alone.
    /// - Throws: SystemError; what was begun is removed, or is found and finished the next time.
    static func make(_ bytes: [UInt8], path: String) throws(SystemError) -> FileDescriptor {
        while true {
            let file = try FileDescriptor.open(path, [.writeOnly, .create, .noFollow], mode: 0o600)
            try file.lockExclusive()
            let status = try file.status()
            // A scan that came between open and lock took it for a file whose writer died, and removed it: begin anew.
            if status.links == 0 { continue }
            // One that has its length is whole, since it was written in one go and the machine has lost no power. What is shorter was left by one who died.
            if status.size == Int64(bytes.count) { return file }
            do throws(SystemError) {
                try file.pwriteAll(bytes, at: 0)
            } catch {
                try? Files.unlink(path)
                throw error
            }
            return file
        }
    }
}
