// poll(2) for programs with few descriptors and no event loop.

import Glibc

/// Waiting for descriptors.
public enum Polling {
    public enum Direction: Sendable { case read, write }

    /// One descriptor and what it is waited for.
    public struct Interest: Sendable {
        public let descriptor: Int32
        public let direction: Direction
        public init(_ descriptor: Int32, _ direction: Direction) {
            self.descriptor = descriptor
            self.direction = direction
        }
    }

    /// Waits until a descriptor is ready, closed by its peer or in error (all three mean: the next call will not wait), and returns the
    /// positions in `interests`. Empty after the time is over. `milliseconds` nil waits for ever.
    ///
    /// A signal that is handled does not end the wait, and restarts the time: use `SignalWait.descriptor` to hear signals.
    public static func wait(_ interests: [Interest], milliseconds: Int?) throws(SystemError) -> [Int] {
        var entries = interests.map { pollfd(fd: $0.descriptor, events: Int16($0.direction == .read ? POLLIN : POLLOUT), revents: 0) }
        let timeout = milliseconds.map { Int32(clamping: max($0, 0)) } ?? -1
        try checked(systemCall { Int(poll(&entries, nfds_t(entries.count), timeout)) }, "poll", "")
        return entries.indices.filter { entries[$0].revents != 0 }
    }

    /// Whether one descriptor becomes readable (or is closed by its peer) within the time.
    public static func isReadable(_ descriptor: Int32, within milliseconds: Int?) throws(SystemError) -> Bool {
        try !wait([Interest(descriptor, .read)], milliseconds: milliseconds).isEmpty
    }
}
