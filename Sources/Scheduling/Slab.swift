// Values under small integers that are used again when a value is gone.

/// A table of values.
struct Slab<Element> {
    private var items: [Element?] = []
    private var free: [Int] = []
    private(set) var count = 0

    var indices: Range<Int> { items.indices }

    mutating func insert(_ element: Element) -> Int {
        count += 1
        if let index = free.popLast() {
            items[index] = element
            return index
        }
        items.append(element)
        return items.count - 1
    }

    /// nil where nothing is. A value that is there is looked at and changed in place, without a copy.
    ///
    /// - Parameter index: one that ``insert(_:)`` gave at some time.
    subscript(_ index: Int) -> Element? {
        _read { yield items[index] }
        _modify { yield &items[index] }
    }

    mutating func remove(_ index: Int) {
        guard items[index] != nil else { return }
        items[index] = nil
        free.append(index)
        count -= 1
    }
}
