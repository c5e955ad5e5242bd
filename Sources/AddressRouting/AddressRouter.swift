// Routing: from a recipient to its address class, transport and next hop, as Postfix's trivial-rewrite resolves them
// (ADDRESS_CLASS_README, transport(5)).
//
// Security: recipients are bytes of peers; table values are of the administrator, and bounded by their users. A table that cannot be read
// defers; it never makes a recipient unknown and never sends mail another way (DESIGN.md, section 1.2).
// Limits: no sender-dependent routing, no relocated_maps; an `@` within a quoted local-part is no route.

public import LookupTables
public import MailConfiguration
public import MailModel

/// Knows which recipients are whose. An immutable snapshot: a new configuration makes a new router.
public struct AddressRouter: Sendable {
    let settings: RoutingSettings
    private let warn: @Sendable (String) -> Void

    /// - Parameters:
    ///   - ownAddresses: the addresses of this system's network interfaces as text, for `inet_interfaces = all`; nil asks the system.
    ///   - warn: takes lines for the log: which table failed. Replies and reports do not name tables.
    ///
    /// A table that cannot be opened, or a list that cannot be understood, fails each lookup that needs it, and nothing else.
    public init(
        configuration: Configuration, ownAddresses: [String]? = nil, warn: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        settings = RoutingSettings(configuration, ownAddresses: ownAddresses)
        self.warn = warn
    }

    /// The address with the domain of this system where it has none; the null address as it is.
    public func complete(_ address: MailAddress) -> MailAddress { settings.completion.complete(address) }

    /// The class of a domain. Domains of `mydestination` and address literals of this system are local. Only `relay_domains` matches
    /// subdomains, as in Postfix (and where `parent_domain_matches_subdomains` says so).
    public func addressClass(of domain: [UInt8]) throws(LookupError) -> AddressClass {
        let key = domain.map(ASCII.lowercased)
        if try isLocal(key) { return .local }
        if try settings.virtualAliasDomains.matches(string: key) { return .virtualAlias }
        if try settings.virtualMailboxDomains.matches(string: key) { return .virtualMailbox }
        if try settings.relayDomains.matches(domain: key) { return .relay }
        return .other
    }

    /// Where `recipient` goes. The null address goes to `empty_address_recipient`, as in Postfix.
    public func resolve(_ recipient: MailAddress) -> RoutingResult {
        let recipient = complete(recipient.isNull ? settings.emptyAddressRecipient : recipient)
        // RFC 3463 section 3.2, X.1.3: bad destination mailbox address syntax.
        // allow_min_user: a name that begins with `-` could be taken for an option by a command that is called with it.
        guard !recipient.localPart.isEmpty, settings.allowsMinUser || recipient.localPart.first != UInt8(ascii: "-"),
            DomainSyntax.isRoutable(recipient.domain)
        else {
            return .failed(EnhancedStatusCode(5, 1, 3), "bad address syntax")
        }
        do throws(LookupError) {
            return try route(recipient)
        } catch {
            note(error)
            return .deferred(EnhancedStatusCode(4, 3, 0), "address resolver failure")
        }
    }

    private func route(_ recipient: MailAddress) throws(LookupError) -> RoutingResult {
        let domain = String(decoding: recipient.domainKey, as: UTF8.self)
        let addressClass = try addressClass(of: recipient.domain)
        var destination: TransportDestination
        switch addressClass {
        case .local: destination = settings.localTransport
        case .virtualAlias:
            // Who is left of a virtual alias domain after expansion has no alias. A transport table does not change that.
            return .failed(EnhancedStatusCode(5, 1, 1), AddressRouter.unknownVirtualAlias)
        case .virtualMailbox: destination = settings.virtualTransport
        case .relay: destination = settings.relayTransport
        case .other: destination = settings.defaultTransport
        }
        if destination.nextHop.isEmpty {
            // `relayhost` is for mail that leaves, and a next hop in the transport's own parameter comes before it.
            let leaves = addressClass == .relay || addressClass == .other
            destination.nextHop = leaves && !settings.relayHost.isEmpty ? settings.relayHost : domain
        }
        if let entry = try settings.transportMap.find(recipient, delimiters: settings.delimiters) {
            destination = entry.applied(to: destination, domain: domain)
        }
        switch destination.transport {
        case "error":
            let (status, text) = destination.failure(statusClass: 5)
            return .failed(status, text)
        case "retry":
            let (status, text) = destination.failure(statusClass: 4)
            return .deferred(status, text)
        default:
            return .route(
                Route(
                    addressClass: addressClass, transport: destination.transport, nextHop: destination.nextHop, recipient: recipient))
        }
    }

    static let unknownVirtualAlias = "User unknown in virtual alias table"

    /// Whether a domain (in lower case) is of the local class.
    func isLocal(_ domain: [UInt8]) throws(LookupError) -> Bool {
        if domain.first == UInt8(ascii: "[") { return settings.ownAddresses.contains(literal: domain) }
        return try settings.localDomains.matches(string: domain)
    }

    /// Whether tables are also searched for the bare local-part: `$myorigin`, or a local domain (virtual(5)).
    func isSearchedWithoutDomain(_ address: MailAddress) throws(LookupError) -> Bool {
        if ASCII.equalsIgnoringCase(address.domain, settings.origin) { return true }
        return try isLocal(address.domainKey)
    }

    func note(_ error: LookupError) { warn("\(error)") }
}
