// The name of an SMTP client, from its address: a PTR record, confirmed by an address record that leads back (Postfix smtpd_peer).
//
// Security: the reverse tree belongs to the client's network. A name counts only where its forward lookup gives the same address.

/// What is known about the name of a client.
public enum ClientName: Hashable, Sendable {
    /// The name, and it leads back to the address.
    case verified(DomainName)
    /// The address has a name, which does not lead back (Postfix: `unknown`, with the name as reverse name).
    case unverified(DomainName)
    /// There is no name.
    case none
    /// It could not be determined. The name found so far comes with it.
    case temporaryFailure(DomainName?)

    /// What logs and Received fields call the client: the verified name, or `unknown`.
    public var displayName: String {
        if case .verified(let name) = self { return name.text }
        return "unknown"
    }
}

extension DNSLookup {
    /// Two lookups at most for each of up to eight names: a client with more gets judged by the first eight.
    public func clientName(of address: IPAddress) async -> ClientName {
        let address = address.unmapped
        let names: [DomainName]
        switch await self.names(of: address) {
        case .found(let found, _): names = found.filter(\.isHostName)
        case .noData, .noSuchName: return .none
        case .temporaryFailure: return .temporaryFailure(nil)
        }
        guard let first = names.first else { return .none }
        var failed = false
        for name in names.prefix(8) {
            switch await address.isIPv6 ? ipv6(name) : ipv4(name) {
            case .found(let addresses, _): if addresses.contains(address) { return .verified(name) }
            case .noData, .noSuchName: break
            case .temporaryFailure: failed = true
            }
        }
        return failed ? .temporaryFailure(first) : .unverified(first)
    }
}
