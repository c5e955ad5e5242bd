// Tells master whether this process takes more work, and those who accept whether they should.

import NIOCore
import Synchronization
import SystemKit

/// The availability of a daemon. `master` starts another process for a service none of whose processes is available.
public final class ServiceStatus: Sendable {
    private let state = Mutex<(available: Bool, paused: Bool)>((false, false))
    private let wakeDescriptor: Int32

    /// Written into the wake pipe: the process is to finish what it has and end.
    static let drainWanted: UInt8 = 1

    init(wakeDescriptor: Int32) { self.wakeDescriptor = wakeDescriptor }

    /// Whether connections are to be accepted now.
    var isAvailable: Bool { state.withLock { $0.available } }

    /// Says that the process can take more connections, or that it is full. Said on the loop, by a program of the network.
    public func setAvailable(_ available: Bool) {
        let changed = state.withLock { state in
            defer { state.available = available }
            return state.available != available
        }
        guard changed else { return }
        write(to: wakeDescriptor, 0)
        if ServiceActor.loop.inEventLoop { ServiceActor.assumeIsolated { NetworkListeners.current?.update() } }
        write(to: ServiceOptions.statusDescriptor, UInt8(ascii: available ? "A" : "T"))
    }

    /// Says that the process finishes what it has: whoever comes next needs another one.
    func setDraining() { write(to: ServiceOptions.statusDescriptor, UInt8(ascii: "D")) }

    /// Has the main thread begin the end.
    func requestDrain() { write(to: wakeDescriptor, ServiceStatus.drainWanted) }

    /// Says that the event loop turns.
    func reportLife() { write(to: ServiceOptions.statusDescriptor, UInt8(ascii: "L")) }

    private func write(to raw: Int32, _ byte: UInt8) {
        // The other end is gone only when master is, which the lifetime descriptor tells.
        try? FileDescriptor.borrowing(raw) { pipe throws(SystemError) in try pipe.writeAll([byte]) }
    }
}
