// The slot of a record in a commit log: what qmgr says of the record's message, and the lock under which its file is made.
//
// cleanup makes the file of a message when it settles the log, qmgr when it needs one earlier; whoever holds the lock of the slot does it. qmgr says
// `filed` before such a file leaves `incoming`. So, on a machine that has not lost its power since, a slot that says nothing means that
// the file is in `incoming` or nowhere.

import MailModel
import SystemKit

struct CommitLogSlot {
    /// Of the log, open for reading and writing; its owner's.
    let descriptor: Int32
    let generation: UInt64
    let index: UInt32

    enum State: Hashable {
        /// Nothing was said: the message may be in the log alone.
        case open
        /// It is a file, or was one: the record is not needed to make one.
        case filed
        /// It is done.
        case settled
    }

    static let size = 8
    /// Generations are microseconds since 1970 and never have this bit.
    private static let filedBit: UInt64 = 1 << 63

    static func state(_ value: UInt64, generation: UInt64) -> State {
        value == generation ? .settled : value == generation | filedBit ? .filed : .open
    }

    private var offset: Int64 { CommitLogHeader.slotOffset(index) }

    func state() throws(SystemError) -> State {
        let bytes = try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in
            try file.pread(upTo: CommitLogSlot.size, at: offset)
        }
        return CommitLogSlot.state(bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }, generation: generation)
    }

    /// Not synced: cleanup's next commit takes it to the disk with the batch.
    func say(_ state: State) throws(SystemError) {
        let value = state == .settled ? generation : state == .filed ? generation | CommitLogSlot.filedBit : 0
        let bytes = withUnsafeBytes(of: value.littleEndian) { Array($0) }
        try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pwriteAll(bytes, at: offset) }
    }

    /// Calls `body` with the lock. Blocks while another program makes the file.
    func locked<Result>(_ body: () throws -> Result) throws -> Result {
        try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in
            try file.lockRange(at: offset, count: Int64(CommitLogSlot.size))
        }
        defer {
            try? FileDescriptor.borrowing(descriptor) { file throws(SystemError) in
                try file.unlockRange(at: offset, count: Int64(CommitLogSlot.size))
            }
        }
        return try body()
    }
}
