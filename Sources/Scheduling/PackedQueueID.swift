// A queue id in 16 bytes instead of a string's 16 plus a heap block of 48: a million deferred messages are known by id and time only.

package import MailModel

/// Up to 21 letters and digits in base 63 (0 is "no more characters"): 63^21 is just below 2^126. Longer ids do not pack.
package struct PackedQueueID: Hashable, Comparable, Sendable {
    // Two words rather than a UInt128, whose alignment of 16 would cost 8 bytes in every heap element.
    private let high: UInt64
    private let low: UInt64

    package static let maximumLength = 21

    /// nil where the id is too long.
    package init?(_ id: QueueID) { self.init(bytes: id.text.utf8) }

    /// nil where the bytes are no id, or too long.
    package init?(bytes: some Collection<UInt8>) {
        guard (6...PackedQueueID.maximumLength).contains(bytes.count) else { return nil }
        var value: UInt128 = 0
        for byte in bytes {
            guard let digit = PackedQueueID.digit(of: byte) else { return nil }
            value = value &* 63 &+ UInt128(digit)
        }
        high = UInt64(truncatingIfNeeded: value >> 64)
        low = UInt64(truncatingIfNeeded: value)
    }

    /// nil only for a value that was never packed.
    package var queueID: QueueID? {
        var value = UInt128(high) << 64 | UInt128(low)
        var bytes: [UInt8] = []
        while value > 0 {
            guard let character = PackedQueueID.character(of: UInt8(value % 63)) else { return nil }
            bytes.append(character)
            value /= 63
        }
        return QueueID(String(decoding: bytes.reversed(), as: UTF8.self))
    }

    package static func < (a: PackedQueueID, b: PackedQueueID) -> Bool { (a.high, a.low) < (b.high, b.low) }

    private static func digit(of byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30 + 1
        case 0x41...0x5A: byte - 0x41 + 11
        case 0x61...0x7A: byte - 0x61 + 37
        default: nil
        }
    }

    private static func character(of digit: UInt8) -> UInt8? {
        switch digit {
        case 1...10: digit - 1 + 0x30
        case 11...36: digit - 11 + 0x41
        case 37...62: digit - 37 + 0x61
        default: nil
        }
    }
}
