// From the recipients that a client named to those that the queue file gets: completed, mapped, virtual aliases expanded, each once.

import AddressRouting
import MailModel

/// The recipients of one message as they gather.
struct RecipientExpansion {
    private let router: AddressRouter
    private let keepsOriginals: Bool
    private var seen: Set<MailAddress> = []
    private var out: [EnvelopeRecipient] = []

    /// Expands and removes duplicates, keeping the first of each address. The sender is the mapped one.
    ///
    /// RFC 3461 section 5.2.7.1: when a recipient is replaced by several, each keeps ORCPT and NOTIFY of the original.
    ///
    /// - Parameter keepsOriginals: `enable_original_recipient`.
    static func expand(
        _ envelope: Envelope, router: AddressRouter, keepsOriginals: Bool = true
    ) throws(AliasExpansionError) -> [EnvelopeRecipient] {
        var expansion = RecipientExpansion(router: router, keepsOriginals: keepsOriginals)
        expansion.out.reserveCapacity(envelope.recipients.count)
        // Postfix: copies are made when mail enters from outside, so that there is one however often it is forwarded.
        let isCopied = envelope.origin != .notification && envelope.origin != .forward
        for recipient in envelope.recipients {
            let canonical = try router.canonical(recipient.address, in: .envelopeRecipient)
            try expansion.add(recipient, as: canonical)
            if isCopied { try expansion.add(copies: try router.copies(forRecipient: canonical)) }
        }
        if isCopied && !envelope.recipients.isEmpty { try expansion.add(copies: try router.copies(forSender: envelope.sender)) }
        return expansion.out
    }

    private init(router: AddressRouter, keepsOriginals: Bool) {
        self.router = router
        self.keepsOriginals = keepsOriginals
    }

    private mutating func add(_ recipient: EnvelopeRecipient, as canonical: MailAddress) throws(AliasExpansionError) {
        for address in try router.expandVirtualAliases(canonical) {
            // Local-parts differ by case (RFC 5321 section 2.4), domains do not.
            guard seen.insert(MailAddress(localPart: address.localPart, domain: address.domainKey)).inserted else { continue }
            var expanded = recipient
            expanded.address = address
            let original = recipient.originalAddress ?? router.complete(recipient.address)
            expanded.originalAddress = original == address || !keepsOriginals ? nil : original
            if expanded.originalRecipient.isEmpty && address != original {
                // RFC 3461 section 4.2: without ORCPT the address of RCPT is the original recipient.
                expanded.originalRecipient = Array("rfc822;".utf8) + original.externalForm
            }
            out.append(expanded)
        }
    }

    /// The sender knows nothing of copies, and is not told what becomes of them.
    private mutating func add(copies: [MailAddress]) throws(AliasExpansionError) {
        for copy in copies where !copy.isNull { try add(EnvelopeRecipient(copy, notify: .never), as: copy) }
    }
}
