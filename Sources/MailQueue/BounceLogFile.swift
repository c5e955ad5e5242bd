// The form of the logs of recipients in `bounce`, `defer` and `trace`: one file a message, one line a record.
//
// A line is base64 of a checksum (CRC-32C, 4 bytes) and the encoded BounceRecord, between two line feeds. A line that a crash tore is thus
// cut off from the next one, is recognized by its checksum, and is skipped: nobody was told that it is there.
//
// Security: the files are ours, but a sick disk may have changed them; the parser is total, and what does not check is counted.
// Version: the form has no version of its own; it changes only together with the version of the queue (QueueFormat).

import InternetMessage
public import MailIPC
import MailModel
import SystemKit

/// What a log holds.
public struct BounceLogContents: Sendable, Equatable {
    /// The last record of each recipient, in the order in which recipients first occur.
    public var records: [BounceRecord] = []
    /// Octets of the file; 0 where there is none.
    public var size: Int64 = 0
    /// Lines that are no record.
    public var damagedLines = 0

    public init(size: Int64 = 0) { self.size = size }
}

/// The form.
public enum BounceLogFile {
    /// Nothing of ours is longer: 50,000 recipients with long diagnostics stay below it.
    public static let sizeLimit = 256 << 20

    /// A record as it stands in the file.
    public static func line(_ record: BounceRecord) -> [UInt8] {
        let body = record.encoded
        var encoder = ByteEncoder(reserving: body.count + 4)
        encoder.put(CRC32C.checksum(body))
        encoder.put(raw: body)
        return [10] + Base64.encode(encoder.bytes) + [10]
    }

    /// Every record of a file, the last of each recipient.
    public static func parse(_ bytes: [UInt8]) -> BounceLogContents {
        var contents = BounceLogContents(size: Int64(bytes.count))
        var positions: [EnvelopeRecipient: Int] = [:]
        for line in bytes.split(separator: 10) {
            guard let record = record(line) else {
                contents.damagedLines += 1
                continue
            }
            if let position = positions[record.recipient] {
                contents.records[position] = record
            } else {
                positions[record.recipient] = contents.records.count
                contents.records.append(record)
            }
        }
        return contents
    }

    private static func record(_ line: ArraySlice<UInt8>) -> BounceRecord? {
        guard let bytes = Base64.decode(line), bytes.count > 4 else { return nil }
        var decoder = ByteDecoder(bytes)
        guard let checksum = try? decoder.take(UInt32.self), checksum == CRC32C.checksum(bytes[4...]) else { return nil }
        return try? BounceRecord(decoding: bytes[4...])
    }
}
