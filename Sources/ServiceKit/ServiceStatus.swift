// Tells master whether this process takes more work, and the main thread whether to accept.

import Synchronization
import SystemKit

/// The availability of a daemon. `master` starts another process for a service none of whose processes is available.
public final class ServiceStatus: Sendable {
    private let state = Mutex<(available: Bool, paused: Bool)>((false, false))
    private let wakeDescriptor: Int32

    init(wakeDescriptor: Int32) { self.wakeDescriptor = wakeDescriptor }

    /// Whether connections are to be accepted now.
    var isAvailable: Bool { state.withLock { $0.available } }

    /// Says that the process can take more connections, or that it is full.
    public func setAvailable(_ available: Bool) {
        let changed = state.withLock { state in
            defer { state.available = available }
            return state.available != available
        }
        guard changed else { return }
        write(to: wakeDescriptor, 0)
        write(to: ServiceOptions.statusDescriptor, UInt8(ascii: available ? "A" : "T"))
    }

    /// Says that the process finishes what it has: whoever comes next needs another one.
    func setDraining() { write(to: ServiceOptions.statusDescriptor, UInt8(ascii: "D")) }

    /// Says that the event loop turns.
    func reportLife() { write(to: ServiceOptions.statusDescriptor, UInt8(ascii: "L")) }

    private func write(to raw: Int32, _ byte: UInt8) {
        // The other end is gone only when master is, which the lifetime descriptor tells.
        try? FileDescriptor.borrowing(raw) { pipe throws(SystemError) in try pipe.writeAll([byte]) }
    }
}
