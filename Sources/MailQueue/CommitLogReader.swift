// Reads a commit log: its records in order, and which of them need no recovery.
//
// Security: nothing in the file is believed before its checksum; every length is checked against the file.
// Known limits: a record is read whole, which a log's size bounds.

import MailModel
import SystemKit

/// A record of the present generation.
struct CommitLogRecord: Sendable {
    let header: CommitLogRecordHeader
    /// The queue file as cleanup wrote it.
    let file: [UInt8]
}

/// An open commit log.
struct CommitLogReader: Sendable {
    let descriptor: Int32
    let header: CommitLogHeader

    /// nil where the log was never finished, and so has nothing.
    ///
    /// - Parameter descriptor: stays the caller's, and open while this lives.
    init?(_ descriptor: Int32) throws(QueueFileError) {
        self.descriptor = descriptor
        let page = try CommitLogReader.read(descriptor, Int(CommitLogHeader.pageSize), at: 0)
        guard let header = try CommitLogHeader.decode(page: page) else { return nil }
        self.header = header
    }

    /// Whether the record's message is gone from the queue as it should be. qmgr says so before it removes the file.
    func isSettled(_ index: UInt32) throws(QueueFileError) -> Bool {
        let slot = try CommitLogReader.read(descriptor, 8, at: CommitLogHeader.slotOffset(index))
        return slot.reversed().reduce(0) { $0 << 8 | UInt64($1) } == header.generation
    }

    /// The records of the present generation, in order.
    func forEach<Failure: Error>(_ body: (CommitLogRecord) throws(Failure) -> Void, failure: (QueueFileError) -> Failure) throws(Failure) {
        var position = header.firstRecord
        for index in 0..<header.slots {
            let found: CommitLogRecord?
            do throws(QueueFileError) {
                if let next = try record(index, at: position) {
                    found = next
                } else {
                    // The next batch begins with a page.
                    let aligned = CommitLogHeader.aligned(position)
                    found = aligned > position ? try record(index, at: aligned) : nil
                    position = aligned
                }
            } catch {
                throw failure(error)
            }
            guard let found else { return }
            position += UInt64(CommitLogRecordHeader.size) + UInt64(found.header.length)
            try body(found)
        }
    }

    private func record(_ index: UInt32, at position: UInt64) throws(QueueFileError) -> CommitLogRecord? {
        guard position + UInt64(CommitLogRecordHeader.size) <= header.size else { return nil }
        let raw = try CommitLogReader.read(descriptor, CommitLogRecordHeader.size, at: Int64(position))
        guard let (found, checksum) = CommitLogRecordHeader.decode(raw), found.generation == header.generation, found.index == index else {
            return nil
        }
        let start = position + UInt64(CommitLogRecordHeader.size)
        guard UInt64(found.length) <= header.size - start else { return nil }
        let file = try CommitLogReader.read(descriptor, Int(found.length), at: Int64(start))
        guard file.count == Int(found.length) else { return nil }
        var sum = CRC32C()
        sum.update(raw.dropLast(4))
        sum.update(file)
        return sum.value == checksum ? CommitLogRecord(header: found, file: file) : nil
    }

    private static func read(_ descriptor: Int32, _ count: Int, at offset: Int64) throws(QueueFileError) -> [UInt8] {
        do throws(SystemError) {
            return try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pread(upTo: count, at: offset) }
        } catch {
            throw .system("\(error)")
        }
    }
}
