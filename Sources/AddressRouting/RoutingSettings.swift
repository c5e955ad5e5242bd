// What the router takes from the configuration, read once: parameters, lists and tables.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

struct RoutingSettings: Sendable {
    let hostName: String
    let origin: [UInt8]
    let completion: AddressCompletion
    let delimiters: RecipientDelimiter
    /// Who gets mail to the null address.
    let emptyAddressRecipient: MailAddress
    /// The sender of notifications about notifications; its local-part always exists.
    let doubleBounceSender: [UInt8]
    let ownAddresses: OwnAddresses
    let allowsMinUser: Bool

    let localDomains: MatchList
    let virtualAliasDomains: MatchList
    let virtualMailboxDomains: MatchList
    let relayDomains: MatchList

    let localTransport: TransportDestination
    let virtualTransport: TransportDestination
    let relayTransport: TransportDestination
    let defaultTransport: TransportDestination
    let relayHost: String

    let transportMap: TransportMap
    let virtualAliases: AddressMap
    let localRecipients: AddressMap
    let virtualMailboxes: AddressMap
    let relayRecipients: AddressMap
    let canonical: CanonicalSettings
    /// `always_bcc`; nil for nobody.
    let alwaysBcc: MailAddress?
    let senderBcc: AddressMap
    let recipientBcc: AddressMap

    let expansionLimit: Int
    let recursionLimit: Int
    let addressLengthLimit: Int
    let propagatesExtension: Bool

    init(_ configuration: Configuration, ownAddresses: [String]?) {
        let parents = configuration[Parameters.parentDomainMatchesSubdomains]
        func tables(_ parameter: Parameter<[String]>) -> TableSet { TableSet(specifications: configuration[parameter]) }
        func list(_ parameter: Parameter<[String]>) -> MatchList {
            MatchList(configuration[parameter], matchesParentDomains: parents.contains(parameter.name))
        }
        func destination(_ parameter: Parameter<String>) -> TransportDestination { TransportDestination(configuration[parameter]) }

        hostName = configuration[Parameters.myhostname]
        origin = Array(configuration[Parameters.myorigin].utf8)
        completion = AddressCompletion(
            origin: origin,
            domainForShortNames: configuration[Parameters.appendDotMydomain] ? Array(configuration[Parameters.mydomain].utf8) : nil,
            appendsOrigin: configuration[Parameters.appendAtMyorigin], swapsBangPath: configuration[Parameters.swapBangpath],
            allowsPercentHack: configuration[Parameters.allowPercentHack])
        delimiters = RecipientDelimiter(
            characters: Array(configuration[Parameters.recipientDelimiter].utf8),
            keepsListNames: configuration[Parameters.ownerRequestSpecial])
        emptyAddressRecipient = MailAddress(configuration[Parameters.emptyAddressRecipient])
        doubleBounceSender = MailAddress(configuration[Parameters.doubleBounceSender]).localPart
        allowsMinUser = configuration[Parameters.allowMinUser]
        self.ownAddresses = OwnAddresses(
            interfaces: configuration[Parameters.inetInterfaces], proxies: configuration[Parameters.proxyInterfaces],
            system: { ownAddresses ?? InterfaceAddresses.all() })

        localDomains = list(Parameters.mydestination)
        virtualAliasDomains = list(Parameters.virtualAliasDomains)
        virtualMailboxDomains = list(Parameters.virtualMailboxDomains)
        relayDomains = list(Parameters.relayDomains)

        localTransport = destination(Parameters.localTransport)
        virtualTransport = destination(Parameters.virtualTransport)
        relayTransport = destination(Parameters.relayTransport)
        defaultTransport = destination(Parameters.defaultTransport)
        relayHost = configuration[Parameters.relayhost]

        transportMap = TransportMap(
            tables: tables(Parameters.transportMaps), parentMatchesSubdomains: parents.contains(Parameters.transportMaps.name))
        virtualAliases = AddressMap(tables: tables(Parameters.virtualAliasMaps))
        localRecipients = AddressMap(tables: tables(Parameters.localRecipientMaps))
        virtualMailboxes = AddressMap(tables: tables(Parameters.virtualMailboxMaps))
        relayRecipients = AddressMap(tables: tables(Parameters.relayRecipientMaps))
        canonical = CanonicalSettings(configuration)
        let always = configuration[Parameters.alwaysBcc]
        alwaysBcc = always.isEmpty ? nil : MailAddress(always)
        senderBcc = AddressMap(tables: tables(Parameters.senderBccMaps))
        recipientBcc = AddressMap(tables: tables(Parameters.recipientBccMaps))

        expansionLimit = configuration[Parameters.virtualAliasExpansionLimit]
        recursionLimit = configuration[Parameters.virtualAliasRecursionLimit]
        addressLengthLimit = configuration[Parameters.virtualAliasAddressLengthLimit]
        propagatesExtension = configuration[Parameters.propagateUnmatchedExtensions].contains { $0.lowercased() == "virtual" }
    }
}
