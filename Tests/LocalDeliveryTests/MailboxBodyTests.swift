import MailModel
import SystemKit
import Testing

@testable import LocalDelivery

/// The stored form of whatever comes in whatever pieces, held against the plain words of what it is to be.
@Suite struct MailboxBodyTests {
    /// Splits like nobody would: what is between CRLF stays, except for the quote.
    static func stored(_ content: [UInt8], _ form: MailboxForm) -> [UInt8] {
        var out: [UInt8] = []
        var index = 0
        while index < content.count {
            if content[index] == 13, index + 1 < content.count, content[index + 1] == 10 { index += 1 }
            let byte = content[index]
            if byte == UInt8(ascii: "F"), form.contains(.quoting), out.last == nil || out.last == 10,
                content[index...].starts(with: "From ".utf8)
            {
                out.append(UInt8(ascii: ">"))
            }
            out.append(byte)
            index += 1
        }
        if let last = out.last, last != 10 { out.append(10) }
        if form.contains(.finalBlank) { out.append(10) }
        return out
    }

    /// Mostly what makes a difference, with text of any length between.
    static func content(_ random: inout some RandomNumberGenerator) -> [UInt8] {
        let parts: [[UInt8]] = [
            [13], [10], [13, 10], [13, 10], [13, 13, 10], Array("From ".utf8), Array("\r\nFrom ".utf8), Array("Fro".utf8), [0],
            [13, 10, 46],
            Array("F".utf8), Array("From\r\n".utf8), [0x8D, 0x8A, 0xFF],
        ]
        var out: [UInt8] = []
        for _ in 0..<Int.random(in: 0...30, using: &random) {
            if Bool.random(using: &random) {
                out += parts.randomElement(using: &random) ?? []
            } else {
                out += Array(repeating: UInt8.random(in: 0...255, using: &random), count: Int.random(in: 0...70, using: &random))
            }
        }
        return out
    }

    static func pieces(_ content: [UInt8], _ random: inout some RandomNumberGenerator) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = content[...]
        while !rest.isEmpty {
            let count = Bool.random(using: &random) ? Int.random(in: 0...3, using: &random) : Int.random(in: 0...rest.count, using: &random)
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return pieces
    }

    @Test(arguments: [MailboxForm.maildir, .mbox, .command, [.quoting], [.finalBlank]])
    func anyContentInAnyPieces(_ form: MailboxForm) {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(state: seed)
        for round in 0..<1000 {
            let content = Self.content(&random)
            var body = MailboxBody(form)
            var out: [UInt8] = []
            for piece in Self.pieces(content, &random) { out += body.feed(piece) }
            out += body.finish()
            #expect(out == Self.stored(content, form), "seed \(seed), round \(round), content \(content)")
        }
    }

    /// Not a byte beyond what it says it needs, in the worst case for quotes.
    @Test func itsRoomIsEnough() {
        for count in [0, 1, 5, 6, 7, 17, 60, 6000] {
            let content = Array("From \n".utf8) + Array(String(repeating: "From \n", count: 1000).utf8)
            var body = MailboxBody(.mbox)
            // As much as can be kept back.
            let kept = body.feed(Array("\nFrom".utf8)).count
            #expect(kept == 1)
            let room = MailboxBody.room(for: count)
            var memory = [UInt8](repeating: 0xAA, count: room + 32)
            let written = memory.withUnsafeMutableBytes { memory in
                content.dropFirst(4).prefix(count).withUnsafeBytes { bytes in
                    body.feed(bytes, into: UnsafeMutableRawBufferPointer(rebasing: memory[..<room]))
                }
            }
            #expect(written <= room)
            #expect(memory[room...].allSatisfy { $0 == 0xAA })
        }
    }

    /// A message from a file, through the memory that all messages share: the same bytes, in pieces that end where files are cut.
    @Test(arguments: [0, 5000, 1_000_000, 1_048_575, 1_048_576] as [Int64])
    func aFileInAlignedPieces(_ start: Int64) throws {
        var random = SeededGenerator(state: UInt64(start))
        let buffers = PieceBuffers()
        var all: [UInt8] = []
        while all.count < 20_000 { all += Self.content(&random) }
        while all.count < 1_100_000 { all += all.prefix(100_000) }
        for length in [0, 40, 32_768, 32_769, 65_536, start == 0 ? 1_100_000 : 200_000] {
            let content = Array(all.prefix(length))
            let file = try SealedMemory.make("content", [1, 2, 3] + content)
            let source = try MessageContent(file: file, offset: 3, length: UInt64(length), buffers: buffers)
            for form in [MailboxForm.maildir, .mbox] {
                var pieces: [[UInt8]] = []
                try source.forEachStoredPiece(header: Array("H: x\n".utf8), form: form, at: start) { piece throws(SystemError) in
                    pieces.append(Array(piece))
                }
                #expect(Array(pieces.joined()) == Array("H: x\n".utf8) + Self.stored(content, form))
                var position = start
                for piece in pieces.dropLast() {
                    position += Int64(piece.count)
                    #expect(position % Int64(PieceBuffers.writeSize) == 0)
                }
                #expect(pieces.allSatisfy { !$0.isEmpty && $0.count <= PieceBuffers.writeSize })
            }
        }
    }

    @Test func aFileThatIsTooShortIsAnError() throws {
        let file = try SealedMemory.make("content", Array(repeating: UInt8(ascii: "a"), count: 100_000))
        let source = try MessageContent(file: file, offset: 0, length: 100_001)
        #expect(throws: SystemError.self) {
            try source.forEachStoredPiece(header: [], form: .maildir) { _ throws(SystemError) in }
        }
    }
}

/// Repeats itself for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var word = state
        word ^= word >> 33
        return word &* 0xFF51_AFD7_ED55_8CCD ^ (word >> 29)
    }
}
