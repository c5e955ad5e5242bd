// Queue ids in the form of Postfix's long queue ids: time, then a part that makes the id unique.
//
// The alphabet has no vowels, so that an id never spells a word. Seconds take six digits of base 52, microseconds four, then `z` and the
// unique part in base 51. Ids of one host sort by time. The name of a queue file is its id and nothing else, so an id is checked before it
// is ever joined to a directory name.

/// The name of a message in the queue and in the log.
public struct QueueID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// 6...40 characters out of `0-9A-Za-z`.
    public let text: String

    /// nil unless `text` can be the name of a queue file: 6 to 40 ASCII letters and digits.
    public init?(_ text: some StringProtocol) {
        guard (6...40).contains(text.utf8.count), text.utf8.allSatisfy(ASCII.isAlphanumeric) else { return nil }
        self.text = String(text)
    }

    /// Makes an id from a time and a number that no other file of that microsecond has (RFC-free; Postfix `enable_long_queue_ids`).
    ///
    /// - Parameters:
    ///   - microseconds: since 1970; not negative.
    ///   - unique: process and counter, or any number that differs between makers.
    public init(microseconds: Int64, unique: UInt64) {
        let time = UInt64(max(0, microseconds))
        var bytes = QueueID.digits(time / 1_000_000, base: 52, minimum: 6)
        bytes += QueueID.digits(time % 1_000_000, base: 52, minimum: 4)
        bytes.append(UInt8(ascii: "z"))
        bytes += QueueID.digits(unique, base: 51, minimum: 1)
        text = String(decoding: bytes, as: UTF8.self)
    }

    private static let alphabet = Array("0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz".utf8)

    private static func digits(_ value: UInt64, base: UInt64, minimum: Int) -> [UInt8] {
        var rest = value
        var out: [UInt8] = []
        while rest > 0 || out.count < minimum {
            out.append(alphabet[Int(rest % base)])
            rest /= base
        }
        return out.reversed()
    }

    public var description: String { text }

    public static func < (a: QueueID, b: QueueID) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}
