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

    /// nil where nothing is. A value that is there is changed in place.
    subscript(_ index: Int) -> Element? {
        get { index >= 0 && index < items.count ? items[index] : nil }
        _modify { yield &items[index] }
    }

    mutating func remove(_ index: Int) {
        guard index >= 0, index < items.count, items[index] != nil else { return }
        items[index] = nil
        free.append(index)
        count -= 1
    }
}
