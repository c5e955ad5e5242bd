// Reads a commit log: its records in order, and which of them need no recovery.
//
// Security: nothing in the file is believed before its checksum; every length is checked against the file.
// Known limits: a record is read whole, which a log's size bounds.

import MailModel
import SystemKit

/// A record of the present generation.
struct CommitLogRecord: Sendable {
    let header: CommitLogRecordHeader
    /// Where in the log it begins.
    let offset: UInt64
    /// The queue file as cleanup wrote it.
    let file: [UInt8]
}

/// An open commit log.
struct CommitLogReader: Sendable {
    let descriptor: Int32
    let header: CommitLogHeader

    /// nil where there is no header: ``damage(_:in:)``.
    ///
    /// - Parameter descriptor: stays the caller's, and open while this lives.
    init?(_ descriptor: Int32) throws(QueueFileError) {
        self.descriptor = descriptor
        let page = try CommitLogReader.read(descriptor, Int(CommitLogHeader.pageSize), at: 0)
        guard let header = try CommitLogHeader.decode(page: page) else { return nil }
        self.header = header
    }

    /// What is wrong with a log as a whole; nil where its file is as it was made.
    ///
    /// No crash leaves such a log. It gets its name when all of its bytes, and then its header, are durable (CommitLogFile.make): one that was being made
    /// when the machine died is a draft, or nothing. Afterwards nothing makes it shorter, and of a header that is overwritten one copy stays.
    static func damage(_ reader: CommitLogReader?, in file: borrowing FileDescriptor) throws(SystemError) -> String? {
        let size = try file.status().size
        guard let reader else { return "it has \(size) bytes, and no header: what was in it is lost unless it is in the queue" }
        guard size < Int64(reader.header.size) else { return nil }
        return "it has \(size) bytes of \(reader.header.size): what was in the others is lost unless it is in the queue"
    }

    static func damage(record: UInt32) -> String { "record \(record) is damaged, and its message is lost unless it is in the queue" }

    func slot(_ index: UInt32) -> CommitLogSlot { CommitLogSlot(descriptor: descriptor, generation: header.generation, index: index) }

    /// Whether the record's message is gone from the queue as it should be. qmgr says so before it removes the file.
    func isSettled(_ index: UInt32) throws(QueueFileError) -> Bool {
        do throws(SystemError) { return try slot(index).state() == .settled } catch { throw .system("\(error)") }
    }

    /// The records of the present generation, in order.
    ///
    /// - Parameter damaged: where it is given, batches behind a damaged record count, too, and it is told the number of the record.
    func forEach<Failure: Error>(
        _ body: (CommitLogRecord) throws(Failure) -> Void, failure: (QueueFileError) -> Failure, damaged: ((UInt32) -> Void)? = nil
    ) throws(Failure) {
        var position = header.firstRecord
        var index: UInt32 = 0
        while index < header.slots {
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
            guard let found else {
                guard let damaged else { return }
                do throws(QueueFileError) {
                    guard let next = try batch(behind: index, from: position) else { return }
                    damaged(index)
                    (index, position) = (next.header.index, next.offset)
                    continue
                } catch {
                    throw failure(error)
                }
            }
            index += 1
            position += UInt64(CommitLogRecordHeader.size) + UInt64(found.header.length)
            try body(found)
        }
    }

    /// The first record of a batch further on. Each batch is durable before the next is written: it is there only where what is missing was damaged later.
    private func batch(behind index: UInt32, from position: UInt64) throws(QueueFileError) -> CommitLogRecord? {
        var place = CommitLogHeader.aligned(position)
        while place + UInt64(CommitLogRecordHeader.size) <= header.size {
            let raw = try CommitLogReader.read(descriptor, CommitLogRecordHeader.size, at: Int64(place))
            if let (found, _) = CommitLogRecordHeader.decode(raw), found.generation == header.generation, found.index > index,
                let whole = try record(found.index, at: place)
            {
                return whole
            }
            place += CommitLogHeader.pageSize
        }
        return nil
    }

    private func record(_ index: UInt32, at position: UInt64) throws(QueueFileError) -> CommitLogRecord? {
        try CommitLogReader.record(index, of: header.generation, at: position, in: descriptor, upTo: header.size)
    }

    /// Most records are read at once with their headers.
    private static let firstRead = 8192

    /// A record that is whole; nil where there is another, or none.
    ///
    /// - Parameter size: of the log.
    static func record(
        _ index: UInt32, of generation: UInt64, at position: UInt64, in descriptor: Int32, upTo size: UInt64
    ) throws(QueueFileError) -> CommitLogRecord? {
        guard position <= size, size - position >= UInt64(CommitLogRecordHeader.size) else { return nil }
        let front = try read(descriptor, firstRead, at: Int64(position))
        let raw = Array(front.prefix(CommitLogRecordHeader.size))
        guard let (found, checksum) = CommitLogRecordHeader.decode(raw), found.generation == generation, found.index == index else {
            return nil
        }
        let start = position + UInt64(CommitLogRecordHeader.size)
        guard UInt64(found.length) <= size - start else { return nil }
        let length = Int(found.length)
        let file =
            front.count >= CommitLogRecordHeader.size + length
            ? Array(front[CommitLogRecordHeader.size..<(CommitLogRecordHeader.size + length)])
            : try read(descriptor, length, at: Int64(start))
        guard file.count == length else { return nil }
        var sum = CRC32C()
        sum.update(raw.dropLast(4))
        sum.update(file)
        return sum.value == checksum ? CommitLogRecord(header: found, offset: position, file: file) : nil
    }

    private static func read(_ descriptor: Int32, _ count: Int, at offset: Int64) throws(QueueFileError) -> [UInt8] {
        do throws(SystemError) {
            return try FileDescriptor.borrowing(descriptor) { file throws(SystemError) in try file.pread(upTo: count, at: offset) }
        } catch {
            throw .system("\(error)")
        }
    }
}
