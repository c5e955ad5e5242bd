import SystemKit
import Testing

@Suite struct SealedMemoryTests {
    @Test func itIsReadAsOftenAsOneLikesAndNeverChanged() throws {
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let memory = try SealedMemory.make("test", bytes)
        #expect(try SealedMemory.contents(of: memory, limit: 200_000) == bytes)
        let copy = try memory.duplicate()
        #expect(try SealedMemory.contents(of: copy, limit: 1 << 20) == bytes)
        #expect(throws: SystemError.self) { try SealedMemory.contents(of: memory, limit: 199_999) }
        #expect(throws: SystemError.self) { try memory.pwriteAll([0], at: 0) }
        #expect(throws: SystemError.self) { try memory.truncate(to: 5) }
        #expect(throws: SystemError.self) { try memory.pwriteAll([0], at: 200_000) }
    }
}
