import MailModel
import Testing

@Suite struct ByteScannerTests {
    /// What the search has to find, byte by byte.
    private func plainSearch(_ bytes: [UInt8], from start: Int, to end: Int) -> Int {
        bytes[start..<end].firstIndex { $0 == 0x0D || $0 == 0x0A } ?? end
    }

    @Test func findsWhatASearchByteByByteFinds() {
        // Neighbours of CR and LF, 8-bit bytes and controls that stop the fast path, at every place of the words that are read at once.
        let samples: [UInt8] = [0x00, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x20, 0x7F, 0x80, 0x8A, 0x8D, 0xFF]
        for length in [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50] {
            for place in 0..<length {
                for first in samples {
                    for second in samples {
                        var bytes = [UInt8](repeating: 0x41, count: length)
                        bytes[place] = first
                        bytes[(place * 3 + 5) % length] = second
                        for (start, end) in [(0, length), (min(3, length), length), (0, place), (place, length)] {
                            let found = bytes.withUnsafeBytes { ByteScanner.firstLineBreak($0, from: start, to: end) }
                            #expect(found == plainSearch(bytes, from: start, to: end), "\(bytes) from \(start) to \(end)")
                        }
                    }
                }
            }
        }
    }
}
