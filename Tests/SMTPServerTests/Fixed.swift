// A table that gives one answer to every key.

import LookupTables

struct Fixed: LookupTable {
    let name = "fixed:"
    let value: [UInt8]
    init(_ text: String) { value = Array(text.utf8) }
    func lookup(_ key: [UInt8]) throws(LookupError) -> [UInt8]? { value }
}
