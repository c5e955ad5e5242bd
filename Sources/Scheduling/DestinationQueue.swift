// The deliveries that wait for one destination, and what is known about it.

/// One destination of a transport.
struct DestinationQueue {
    let destination: Destination
    var window: ConcurrencyWindow
    /// Deliveries in flight.
    var busy = 0
    /// Waiting entries. ``waiting`` may also name entries that were withdrawn since.
    var pending = 0
    var waiting = FirstInFirstOut<UInt64>()
    /// Whether the destination stands in its transport's ring.
    var isInRing = false
    /// Set while the destination is dead.
    var death: (until: Int64, cause: SuspensionCause)?
    /// An idle destination with a record of failures is remembered until then, so that failures of single messages add up.
    var forgetAt: Int64 = .max

    init(_ destination: Destination, policy: TransportPolicy) {
        self.destination = destination
        window = ConcurrencyWindow(policy)
    }

    var isIdle: Bool { busy == 0 && pending == 0 }
    var hasRoom: Bool { pending > 0 && busy < window.size }

    /// The cause while the destination is dead at `now`; brings it back to life when its time is over.
    mutating func suspension(now: Int64) -> SuspensionCause? {
        guard let (until, cause) = death else { return nil }
        if now < until { return cause }
        death = nil
        window.reset()
        return nil
    }
}
