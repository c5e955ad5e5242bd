// Words in restriction lists that are none: said when the program starts, and to `martlet check`, before a client is told 451 for them.

extension ServerSettings {
    /// The words that no restriction has, without repetition.
    var unknownRestrictions: [String] {
        var words: [String] = []
        for list in lists.map(\.list) + [dataList, endOfDataList] {
            for case .unknown(let word) in list where !words.contains(word) { words.append(word) }
        }
        return words
    }
}
