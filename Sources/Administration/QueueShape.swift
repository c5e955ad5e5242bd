// The counting and the table of qshape, as Postfix's script has them, column by column.

import MailModel

/// Counts over domains and ages.
struct QueueShape {
    let bucketCount: Int
    let bucketMinutes: Int
    let isLinear: Bool
    let countsParents: Bool
    let minimumSubdomains: Int
    let width: Int
    /// Seconds since 1970.
    let now: Int64

    /// For each domain the total and then one count for each bucket.
    private var counts: [String: [Int]]
    private var subdomains: [String: Int] = [:]
    private static let total = "TOTAL"

    init(
        bucketCount: Int = 10, bucketMinutes: Int = 5, isLinear: Bool = false, countsParents: Bool = false, minimumSubdomains: Int = 5,
        width: Int = 80, now: Int64
    ) {
        self.bucketCount = bucketCount
        self.bucketMinutes = bucketMinutes
        self.isLinear = isLinear
        self.countsParents = countsParents
        self.minimumSubdomains = minimumSubdomains
        self.width = width
        self.now = now
        counts = [Self.total: Array(repeating: 0, count: bucketCount + 1)]
    }

    /// 1 for the youngest; the last bucket takes all that is older.
    private func bucket(_ arrival: Int64) -> Int {
        let age = (now - arrival) / (60 * Int64(bucketMinutes))
        if age < 1 { return 1 }
        // The whole part of the logarithm to the base 2.
        let index = isLinear ? Int(age) + 1 : 2 + (Int64.bitWidth - 1 - age.leadingZeroBitCount)
        return min(index, bucketCount)
    }

    /// Counts one recipient or sender.
    mutating func add(address: MailAddress, arrival: Int64) {
        let bucket = bucket(arrival)
        count(Self.total, bucket)
        var labels = ASCII.printable(address.domain.isEmpty ? address.localPart : address.domainKey).lowercased()
            .split(separator: ".").map(String.init)
        if address.isNull { labels = ["MAILER-DAEMON"] }
        var name = labels.joined(separator: ".")
        var isNew = count(name, bucket)
        // Parents `.example.org`, never a top-level domain; each counts the names below it once.
        while countsParents && labels.count > 2 {
            labels.removeFirst()
            name = "." + labels.joined(separator: ".")
            let isNewParent = count(name, bucket)
            if isNew { subdomains[name, default: 0] += 1 }
            isNew = isNewParent
        }
    }

    /// Whether the name was not there before.
    @discardableResult private mutating func count(_ name: String, _ bucket: Int) -> Bool {
        var row = counts[name] ?? Array(repeating: 0, count: bucketCount + 1)
        row[0] += 1
        row[bucket] += 1
        counts[name] = row
        return row[0] == 1
    }

    /// The table with at most `limit` rows.
    func table(limit: Int = .max) -> String {
        let totals = counts[Self.total] ?? []
        var heads: [String] = []
        var widths: [Int] = []
        var nameWidth = width
        var bound = 0
        for index in 0...bucketCount {
            let head = index == 0 ? "T" : index == bucketCount ? "\(bound)+" : String(bound)
            let length = max(String(totals[index]).utf8.count, head.utf8.count)
            let column = length > 2 ? length + 1 : 3
            heads.append(head)
            widths.append(column)
            nameWidth -= column
            if index + 1 < bucketCount { bound += bound > 0 && !isLinear ? bound : bucketMinutes }
        }
        nameWidth = max(nameWidth, 18)
        func row(_ name: String, _ cells: [String]) -> String {
            zip(cells, widths).reduce(shortened(name, to: nameWidth)) { $0 + padded($1.0, to: $1.1) } + "\n"
        }
        let rows = counts.filter { !$0.key.hasPrefix(".") || subdomains[$0.key, default: 0] >= minimumSubdomains }
            .sorted { a, b in
                if a.value[0] != b.value[0] { return a.value[0] > b.value[0] }
                if (a.key == Self.total) != (b.key == Self.total) { return a.key == Self.total }
                return (a.key.utf8.count, a.key) < (b.key.utf8.count, b.key)
            }
        // A queue of one domain would have two rows of one count: the total comes first.
        return row("", heads) + rows.prefix(limit).map { row($0.key, $0.value.map(String.init)) }.joined()
    }

    private func padded(_ text: String, to width: Int) -> String { String(repeating: " ", count: max(0, width - text.utf8.count)) + text }

    private func shortened(_ name: String, to width: Int) -> String {
        let bytes = Array(name.utf8)
        if bytes.count <= width { return padded(name, to: width) }
        let isParent = name.hasPrefix(".")
        return (isParent ? ".+" : "+") + String(decoding: bytes.suffix(width - (isParent ? 2 : 1)), as: UTF8.self)
    }
}
