// CRC-32C (Castagnoli): the checksum in the end record of a queue file. It finds accidents, not attackers.

import CSystemKit

/// A running CRC-32C checksum.
public struct CRC32C: Hashable, Sendable {
    /// The checksum of everything so far; 0 for nothing.
    public private(set) var value: UInt32

    /// Starts, or goes on from the value of an earlier part.
    public init(value: UInt32 = 0) { self.value = value }

    public mutating func update(_ bytes: some Collection<UInt8>) {
        value = withBytes(of: bytes) { csk_crc32c(value, $0.baseAddress, $0.count) }
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) { value = csk_crc32c(value, bytes.baseAddress, bytes.count) }

    public static func checksum(_ bytes: some Collection<UInt8>) -> UInt32 {
        var sum = CRC32C()
        sum.update(bytes)
        return sum.value
    }

    /// The same by table, without the processor's instruction: for tests of one against the other.
    static func portableChecksum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { csk_crc32c_portable(0, $0.baseAddress, $0.count) } }
}
