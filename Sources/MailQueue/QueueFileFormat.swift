// The format of a queue file, versions 1 and 2. martlet_queue(5) describes it for people.
//
//   header    64 bytes    magic, version, sizes, content facts, arrival, checksum of header and envelope, delay notice flag
//   envelope              the envelope without recipients, length before it; then for each recipient a state byte and its record
//   content               as over the wire: CRLF, dots unstuffed
//   end       16 bytes    magic, checksum of the content, length of the whole file
//
// Two kinds of bytes change after the file was accepted, each alone, in place, by qmgr only: the state byte of a recipient and the delay
// notice flag. The checksums are computed as if they never had. A file whose end record is missing or wrong was never accepted.
// Version 2 has the control group of a local submission at the end of the envelope's head; the rest is the same.
// Versions: a reader refuses a version it does not know, and touches nothing.

public import MailModel
import SystemKit

/// What is left to do for a recipient. The raw values are the bytes of the file.
public enum RecipientState: UInt8, Sendable, Hashable {
    case todo = 0x54
    /// Delivered, relayed, expanded or discarded.
    case done = 0x44
    /// Failed, and recorded durably in the bounce log.
    case bounced = 0x42
}

/// The fixed header.
public struct QueueFileHeader: Hashable, Sendable {
    public static let magic: [UInt8] = Array("MARTLET\n".utf8)
    public static let endMagic: [UInt8] = Array("\nEND".utf8)
    public static let currentVersion: UInt16 = 2
    /// The oldest one that is read.
    public static let oldestVersion: UInt16 = 1
    public static let size = 64
    public static let endSize = 16
    /// Where the checksum stands, and the one byte of the header that changes.
    static let checksumOffset = 48
    public static let delayNoticeOffset = 52

    /// Of the file: what the envelope's head consists of.
    public private(set) var version = QueueFileHeader.currentVersion
    public var contentFacts: ContentFacts
    public var envelopeLength: UInt32
    public var recipientCount: UInt32
    public var contentLength: UInt64
    /// Microseconds since 1970.
    public var arrival: Int64
    public var checksum: UInt32
    /// The sender was told of the delay.
    public var delayNoticeSent: Bool

    public var contentOffset: UInt64 { UInt64(QueueFileHeader.size) + UInt64(envelopeLength) }
    public var fileLength: UInt64 { contentOffset + contentLength + UInt64(QueueFileHeader.endSize) }

    /// The 64 bytes.
    public var encoded: [UInt8] {
        var encoder = ByteEncoder(reserving: QueueFileHeader.size)
        encoder.put(raw: QueueFileHeader.magic)
        encoder.put(version)
        encoder.put(UInt16(QueueFileHeader.size))
        encoder.put(contentFacts.rawValue)
        encoder.put(envelopeLength)
        encoder.put(recipientCount)
        encoder.put(contentOffset)
        encoder.put(contentLength)
        encoder.put(arrival)
        encoder.put(checksum)
        encoder.put(delayNoticeSent)
        encoder.put(raw: [UInt8](repeating: 0, count: QueueFileHeader.size - encoder.bytes.count))
        return encoder.bytes
    }

    public init(
        contentFacts: ContentFacts, envelopeLength: UInt32, recipientCount: UInt32, contentLength: UInt64, arrival: Int64,
        checksum: UInt32 = 0,
        delayNoticeSent: Bool = false
    ) {
        self.contentFacts = contentFacts
        self.envelopeLength = envelopeLength
        self.recipientCount = recipientCount
        self.contentLength = contentLength
        self.arrival = arrival
        self.checksum = checksum
        self.delayNoticeSent = delayNoticeSent
    }

    public init(decoding bytes: ArraySlice<UInt8>) throws(QueueFileError) {
        do {
            var decoder = ByteDecoder(bytes)
            guard try decoder.take(raw: 8).elementsEqual(QueueFileHeader.magic) else {
                throw QueueFileError.notAQueueFile("no magic number")
            }
            let version = try decoder.take(UInt16.self)
            guard (QueueFileHeader.oldestVersion...QueueFileHeader.currentVersion).contains(version) else {
                throw QueueFileError.unknownVersion(version)
            }
            guard try decoder.take(UInt16.self) == UInt16(QueueFileHeader.size) else { throw QueueFileError.notAQueueFile("header size") }
            let facts = ContentFacts(rawValue: try decoder.take(UInt32.self))
            let envelopeLength = try decoder.take(UInt32.self)
            let recipientCount = try decoder.take(UInt32.self)
            let offset = try decoder.take(UInt64.self)
            let contentLength = try decoder.take(UInt64.self)
            let arrival = try decoder.take(Int64.self)
            let checksum = try decoder.take(UInt32.self)
            let notice = try decoder.takeBool()
            self.init(
                contentFacts: facts, envelopeLength: envelopeLength, recipientCount: recipientCount, contentLength: contentLength,
                arrival: arrival, checksum: checksum, delayNoticeSent: notice)
            self.version = version
            guard offset == contentOffset, contentLength < 1 << 50, envelopeLength < 1 << 28 else {
                throw QueueFileError.notAQueueFile("sizes disagree")
            }
        } catch let error as QueueFileError {
            throw error
        } catch {
            throw .notAQueueFile("\(error)")
        }
    }

    /// The checksum over header (without checksum and notice flag) and envelope (with every recipient to do).
    static func checksum(header: [UInt8], envelope: [UInt8]) -> UInt32 {
        var plain = header
        for index in checksumOffset...delayNoticeOffset { plain[index] = 0 }
        var checksum = CRC32C()
        checksum.update(plain)
        checksum.update(envelope)
        return checksum.value
    }
}

/// Why a file is not (yet) a message.
public enum QueueFileError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The end record is missing: the file was being written when its writer died, and was never accepted.
    case incomplete
    /// Garbage; the reason.
    case notAQueueFile(String)
    /// Written by another version of Martlet.
    case unknownVersion(UInt16)
    /// The system refused; the reason.
    case system(String)

    public var description: String {
        switch self {
        case .incomplete: "incomplete: no valid end record"
        case .notAQueueFile(let reason): "not a queue file: \(reason)"
        case .unknownVersion(let version): "queue file of unknown version \(version)"
        case .system(let reason): reason
        }
    }
}
