// Memory of two processes: what is put comes out, slots run out and come back, and what could become smaller is refused.

import SystemKit
import Testing

struct SharedWindowTests {
    @Test func whatIsPutComesOut() throws {
        let made = try SharedWindow.make()
        let descriptor = FileDescriptor(owning: made.descriptor)
        let other = try SharedWindow(received: descriptor)
        for count in [0, 1, 4095, 4096, 65_535, SharedWindow.slotSize] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ count) }
            let slot = try #require(made.window.put(bytes))
            #expect(other.take(slot, count: count) == bytes)
        }
    }

    @Test func slotsRunOutAndComeBack() throws {
        let made = try SharedWindow.make()
        let descriptor = FileDescriptor(owning: made.descriptor)
        let other = try SharedWindow(received: descriptor)
        let slots = (0..<SharedWindow.slotCount).map { made.window.put([UInt8($0), 9]) }
        #expect(slots == (0..<SharedWindow.slotCount).map { $0 })
        #expect(made.window.put([1]) == nil)
        #expect(other.take(17, count: 2) == [17, 9])
        #expect(made.window.put([44]) == 17)
        #expect(made.window.put([45]) == nil)
        #expect(other.take(17, count: 1) == [44])
        #expect(other.take(3, count: 2) == [3, 9])
    }

    @Test(arguments: [(-1, 1), (SharedWindow.slotCount, 1), (0, -1), (0, SharedWindow.slotSize + 1)])
    func whatIsOutsideIsNot(slot: Int, count: Int) throws {
        let made = try SharedWindow.make()
        _ = FileDescriptor(owning: made.descriptor)
        #expect(made.window.take(slot, count: count) == nil)
    }

    @Test func whatIsNoWindowIsRefused() throws {
        // Of full size, but sealed against nothing that matters here: a file of the disk has no seals.
        let path = "/tmp/martlet-window-\(UInt64.random(in: 0..<UInt64.max))"
        let file = try FileDescriptor.open(path, [.readWrite, .create, .exclusive], mode: 0o600)
        try Files.unlink(path)
        try file.pwriteAll([UInt8](repeating: 0, count: 4096 + SharedWindow.slotSize * SharedWindow.slotCount), at: 0)
        #expect(throws: SystemError.self) { try SharedWindow(received: file) }
        let short = try SealedMemory.make("short", [1, 2, 3])
        #expect(throws: SystemError.self) { try SharedWindow(received: short) }
    }
}
