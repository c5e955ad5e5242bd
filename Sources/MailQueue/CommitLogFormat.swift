// The form of a commit log: `commit/log.N` of the queue directory. martlet_queue(5) describes it for people.
//
//   header     4096 bytes   twice, at 0 and at 2048, so that a write that was cut leaves one: magic, version, size, slots, generation, checksum
//   slots      8 bytes each one for each record: the generation, once the record's message needs no recovery any more
//   records                 batches, each from a multiple of 4096 on: header with its checksum, then the queue file as cleanup wrote it
//
// A record counts only if it is of the generation that the header names and follows the one before without a gap. So one write of the header
// empties the log, and what older generations left behind it is never taken for something.
// All of its size is written when it is made: a sync after that has neither sizes nor places to make durable, and costs one flush.

import MailModel
import SystemKit

/// The header.
struct CommitLogHeader: Hashable, Sendable {
    static let magic = Array("MARTLOG\n".utf8)
    static let version: UInt16 = 1
    /// What it takes of the file, and what batches begin at a multiple of.
    static let pageSize: UInt64 = 4096
    static let copyOffset = 2048
    private static let encodedSize = 38
    /// Sizes that are believed.
    static let sizes: ClosedRange<UInt64> = 65_536...(1 << 32)

    /// Of the file.
    let size: UInt64
    let slots: UInt32
    var generation: UInt64

    /// - Parameter size: a multiple of ``pageSize``.
    init(size: UInt64, generation: UInt64) {
        self.size = size
        // The smallest messages take a little more than half a kilobyte; a log that is full of them is full earlier.
        slots = UInt32(clamping: max(512, size / 2048 / 512 * 512))
        self.generation = generation
    }

    static func slotOffset(_ index: UInt32) -> Int64 { Int64(pageSize) + 8 * Int64(index) }

    var firstRecord: UInt64 { CommitLogHeader.aligned(CommitLogHeader.pageSize + 8 * UInt64(slots)) }

    static func aligned(_ offset: UInt64) -> UInt64 { (offset + pageSize - 1) / pageSize * pageSize }

    /// The page.
    var encoded: [UInt8] {
        var encoder = ByteEncoder()
        encoder.put(raw: CommitLogHeader.magic)
        encoder.put(CommitLogHeader.version)
        encoder.put(UInt32(0))
        encoder.put(size)
        encoder.put(slots)
        encoder.put(generation)
        encoder.put(CRC32C.checksum(encoder.bytes))
        var page = [UInt8](repeating: 0, count: Int(CommitLogHeader.pageSize))
        page.replaceSubrange(0..<encoder.bytes.count, with: encoder.bytes)
        page.replaceSubrange(CommitLogHeader.copyOffset..<(CommitLogHeader.copyOffset + encoder.bytes.count), with: encoder.bytes)
        return page
    }

    /// nil where neither copy is one.
    ///
    /// - Throws: where another version of Martlet wrote it.
    static func decode(page: [UInt8]) throws(QueueFileError) -> CommitLogHeader? {
        guard page.count == Int(pageSize) else { return nil }
        var best: CommitLogHeader?
        for start in [0, copyOffset] {
            guard let copy = try decode(copy: page[start..<(start + encodedSize)]) else { continue }
            // The newer one was written after everything that the older one stands for was durable elsewhere.
            if best.map({ $0.generation < copy.generation }) ?? true { best = copy }
        }
        return best
    }

    private static func decode(copy: ArraySlice<UInt8>) throws(QueueFileError) -> CommitLogHeader? {
        guard CRC32C.checksum(copy.dropLast(4)) == copy.suffix(4).reversed().reduce(0, { $0 << 8 | UInt32($1) }) else { return nil }
        var decoder = ByteDecoder(copy)
        guard (try? decoder.take(raw: magic.count).elementsEqual(magic)) == true, let version = try? decoder.take(UInt16.self) else {
            return nil
        }
        guard version == CommitLogHeader.version else { throw .unknownVersion(version) }
        guard (try? decoder.take(UInt32.self)) != nil, let size = try? decoder.take(UInt64.self), sizes.contains(size),
            size % pageSize == 0, let slots = try? decoder.take(UInt32.self), let generation = try? decoder.take(UInt64.self)
        else { return nil }
        let header = CommitLogHeader(size: size, generation: generation)
        return header.slots == slots ? header : nil
    }
}

/// What stands before each queue file in the log.
struct CommitLogRecordHeader: Hashable, Sendable {
    static let magic = Array("MREC".utf8)
    static let size = 68
    private static let longestID = 40

    let generation: UInt64
    let index: UInt32
    let id: QueueID
    /// Where cleanup made the file: `incoming` or `hold`.
    let directory: QueueDirectory
    /// Of the queue file.
    let length: UInt32

    /// - Parameter file: the queue file, whose bytes the checksum covers, too.
    func encoded(with file: [UInt8]) -> [UInt8] {
        var encoder = ByteEncoder(reserving: CommitLogRecordHeader.size)
        encoder.put(raw: CommitLogRecordHeader.magic)
        encoder.put(length)
        encoder.put(generation)
        encoder.put(index)
        encoder.put(UInt8(directory == .hold ? 1 : 0))
        let name = Array(id.text.utf8)
        encoder.put(UInt8(name.count))
        encoder.put(raw: name + [UInt8](repeating: 0, count: CommitLogRecordHeader.longestID - name.count))
        encoder.put(UInt16(0))
        var checksum = CRC32C()
        checksum.update(encoder.bytes)
        checksum.update(file)
        encoder.put(checksum.value)
        return encoder.bytes
    }

    /// The header and the checksum that it says; nil where there is none.
    static func decode(_ bytes: [UInt8]) -> (header: CommitLogRecordHeader, checksum: UInt32)? {
        do throws(ByteDecodingError) {
            var decoder = ByteDecoder(bytes)
            guard try decoder.take(raw: magic.count).elementsEqual(magic) else { return nil }
            let length = try decoder.take(UInt32.self)
            let generation = try decoder.take(UInt64.self)
            let index = try decoder.take(UInt32.self)
            let directory = try decoder.takeUInt8()
            let nameLength = Int(try decoder.takeUInt8())
            let name = try decoder.take(raw: longestID)
            _ = try decoder.take(UInt16.self)
            let checksum = try decoder.take(UInt32.self)
            guard directory <= 1, nameLength <= longestID, let id = QueueID(String(decoding: name.prefix(nameLength), as: UTF8.self)) else {
                return nil
            }
            return (
                CommitLogRecordHeader(
                    generation: generation, index: index, id: id, directory: directory == 1 ? .hold : .incoming, length: length), checksum
            )
        } catch {
            return nil
        }
    }
}
