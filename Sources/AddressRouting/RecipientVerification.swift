// Whether a recipient exists: asked when a client names it (RCPT, VRFY), so that mail for nobody is refused and not bounced
// (smtpd_reject_unlisted_recipient; RFC 5321 section 3.3).

import LookupTables
public import MailModel

extension AddressRouter {
    /// The class of `recipient`, and whether it is listed in the recipient table of that class. A recipient with a virtual alias is known.
    public func verify(recipient: MailAddress) -> RecipientVerdict {
        let recipient = complete(recipient.isNull ? settings.emptyAddressRecipient : recipient)
        var addressClass = AddressClass.other
        do throws(LookupError) {
            addressClass = try self.addressClass(of: recipient.domain)
            let existence = try self.existence(of: recipient, addressClass)
            return RecipientVerdict(addressClass, existence, isOfDomain: existence == .known && takesAnybody(addressClass))
        } catch {
            note(error)
            return RecipientVerdict(addressClass, .temporaryFailure("Temporary lookup failure"))
        }
    }

    /// Whether each recipient of a domain of this class is known. A virtual alias cannot make one unknown; a transport table can (`error:`).
    private func takesAnybody(_ addressClass: AddressClass) -> Bool {
        guard settings.transportMap.isEmpty else { return false }
        return addressClass == .other || (addressClass == .relay && settings.relayRecipients.isEmpty)
    }

    private func existence(of recipient: MailAddress, _ addressClass: AddressClass) throws(LookupError) -> RecipientVerdict.Existence {
        let isLocalDomain = try isSearchedWithoutDomain(recipient)
        func isListed(_ map: AddressMap) throws(LookupError) -> Bool {
            try map.find(recipient, delimiters: settings.delimiters, isLocalDomain: isLocalDomain) != nil
        }
        if try isListed(settings.virtualAliases) { return .known }
        // What routing already knows to be undeliverable: `error:` in a transport table, bad syntax, a virtual alias that is none.
        switch resolve(recipient) {
        case .failed(let status, let text): return .unknown(status, text)
        case .deferred(_, let text): return .temporaryFailure(text)
        case .route: break
        }
        let map: AddressMap
        let table: String
        switch addressClass {
        case .local: (map, table) = (settings.localRecipients, "local recipient table")
        case .virtualMailbox: (map, table) = (settings.virtualMailboxes, "virtual mailbox table")
        case .relay: (map, table) = (settings.relayRecipients, "relay recipient table")
        case .virtualAlias, .other: return .known
        }
        if map.isEmpty { return .known }
        if addressClass == .local && isOfTheMailSystem(recipient.localPart) { return .known }
        if try isListed(map) { return .known }
        return .unknown(EnhancedStatusCode(5, 1, 1), "User unknown in \(table)")
    }

    /// Addresses that every mail system takes: `postmaster` (RFC 5321 section 4.5.1), and the two that notifications come from.
    private func isOfTheMailSystem(_ localPart: [UInt8]) -> Bool {
        [Array("postmaster".utf8), Array("mailer-daemon".utf8), settings.doubleBounceSender].contains {
            ASCII.equalsIgnoringCase(localPart, $0)
        }
    }
}
