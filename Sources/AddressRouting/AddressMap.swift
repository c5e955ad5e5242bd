// Looking up an address in tables that are keyed by addresses: the order of keys that virtual(5), local_recipient_maps and
// their like share.

import LookupTables
import MailModel

/// Tables keyed by addresses.
struct AddressMap: Sendable {
    let tables: TableSet

    var isEmpty: Bool { tables.isEmpty }

    /// What a lookup found.
    struct Match {
        var value: [UInt8]
        /// The part of the local-part that the key did not have: `+extension`, or empty.
        var unmatchedExtension: [UInt8]
    }

    /// The first key with a value. In order: `user+ext@domain`, `user@domain`, `user+ext`, `user` (these two only for domains of this
    /// system), `@domain` (virtual(5), "TABLE SEARCH ORDER").
    func find(_ address: MailAddress, delimiters: RecipientDelimiter, isLocalDomain: Bool) throws(LookupError) -> Match? {
        let split = AddressExtension.split(address.localPart, delimiters: delimiters)
        let domain = address.domain.isEmpty ? [] : [UInt8(ascii: "@")] + address.domain
        if let value = try tables.lookup(address.localPart + domain) { return Match(value: value, unmatchedExtension: []) }
        // Tables of patterns see the full address only: a pattern must not match a part by accident (Postfix DICT_FLAG_FIXED).
        if let split, let value = try tables.lookup(split.user + domain, isPart: true) {
            return Match(value: value, unmatchedExtension: split.extension)
        }
        if isLocalDomain && !domain.isEmpty {
            if let value = try tables.lookup(address.localPart, isPart: true) { return Match(value: value, unmatchedExtension: []) }
            if let split, let value = try tables.lookup(split.user, isPart: true) {
                return Match(value: value, unmatchedExtension: split.extension)
            }
        }
        if !domain.isEmpty, let value = try tables.lookup(domain, isPart: true) {
            return Match(value: value, unmatchedExtension: split?.extension ?? [])
        }
        return nil
    }
}
