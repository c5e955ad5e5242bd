// The known name that a mistyped one most likely meant.

/// Comparison of names by edit distance.
public enum NearestName {
    /// The candidate with the fewest edits (insert, delete, replace, swap neighbours), if they are few for the name's length.
    public static func of(_ name: String, among candidates: some Sequence<String>) -> String? {
        let limit = max(1, min(4, name.utf8.count / 4))
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(Array(name.utf8), Array(candidate.utf8), limit: min(limit, best.map { $0.distance - 1 } ?? limit))
            if let distance { best = (candidate, distance) }
            if best?.distance == 0 { break }
        }
        return best?.name
    }

    /// The edit distance, or nil where it is more than `limit`.
    static func distance(_ a: [UInt8], _ b: [UInt8], limit: Int) -> Int? {
        if limit < 0 || abs(a.count - b.count) > limit { return nil }
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [i]
            row.reserveCapacity(b.count + 1)
            for j in 1...b.count {
                var cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] { cost = min(cost, beforeLast[j - 2] + 1) }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count] <= limit ? last[b.count] : nil
    }
}
