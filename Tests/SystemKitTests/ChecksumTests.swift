import Testing

@testable import SystemKit

@Suite struct ChecksumTests {
    // RFC 3720 appendix B.4, and the check value of the polynomial.
    static let vectors: [([UInt8], UInt32)] = [
        ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ([UInt8](0..<32), 0x46DD_794E),
        (Array("123456789".utf8), 0xE306_9283),
        ([], 0),
    ]

    @Test(arguments: vectors)
    func publishedVectors(bytes: [UInt8], expected: UInt32) {
        #expect(CRC32C.checksum(bytes) == expected)
        #expect(CRC32C.portableChecksum(bytes) == expected)
    }

    @Test func partsGiveTheSameAsTheWhole() {
        let bytes = [UInt8]((0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 256) })
        for cut in [0, 1, 7, 8, 9, 500, 4079, 4080, 4081, 5000, 8160, 8161, 9999, 10_000] {
            var sum = CRC32C()
            sum.update(bytes[..<cut])
            sum = CRC32C(value: sum.value)
            sum.update(bytes[cut...])
            #expect(sum.value == CRC32C.portableChecksum(bytes))
        }
    }
}
