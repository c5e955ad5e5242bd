// What the C library's allocator does with memory that was freed.
//
// Left alone it gives the end of its memory back to the kernel as soon as 128 KB of it are free, which a program that takes content in pieces of
// 64 KB meets with every message: one call to give it back, and a fault for each page when it comes again.

import CSystemKit

/// Settings of malloc(3) for the whole process.
public enum Allocator {
    /// Keeps so many freed bytes, at most, at the end of each arena for what comes next, and takes blocks of up to 512 KB from there.
    ///
    /// Each thread that allocates much may have an arena of its own.
    ///
    /// - Parameter bytes: below the size of an arena's heap (64 MB). To be called before there are threads.
    public static func keepFreed(_ bytes: Int) { csk_keep_free_memory(Int32(clamping: bytes), 512 << 10) }

    /// Gives all pages that are free back to the kernel, those between others, too. It looks at everything that is free, which may take
    /// milliseconds: not for a path that is taken often.
    public static func giveBack() { csk_give_free_memory_back() }
}
