// Who gets a copy of a message without having been named: always_bcc, sender_bcc_maps, recipient_bcc_maps.
//
// A lookup that fails keeps the message out (the client tries again): a copy that the administrator ordered must not be missing.

import LookupTables
public import MailModel

extension AddressRouter {
    /// For every message, and for the messages of this sender.
    public func copies(forSender sender: MailAddress) throws(AliasExpansionError) -> [MailAddress] {
        var out: [MailAddress] = []
        if let always = settings.alwaysBcc { out.append(complete(always)) }
        return out + (try copies(for: sender, settings.senderBcc))
    }

    /// For the messages to this recipient.
    public func copies(forRecipient recipient: MailAddress) throws(AliasExpansionError) -> [MailAddress] {
        try copies(for: recipient, settings.recipientBcc)
    }

    private func copies(for address: MailAddress, _ map: AddressMap) throws(AliasExpansionError) -> [MailAddress] {
        guard !map.isEmpty else { return [] }
        do throws(LookupError) {
            let match = try map.find(address, delimiters: settings.delimiters, isLocalDomain: try isSearchedWithoutDomain(address))
            return match.map { AddressListText.parse($0.value).map(complete) } ?? []
        } catch {
            note(error)
            throw .lookup
        }
    }
}
