// Makes a message of a commit log a file in `incoming`, where it stands. By whoever has the lock of its slot (CommitLogSlot), qmgr or the settling
// cleanup, so that nobody else is at it. Not synced: the log has the message until it is settled.

import MailModel
import SystemKit

enum CommitLogMessageFile {
    /// - Returns: the file, whole. One that was made here is locked: a scan leaves it alone.
    /// - Throws: SystemError; what was begun is removed, or is found and finished the next time.
    static func make(_ bytes: [UInt8], path: String) throws(SystemError) -> FileDescriptor {
        while true {
            let file = try FileDescriptor.open(path, [.writeOnly, .create, .noFollow], mode: 0o600)
            // One that has its length is whole, since the machine has lost no power. Cleanup may have it locked until it is synced: not waited for.
            let before = try file.status()
            if before.size == Int64(bytes.count) && before.links > 0 { return file }
            try file.lockExclusive()
            // A scan that came between open and lock took it for a file whose writer died, and removed it: begin anew.
            if try file.status().links == 0 { continue }
            // What is shorter was left by one who died.
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
