// Reads the client's first byte, with the side channel that may come beside it.

import SystemKit

/// The preamble of a connection.
public enum IPCPreambleReader {
    /// Waits for the first byte of an accepted connection.
    ///
    /// - Parameter patience: milliseconds; our clients send it at once.
    /// - Returns: nil where the peer closed (a wake-up), was too slow, or sent something else. Else the side channel: -1 without one, or
    ///   non-blocking, and the caller's.
    public static func read(from descriptor: Int32, patience: Int) -> Int32? {
        // A peer that fails here is no peer: there is nobody to tell.
        guard let ready = try? Polling.isReadable(descriptor, within: patience), ready,
            let received = try? Sockets.receiveDescriptors(over: descriptor, limit: 1)
        else { return nil }
        if received.bytes == [IPCPreamble.plain] && received.descriptors.isEmpty { return -1 }
        if received.bytes == [IPCPreamble.withSideChannel] && received.descriptors.count == 1 {
            let side = FileDescriptor(owning: received.descriptors[0])
            guard (try? side.setNonBlocking(true)) != nil else { return nil }
            return side.release()
        }
        for extra in received.descriptors { _ = FileDescriptor(owning: extra) }
        return nil
    }
}
