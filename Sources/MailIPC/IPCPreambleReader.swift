// Reads the client's first byte, with the descriptor that may come beside it.

import SystemKit

/// What a client passed beside its first byte. Belongs to whoever has this value.
public enum IPCBeside: Hashable, Sendable {
    case nothing
    /// For passing descriptors; non-blocking.
    case sideChannel(Int32)
    /// Memory that content comes through (``SharedWindow``).
    case window(Int32)

    /// For who has no use for it.
    public func close() {
        switch self {
        case .nothing: break
        case .sideChannel(let descriptor), .window(let descriptor): _ = FileDescriptor(owning: descriptor)
        }
    }
}

/// The preamble of a connection.
public enum IPCPreambleReader {
    /// Waits for the first byte of an accepted connection.
    ///
    /// - Parameter patience: milliseconds; our clients send it at once.
    /// - Returns: nil where the peer closed (a wake-up), was too slow, or sent something else.
    public static func read(from descriptor: Int32, patience: Int) -> IPCBeside? {
        // A peer that fails here is no peer: there is nobody to tell.
        guard let ready = try? Polling.isReadable(descriptor, within: patience), ready,
            let received = try? Sockets.receiveDescriptors(over: descriptor, limit: 1)
        else { return nil }
        switch (received.bytes, received.descriptors.count) {
        case ([IPCPreamble.plain], 0): return .nothing
        case ([IPCPreamble.withSideChannel], 1):
            let side = FileDescriptor(owning: received.descriptors[0])
            guard (try? side.setNonBlocking(true)) != nil else { return nil }
            return .sideChannel(side.release())
        case ([IPCPreamble.withWindow], 1): return .window(received.descriptors[0])
        default: break
        }
        for extra in received.descriptors { _ = FileDescriptor(owning: extra) }
        return nil
    }
}
