// The deliveries that wait for one destination, and what is known about it.

import HeapModule

/// One destination of a transport.
struct DestinationQueue {
    /// A peer in the order of this destination. It is stale when the peer has another stamp, or is gone.
    struct Place: Comparable {
        let turn: Turn
        let peer: Int
        let stamp: UInt64
        static func < (a: Place, b: Place) -> Bool { a.turn < b.turn }
        static func == (a: Place, b: Place) -> Bool { a.turn == b.turn && a.stamp == b.stamp }
    }
    /// The peers of one size of jobs.
    struct SizeClass {
        let number: Int
        var heap = Heap<Place>()
    }

    let destination: Destination
    var window: ConcurrencyWindow
    /// Deliveries in flight.
    var busy = 0
    /// Waiting deliveries.
    var pending = 0
    /// Peers that wait, by the size of their jobs; few destinations have more than two sizes at a time.
    var classes: [SizeClass] = []
    /// When, in virtual time, this destination has its next turn.
    var tag: Int64 = 0
    /// Set while the destination is dead.
    var death: (until: Int64, cause: SuspensionCause)?
    /// `destination_rate_delay`: nothing is begun before.
    var pausedUntil: Int64 = .min
    /// An idle destination with a record of failures is remembered until then, so that failures of single messages add up.
    var forgetAt: Int64 = .max

    init(_ destination: Destination, policy: TransportPolicy) {
        self.destination = destination
        window = ConcurrencyWindow(policy)
    }

    var isIdle: Bool { busy == 0 && pending == 0 }
    /// Whether a delivery may be begun, as far as this destination is concerned.
    func hasRoom(now: Int64) -> Bool { pending > 0 && busy < window.size && now >= pausedUntil }

    /// The cause while the destination is dead at `now`; brings it back to life when its time is over.
    mutating func suspension(now: Int64) -> SuspensionCause? {
        guard let (until, cause) = death else { return nil }
        if now < until { return cause }
        revive()
        return nil
    }

    mutating func revive() {
        guard death != nil else { return }
        death = nil
        window.reset()
    }

    mutating func insert(_ place: Place, sizeClass: Int) {
        let index: Int
        if let known = classes.firstIndex(where: { $0.number == sizeClass }) {
            index = known
        } else {
            index = classes.count
            classes.append(SizeClass(number: sizeClass))
        }
        classes[index].heap.insert(place)
    }
}
