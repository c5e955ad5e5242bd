// Which hosts take the mail of a domain (RFC 5321 section 5.1, RFC 7505).

public import MailModel

/// Why a destination has no host to connect to: what becomes of its recipients.
public struct DestinationFailure: Hashable, Sendable {
    /// 4.x.x: try again; 5.x.x: never.
    public var status: EnhancedStatusCode
    /// In the words of Postfix; printable.
    public var reason: String

    public init(_ status: EnhancedStatusCode, _ reason: String) {
        self.status = status
        self.reason = reason
    }

    public var isTemporary: Bool { status.statusClass == 4 }

    /// The directory was not to be had (RFC 3463 section 3.5, X.4.3).
    static func temporary(_ reason: String) -> DestinationFailure { DestinationFailure(EnhancedStatusCode(4, 4, 3), reason) }
    /// No route (RFC 3463 section 3.5, X.4.4).
    static func permanent(_ reason: String) -> DestinationFailure { DestinationFailure(EnhancedStatusCode(5, 4, 4), reason) }
}

/// The mail exchangers of a domain.
public struct MailHosts: Hashable, Sendable {
    /// Lowest preference first, in the order of the answer among equals; never empty.
    public var hosts: [MXRecord]
    /// There was no MX record: the domain itself is the host, with preference 0.
    public var isImplicit: Bool
    /// The list, or the proof that there is none, is validated by DNSSEC.
    public var security: DNSSecurity
}

public enum MailHostsResult: Hashable, Sendable {
    case hosts(MailHosts)
    case failure(DestinationFailure)
}

extension DNSLookup {
    /// The mail exchangers of `domain`. Their addresses are not looked up here.
    public func mailHosts(of domain: DomainName) async -> MailHostsResult {
        switch await mx(domain) {
        case .temporaryFailure(let reason):
            // RFC 5321 section 5.1: a temporary error must not be taken for the absence of MX records.
            return .failure(.temporary(reason))
        case .noSuchName:
            return .failure(.permanent(DNSLookup.text(domain, .mx, "Host not found")))
        case .noData:
            // RFC 5321 section 5.1: an empty list of MX records means an implicit MX of preference 0 that points to the domain.
            return .hosts(MailHosts(hosts: [MXRecord(preference: 0, exchange: domain)], isImplicit: true, security: .insecure))
        case .found(let records, let security):
            // RFC 7505 section 3: one record, whose exchange is the root. RFC 7505 section 3.1 forbids other records beside it; there it
            // says nothing, and is passed over as any exchange that is no host name. The status code is of RFC 7505 section 4.2.
            if records.count == 1 && records[0].exchange.isRoot {
                return .failure(DestinationFailure(EnhancedStatusCode(5, 1, 10), "Domain \(domain) does not accept mail (nullMX)"))
            }
            let usable = records.enumerated().filter { $0.element.exchange.isHostName }
            if usable.isEmpty {
                return .failure(.permanent(DNSLookup.text(domain, .mx, "Malformed or unexpected name server reply")))
            }
            let sorted = usable.sorted { ($0.element.preference, $0.offset) < ($1.element.preference, $1.offset) }
            return .hosts(MailHosts(hosts: sorted.map(\.element), isImplicit: false, security: security))
        }
    }
}
