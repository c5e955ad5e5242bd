// The memory that the allocator of the C library has and nobody uses.

import CSystemKit

/// The memory of this process.
public enum ProcessMemory {
    /// Gives pages that are free back to the kernel. It looks at all that is free, which may take milliseconds: not for a path that is taken often.
    public static func giveBack() { csk_give_memory_back() }
}
