// transport_maps: the lookups of transport(5).

import LookupTables
import MailModel

struct TransportMap: Sendable {
    let tables: TableSet
    /// `transport_maps` is named in parent_domain_matches_subdomains: parents are looked up without the leading dot.
    let parentMatchesSubdomains: Bool

    var isEmpty: Bool { tables.isEmpty }

    /// The entry for an address, in the order of transport(5), "TABLE SEARCH ORDER": `user+ext@domain`, `user@domain`, `domain`,
    /// `.parent`..., `*`.
    func find(_ address: MailAddress, delimiters: RecipientDelimiter) throws(LookupError) -> TransportDestination? {
        if tables.isEmpty { return nil }
        let domain = address.domainKey
        func entry(_ value: [UInt8]?) -> TransportDestination? { value.map { TransportDestination(String(decoding: $0, as: UTF8.self)) } }
        if let found = entry(try tables.lookup(address.internalForm)) { return found }
        if let split = AddressExtension.split(address.localPart, delimiters: delimiters),
            let found = entry(try tables.lookup(split.user + [UInt8(ascii: "@")] + domain, isPart: true))
        {
            return found
        }
        var name = domain[...]
        var isFirst = true
        while !name.isEmpty {
            let key = isFirst || parentMatchesSubdomains ? Array(name) : [UInt8(ascii: ".")] + name
            if let found = entry(try tables.lookup(key, isPart: true)) { return found }
            guard let dot = name.firstIndex(of: UInt8(ascii: ".")) else { break }
            name = name[(dot + 1)...]
            isFirst = false
        }
        return entry(try tables.lookup([UInt8(ascii: "*")], isPart: true))
    }
}
