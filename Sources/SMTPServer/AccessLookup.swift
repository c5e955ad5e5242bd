// The keys under which access(5) tables are asked, in Postfix's order.

import LookupTables
import MailModel

enum AccessLookup {
    /// The first action found; nil where the table has none.
    static func find(_ subject: AccessSubject, _ table: any LookupTable, _ request: RestrictionRequest) throws(LookupError) -> [UInt8]? {
        for key in keys(subject, request, isPattern: table.isPatternTable) {
            if let action = try table.lookup(key) { return action }
        }
        return nil
    }

    private static func keys(_ subject: AccessSubject, _ request: RestrictionRequest, isPattern: Bool) -> [[UInt8]] {
        switch subject {
        case .client:
            let name = request.client.verifiedName.map { Array($0.utf8) }
            let address = Array(request.client.address.utf8)
            if isPattern { return (name.map { [$0] } ?? []) + [address] }
            return (name.map(domains) ?? []) + networks(address)
        case .helo: return isPattern ? [Array(request.helo.utf8)] : domains(Array(request.helo.utf8))
        case .sender: return addressKeys(request.sender, isPattern)
        case .recipient: return request.recipient.map { addressKeys($0, isPattern) } ?? []
        }
    }

    private static func addressKeys(_ address: MailAddress, _ isPattern: Bool) -> [[UInt8]] {
        // smtpd_null_access_lookup_key.
        if address.isNull { return [Array("<>".utf8)] }
        let whole = address.internalForm
        if isPattern { return [whole] }
        let lowered = MailAddress(localPart: address.localPart.map(ASCII.lowercased), domain: address.domainKey)
        return [lowered.internalForm] + domains(lowered.domain) + [lowered.localPart + [UInt8(ascii: "@")]]
    }

    /// `a.b.c`, `b.c`, `c` and the same with a leading dot (access(5): which of them counts depends on parent_domain_matches_subdomains;
    /// both do here).
    private static func domains(_ name: [UInt8]) -> [[UInt8]] {
        guard !name.isEmpty else { return [] }
        let lowered = name.map(ASCII.lowercased)
        var out = [lowered]
        var rest = lowered[...]
        // A name has at most 127 labels; the bound is for text that is no name.
        for _ in 0..<127 {
            guard let dot = rest.firstIndex(of: UInt8(ascii: ".")) else { break }
            out.append(Array(rest[dot...]))
            rest = rest[(dot + 1)...]
            if !rest.isEmpty { out.append(Array(rest)) }
        }
        return out
    }

    /// `1.2.3.4`, `1.2.3`, `1.2`, `1`; the same by colons for IPv6.
    private static func networks(_ address: [UInt8]) -> [[UInt8]] {
        let separator: UInt8 = address.contains(UInt8(ascii: ":")) ? UInt8(ascii: ":") : UInt8(ascii: ".")
        var out = [address]
        var rest = address[...]
        while let last = rest.lastIndex(of: separator) {
            rest = rest[..<last]
            if !rest.isEmpty && rest.last != separator { out.append(Array(rest)) }
        }
        return out
    }
}
