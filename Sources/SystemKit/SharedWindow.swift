// Memory that two processes have together, through which one hands bytes to the other without the kernel's copying them twice.
//
// It is divided into slots. The sender takes one, fills it, and says in a message of its own which one and how much is in it; the receiver copies
// that out and clears the slot. What says whether a slot is taken is a byte in the memory itself: nothing has to be sent for it.
// Security: either side may write anything there at any time. So the receiver copies first and looks at its copy only; the sender believes nothing
// it reads there but whether a slot is taken, of which a lie spoils its own content or leaves it without slots. The size is sealed: no access is
// beyond its end.
// Known limits: where the kernel has no memory left for a page that is touched first (strict overcommit, the limit of a control group), that is
// the end of who touches it, as with any memory; a slot that was taken and never announced stays so; both ends live in one thread each.

import CSystemKit

/// One end's view of the memory.
public final class SharedWindow {
    /// Bytes in a slot.
    public static let slotSize = 64 << 10
    /// How many there are.
    public static let slotCount = 32
    /// The first page has a byte for each slot.
    private static let firstSlot = 4096
    private static let size = firstSlot + slotSize * slotCount

    private let memory: UnsafeMutableRawPointer

    private init(mapping descriptor: Int32) throws(SystemError) {
        var place: UnsafeMutableRawPointer?
        try checked(Int(csk_window_map(descriptor, SharedWindow.size, &place)), "mmap", "window")
        guard let place else { throw SystemError(errno: 12, operation: "mmap", object: "window") }
        memory = place
    }

    deinit { csk_window_unmap(memory, SharedWindow.size) }

    /// New memory, and the descriptor that the other end maps it by, which is the caller's.
    public static func make() throws(SystemError) -> (window: SharedWindow, descriptor: Int32) {
        let descriptor = FileDescriptor(owning: Int32(try checked(Int(csk_window_make("window", size)), "memfd_create", "window")))
        let window = try SharedWindow(mapping: descriptor.rawValue)
        return (window, descriptor.release())
    }

    /// The memory that another process has made. EINVAL where it could become smaller.
    public convenience init(received descriptor: borrowing FileDescriptor) throws(SystemError) {
        try checked(Int(csk_window_check(descriptor.rawValue, SharedWindow.size)), "check", "window")
        try self.init(mapping: descriptor.rawValue)
    }

    /// Sender: puts bytes into a free slot, which is taken from then on.
    ///
    /// - Parameter bytes: at most ``slotSize``.
    /// - Returns: the slot; nil while all are taken.
    public func put(_ bytes: [UInt8]) -> Int? {
        precondition(bytes.count <= SharedWindow.slotSize)
        // The lowest is the one that was used last: its memory is near.
        guard let slot = (0..<SharedWindow.slotCount).first(where: { csk_window_is_taken(memory, $0) == 0 }) else { return nil }
        csk_window_mark(memory, slot, 1)
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { place(slot).copyMemory(from: base, byteCount: source.count) }
        }
        return slot
    }

    /// Receiver: what is in a slot, which is free from then on; nil where there is no such slot, or not so much in it.
    public func take(_ slot: Int, count: Int) -> [UInt8]? {
        guard (0..<SharedWindow.slotCount).contains(slot), (0...SharedWindow.slotSize).contains(count) else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { target, used in
            if let base = target.baseAddress { UnsafeMutableRawPointer(base).copyMemory(from: place(slot), byteCount: count) }
            used = count
        }
        csk_window_mark(memory, slot, 0)
        return bytes
    }

    private func place(_ slot: Int) -> UnsafeMutableRawPointer { memory + SharedWindow.firstSlot + slot * SharedWindow.slotSize }
}
