// Finding CR and LF in long stretches of mail: plain text sixteen bytes at a time, the rest eight.
//
// Every byte of every message passes here once; a byte-wise loop over array slices would dominate the processor time of a receiver.

/// Searches in bytes.
public enum ByteScanner {
    @usableFromInline static let ones: UInt64 = 0x0101_0101_0101_0101
    @usableFromInline static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Not zero where a byte is below 14 or above 127, among which CR and LF are.
    @inlinable
    @inline(__always)
    static func unusual(_ word: UInt64) -> UInt64 { ((word &- ones &* 0x0E) | word) & highs }

    /// The index of the first byte at or after `start` that is a control character below 14 or no ASCII, or `end` where there is none.
    /// `start <= end <= bytes.count` is the caller's.
    @inlinable
    @inline(__always)
    public static func firstUnusual(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int {
        var index = start
        // Proof of bounds: index + 32 <= end, and index + 8 <= end, <= bytes.count before each load.
        while index + 32 <= end {
            let first = unusual(bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let second = unusual(bytes.loadUnaligned(fromByteOffset: index + 8, as: UInt64.self))
            let third = unusual(bytes.loadUnaligned(fromByteOffset: index + 16, as: UInt64.self))
            let fourth = unusual(bytes.loadUnaligned(fromByteOffset: index + 24, as: UInt64.self))
            guard (first | second | third | fourth) == 0 else { break }
            index += 32
        }
        while index + 8 <= end {
            // A borrow makes false marks above a true one only: the lowest is true.
            let marks = unusual(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)))
            if marks != 0 { return index + marks.trailingZeroBitCount >> 3 }
            index += 8
        }
        while index < end, bytes[index] >= 14, bytes[index] < 0x80 { index += 1 }
        return index
    }

    /// The index of the first CR or LF at or after `start`, or `end` where there is none. `start <= end <= bytes.count` is the caller's.
    @inlinable
    @inline(__always)
    public static func firstLineBreak(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int {
        var index = start
        // Proof of bounds: index + 16 <= end, and index + 8 <= end, <= bytes.count before each load.
        while index + 16 <= end {
            let first = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let second = bytes.loadUnaligned(fromByteOffset: index + 8, as: UInt64.self)
            guard (unusual(first) | unusual(second)) == 0 else { break }
            index += 16
        }
        while index + 8 <= end {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let carriageReturns = word ^ (ones &* 0x0D)
            let lineFeeds = word ^ (ones &* 0x0A)
            // The lowest set high bit marks the first zero byte; marks above it may be false, the lowest never is.
            let marks = (((carriageReturns &- ones) & ~carriageReturns) | ((lineFeeds &- ones) & ~lineFeeds)) & highs
            if marks != 0 { return index + marks.trailingZeroBitCount >> 3 }
            index += 8
        }
        while index < end {
            if bytes[index] == 0x0D || bytes[index] == 0x0A { return index }
            index += 1
        }
        return end
    }
}
