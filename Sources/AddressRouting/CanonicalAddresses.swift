// canonical(5) and address masquerading: the addresses of envelope and header as the site wants them seen (ADDRESS_REWRITING_README).
//
// Sender addresses go through sender_canonical_maps, recipients through recipient_canonical_maps, all through canonical_maps, each as long
// as something changes, and then through masquerade_domains.
// Security: a table can map in a circle; the number of steps is bounded, and over the bound the message is not accepted.

import LookupTables
import MailConfiguration
public import MailModel

/// Where an address stands.
public enum AddressPlace: String, Hashable, Sendable, CaseIterable {
    case envelopeSender = "envelope_sender"
    case envelopeRecipient = "envelope_recipient"
    case headerSender = "header_sender"
    case headerRecipient = "header_recipient"

    var isSender: Bool { self == .envelopeSender || self == .headerSender }
}

/// Tables and classes of canonical mapping and masquerading, read once.
struct CanonicalSettings: Sendable {
    let senderMap: AddressMap
    let recipientMap: AddressMap
    let map: AddressMap
    let senderPlaces: Set<AddressPlace>
    let recipientPlaces: Set<AddressPlace>
    let places: Set<AddressPlace>
    let propagatesExtension: Bool
    /// In order; `!domain` keeps a domain as it is.
    let masqueradeDomains: [(domain: [UInt8], isKept: Bool)]
    let masqueradePlaces: Set<AddressPlace>
    /// Local-parts that keep their domain, in lower case.
    let masqueradeExceptions: Set<[UInt8]>

    init(_ configuration: Configuration) {
        typealias P = Parameters
        func map(_ parameter: Parameter<[String]>) -> AddressMap {
            AddressMap(tables: TableSet(specifications: configuration[parameter]))
        }
        func places(_ parameter: Parameter<[String]>) -> Set<AddressPlace> {
            Set(configuration[parameter].compactMap { AddressPlace(rawValue: $0.lowercased()) })
        }
        senderMap = map(P.senderCanonicalMaps)
        recipientMap = map(P.recipientCanonicalMaps)
        self.map = map(P.canonicalMaps)
        senderPlaces = places(P.senderCanonicalClasses)
        recipientPlaces = places(P.recipientCanonicalClasses)
        self.places = places(P.canonicalClasses)
        propagatesExtension = configuration[P.propagateUnmatchedExtensions].contains { $0.lowercased() == "canonical" }
        masqueradeDomains = configuration[P.masqueradeDomains].map { word in
            let isKept = word.hasPrefix("!")
            return (Array(word.utf8.drop { $0 == UInt8(ascii: "!") }).map(ASCII.lowercased), isKept)
        }
        masqueradePlaces = places(P.masqueradeClasses)
        masqueradeExceptions = Set(configuration[P.masqueradeExceptions].map { $0.utf8.map(ASCII.lowercased) })
    }

    /// Whether anything is configured at all.
    var isEmpty: Bool { senderMap.isEmpty && recipientMap.isEmpty && map.isEmpty && masqueradeDomains.isEmpty }

    static let stepLimit = 100
}

extension AddressRouter {
    /// Whether ``canonical(_:in:)`` can change anything.
    public var rewritesAddresses: Bool { !settings.canonical.isEmpty }

    /// The address, completed, as it is to be seen in a place. The null address stays.
    public func canonical(_ address: MailAddress, in place: AddressPlace) throws(AliasExpansionError) -> MailAddress {
        var address = complete(address)
        let canonical = settings.canonical
        if address.isNull || canonical.isEmpty { return address }
        if place.isSender && canonical.senderPlaces.contains(place) { address = try mapped(address, canonical.senderMap) }
        if !place.isSender && canonical.recipientPlaces.contains(place) { address = try mapped(address, canonical.recipientMap) }
        if canonical.places.contains(place) { address = try mapped(address, canonical.map) }
        return canonical.masqueradePlaces.contains(place) ? masqueraded(address) : address
    }

    /// As often as it changes something: canonical tables may point at each other.
    private func mapped(_ address: MailAddress, _ map: AddressMap) throws(AliasExpansionError) -> MailAddress {
        guard !map.isEmpty else { return address }
        var current = address
        for _ in 0..<CanonicalSettings.stepLimit {
            guard let next = try step(current, map), next != current else { return current }
            if next.internalForm.count > settings.addressLengthLimit { throw .limit }
            current = next
        }
        throw .limit
    }

    private func step(_ address: MailAddress, _ map: AddressMap) throws(AliasExpansionError) -> MailAddress? {
        let match: AddressMap.Match?
        do throws(LookupError) {
            match = try map.find(address, delimiters: settings.delimiters, isLocalDomain: try isSearchedWithoutDomain(address))
        } catch {
            note(error)
            throw .lookup
        }
        // A key without an address is a mistake in the table; the address stays rather than vanish.
        guard let match, var result = AddressListText.parse(match.value).first else { return nil }
        if result.localPart.isEmpty {
            // `@otherdomain`: the same user there.
            result.localPart = Array(address.localPart.dropLast(match.unmatchedExtension.count))
        }
        result = complete(result)
        if settings.canonical.propagatesExtension { result.localPart += match.unmatchedExtension }
        return result
    }

    /// `user@host.example.org` becomes `user@example.org` where `masquerade_domains` has `example.org`.
    private func masqueraded(_ address: MailAddress) -> MailAddress {
        let canonical = settings.canonical
        if canonical.masqueradeExceptions.contains(address.localPart.map(ASCII.lowercased)) { return address }
        let domain = address.domainKey
        for rule in canonical.masqueradeDomains where !rule.domain.isEmpty {
            let isSame = domain == rule.domain
            let isBelow =
                domain.count > rule.domain.count + 1
                && domain.suffix(rule.domain.count + 1).elementsEqual([UInt8(ascii: ".")] + rule.domain)
            guard isSame || isBelow else { continue }
            if isBelow && !rule.isKept {
                return MailAddress(localPart: address.localPart, domain: Array(address.domain.suffix(rule.domain.count)))
            }
            return address
        }
        return address
    }
}
