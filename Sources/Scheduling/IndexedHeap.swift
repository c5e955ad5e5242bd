// A priority queue over small integers whose priorities change: a binary heap that knows where each of them stands.

/// At most one key for each index; the least key first. All changes in logarithmic time.
struct IndexedHeap<Key: Comparable> {
    private var heap: [(key: Key, index: Int)] = []
    /// Where an index stands in ``heap``; -1 = nowhere.
    private var positions: [Int] = []

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }
    var first: (key: Key, index: Int)? { heap.first }

    /// Adds an index or changes its key.
    mutating func set(_ index: Int, _ key: Key) {
        while positions.count <= index { positions.append(-1) }
        let position = positions[index]
        guard position >= 0 else {
            heap.append((key, index))
            positions[index] = heap.count - 1
            rise(heap.count - 1)
            return
        }
        let isLess = key < heap[position].key
        heap[position].key = key
        if isLess { rise(position) } else { sink(position) }
    }

    mutating func remove(_ index: Int) {
        guard index < positions.count, positions[index] >= 0 else { return }
        let position = positions[index]
        positions[index] = -1
        let last = heap.removeLast()
        guard position < heap.count else { return }
        let isLess = last.key < heap[position].key
        heap[position] = last
        positions[last.index] = position
        if isLess { rise(position) } else { sink(position) }
    }

    private mutating func rise(_ start: Int) {
        let moving = heap[start]
        var position = start
        while position > 0 {
            let parent = (position - 1) / 2
            guard moving.key < heap[parent].key else { break }
            heap[position] = heap[parent]
            positions[heap[position].index] = position
            position = parent
        }
        heap[position] = moving
        positions[moving.index] = position
    }

    private mutating func sink(_ start: Int) {
        let moving = heap[start]
        var position = start
        while true {
            var child = 2 * position + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count && heap[child + 1].key < heap[child].key { child += 1 }
            guard heap[child].key < moving.key else { break }
            heap[position] = heap[child]
            positions[heap[position].index] = position
            position = child
        }
        heap[position] = moving
        positions[moving.index] = position
    }
}
