// Deferred messages by the time of their next attempt.
//
// A message is known here by its id and a time, nothing else; its envelope is read when it is due. A heap orders the times; a dictionary
// holds the valid time of each id, and heap elements that disagree with it are stale and skipped, so that removing and rescheduling are
// cheap.
// Memory: 24 bytes in the heap and 24 in the dictionary for each message, before the slack of their growth; the heap is rebuilt when more
// than half of it is stale. Ids over 21 characters, which this system never makes, stand aside at the cost of a string each.

import HeapModule
public import MailModel

/// The set of deferred messages with their due times, in microseconds.
public struct DueQueue: Sendable {
    private struct Item: Comparable, Sendable {
        let due: Int64
        let id: PackedQueueID
        // Ties go by id, which is by age: first come first served.
        static func < (a: Item, b: Item) -> Bool { a.due == b.due ? a.id < b.id : a.due < b.due }
    }

    private var heap = Heap<Item>()
    private var dueOfID: [PackedQueueID: Int64] = [:]
    private var long: [QueueID: Int64] = [:]

    public init() {}

    public var count: Int { dueOfID.count + long.count }
    public var isEmpty: Bool { count == 0 }

    public func due(of id: QueueID) -> Int64? {
        guard let packed = PackedQueueID(id) else { return long[id] }
        return dueOfID[packed]
    }

    /// Adds a message or changes its time.
    public mutating func schedule(_ id: QueueID, due: Int64) {
        guard let packed = PackedQueueID(id) else {
            long[id] = due
            return
        }
        if dueOfID.updateValue(due, forKey: packed) != due { heap.insert(Item(due: due, id: packed)) }
        compact()
    }

    /// Adds many at once: much faster than one by one for the scan at start.
    public mutating func schedule(_ messages: [(id: QueueID, due: Int64)]) {
        dueOfID.reserveCapacity(dueOfID.count + messages.count)
        for (id, due) in messages {
            if let packed = PackedQueueID(id) { dueOfID[packed] = due } else { long[id] = due }
        }
        rebuild()
    }

    /// Makes a queue of many messages at once, by the names of their files: for the scan at start, on any thread. What is no id is left
    /// out.
    ///
    /// - Parameter each: calls its argument for each name, given as bytes, with the time.
    public init<E: Error>(
        scanning each: (_ add: (_ name: UnsafeBufferPointer<UInt8>, _ due: Int64) -> Void) throws(E) -> Void
    ) throws(E) {
        var found: [PackedQueueID: Int64] = [:]
        var foundLong: [QueueID: Int64] = [:]
        try each { name, due in
            if let packed = PackedQueueID(bytes: name) {
                found[packed] = due
            } else if let id = QueueID(String(decoding: name, as: UTF8.self)) {
                foundLong[id] = due
            }
        }
        dueOfID = found
        long = foundLong
        rebuild()
    }

    /// Takes over the messages of a queue that was made by a scan; what is known here already stays as it is.
    public mutating func absorb(_ scanned: DueQueue) {
        if isEmpty {
            self = scanned
            return
        }
        var merged = scanned
        for (id, due) in messages { merged.schedule(id, due: due) }
        self = merged
    }

    /// - Returns: whether it was there.
    @discardableResult
    public mutating func remove(_ id: QueueID) -> Bool {
        guard let packed = PackedQueueID(id) else { return long.removeValue(forKey: id) != nil }
        let found = dueOfID.removeValue(forKey: packed) != nil
        compact()
        return found
    }

    /// The time of the earliest message; nil when empty.
    public mutating func nextDue() -> Int64? {
        dropStale()
        let packed = heap.min?.due
        let aside = long.values.min()
        guard let packed, let aside else { return packed ?? aside }
        return min(packed, aside)
    }

    /// Takes the earliest message that is due at `now`.
    public mutating func popDue(now: Int64) -> QueueID? {
        if let aside = long.min(by: { $0.value < $1.value }), aside.value <= now {
            long[aside.key] = nil
            return aside.key
        }
        dropStale()
        guard let first = heap.min, first.due <= now else { return nil }
        heap.removeMin()
        dueOfID[first.id] = nil
        return first.id.queueID
    }

    /// Makes every message due at `now` at the latest (flush).
    public mutating func flush(now: Int64) {
        for (id, due) in dueOfID where due > now { dueOfID[id] = now }
        for (id, due) in long where due > now { long[id] = now }
        rebuild()
    }

    /// Every message with its time, in no order.
    public var messages: [(id: QueueID, due: Int64)] {
        dueOfID.compactMap { entry in entry.key.queueID.map { ($0, entry.value) } } + long.map { ($0.key, $0.value) }
    }

    private mutating func dropStale() {
        while let first = heap.min, dueOfID[first.id] != first.due { heap.removeMin() }
    }

    private mutating func compact() {
        if heap.count > 64 && heap.count > 2 * dueOfID.count { rebuild() }
    }

    private mutating func rebuild() { heap = Heap(dueOfID.map { Item(due: $0.value, id: $0.key) }) }
}
