// From the recipients that a client named to those that the queue file gets: completed, virtual aliases expanded, each once.

import AddressRouting
import MailModel

enum RecipientExpansion {
    /// Expands and removes duplicates, keeping the first of each address.
    ///
    /// RFC 3461 section 5.2.7.1: when a recipient is replaced by several, each keeps ORCPT and NOTIFY of the original.
    static func expand(_ recipients: [EnvelopeRecipient], router: AddressRouter) throws(AliasExpansionError) -> [EnvelopeRecipient] {
        var seen: Set<MailAddress> = []
        var out: [EnvelopeRecipient] = []
        out.reserveCapacity(recipients.count)
        for recipient in recipients {
            let results = try router.expandVirtualAliases(recipient.address)
            for address in results {
                // Local-parts differ by case (RFC 5321 section 2.4), domains do not.
                guard seen.insert(MailAddress(localPart: address.localPart, domain: address.domainKey)).inserted else { continue }
                var expanded = recipient
                expanded.address = address
                let original = recipient.originalAddress ?? router.complete(recipient.address)
                expanded.originalAddress = original == address ? nil : original
                if expanded.originalRecipient.isEmpty && address != original {
                    // RFC 3461 section 4.2: without ORCPT the address of RCPT is the original recipient.
                    expanded.originalRecipient = Array("rfc822;".utf8) + original.externalForm
                }
                out.append(expanded)
            }
        }
        return out
    }
}
