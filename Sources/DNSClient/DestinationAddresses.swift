// From a next hop to the list of addresses that a client tries in turn (RFC 5321 section 5.1).
//
// Randomness is injected. Limits: a host whose exchange is a CNAME is followed, though RFC 2181 section 10.3 forbids it.

import MailModel

/// One address to try.
public struct DestinationAddress: Hashable, Sendable {
    /// The name for the log, for TLS and for reports: the mail exchanger; an address literal stands without brackets.
    public var host: String
    public var address: IPAddress
    public var preference: UInt16
    /// DNSSEC vouches for the way from the domain to this address.
    public var isSecure: Bool

    public init(host: String, address: IPAddress, preference: UInt16 = 0, isSecure: Bool = false) {
        self.host = host
        self.address = address
        self.preference = preference
        self.isSecure = isSecure
    }
}

/// Which family comes first among addresses of equal preference (`smtp_address_preference`).
public enum AddressPreference: String, Sendable, Hashable {
    case any
    case ipv4
    case ipv6
}

public enum DestinationResult: Hashable, Sendable {
    /// In the order in which to try; never empty.
    case addresses([DestinationAddress])
    case failure(DestinationFailure)
}

extension DNSLookup {
    /// The addresses of the mail exchangers of a domain, by preference; equal ones are shuffled (RFC 5321 section 5.1), the preferred
    /// family first.
    ///
    /// - Parameter defersWithoutAddress: `smtp_defer_if_no_mx_address_found`: exchangers that exist and have no address are a
    ///   temporary failure.
    public func destination(
        domain: DomainName, families: AddressFamilies = .all, preferring: AddressPreference = .any, defersWithoutAddress: Bool = false,
        using generator: inout some RandomNumberGenerator & Sendable
    ) async -> DestinationResult {
        let list: MailHosts
        switch await mailHosts(of: domain) {
        case .failure(let failure): return .failure(failure)
        case .hosts(let hosts): list = hosts
        }
        var found: [DestinationAddress] = []
        var failure: DestinationFailure?
        // A domain with hundreds of exchangers is an attack on the resolver, not a mail system.
        for record in list.hosts.prefix(50) {
            switch await hostAddresses(record.exchange, families: families) {
            case .failure(let problem):
                // A temporary failure outweighs a permanent one: some exchanger may turn out to exist.
                if failure == nil || problem.isTemporary && failure?.isTemporary == false { failure = problem }
            case .addresses(let addresses):
                found += addresses.map { address in
                    var address = address
                    address.preference = record.preference
                    address.isSecure = address.isSecure && list.security == .secure
                    return address
                }
            }
        }
        if found.isEmpty {
            var problem = failure ?? .temporary(DNSLookup.text(domain, .mx, "Host not found, try again"))
            if defersWithoutAddress && !list.isImplicit && !problem.isTemporary { problem.status = EnhancedStatusCode(4, 4, 4) }
            return .failure(problem)
        }
        return .addresses(DNSLookup.order(found, preferring: preferring, using: &generator))
    }

    /// The addresses of one host, without MX (`[host]` in a next hop), in random order, the preferred family first.
    public func destination(
        host: DomainName, families: AddressFamilies = .all, preferring: AddressPreference = .any,
        using generator: inout some RandomNumberGenerator & Sendable
    ) async -> DestinationResult {
        switch await hostAddresses(host, families: families) {
        case .failure(let failure): return .failure(failure)
        case .addresses(let found): return .addresses(DNSLookup.order(found, preferring: preferring, using: &generator))
        }
    }

    /// By preference, equal ones shuffled, then the preferred family first among equals.
    static func order(
        _ list: [DestinationAddress], preferring: AddressPreference, using generator: inout some RandomNumberGenerator
    ) -> [DestinationAddress] {
        var seen: Set<IPAddress> = []
        // Two exchangers with one address are tried once, at the better preference.
        let unique = list.enumerated().sorted { ($0.element.preference, $0.offset) < ($1.element.preference, $1.offset) }
            .map(\.element).filter { seen.insert($0.address).inserted }
        func rank(_ address: IPAddress) -> Int {
            switch preferring {
            case .any: 0
            case .ipv4: address.isIPv6 ? 1 : 0
            case .ipv6: address.isIPv6 ? 0 : 1
            }
        }
        return unique.shuffled(using: &generator).enumerated().sorted {
            ($0.element.preference, rank($0.element.address), $0.offset) < ($1.element.preference, rank($1.element.address), $1.offset)
        }.map(\.element)
    }

    private func hostAddresses(_ host: DomainName, families: AddressFamilies) async -> DestinationResult {
        let type: DNSRecordType = families.contains(.ipv4) ? .a : .aaaa
        switch await addresses(of: host, families: families) {
        case .found(let addresses, let security):
            return .addresses(addresses.map { DestinationAddress(host: host.text, address: $0, isSecure: security == .secure) })
        case .noData:
            return .failure(.permanent(DNSLookup.text(host, type, "Host found but no data record of requested type")))
        case .noSuchName:
            return .failure(.permanent(DNSLookup.text(host, type, "Host not found")))
        case .temporaryFailure(let reason):
            return .failure(.temporary(reason))
        }
    }
}
