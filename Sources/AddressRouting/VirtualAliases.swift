// Virtual alias expansion, as cleanup of Postfix does it (virtual(5), cleanup_map1n).
//
// Security: a table can point anywhere, also back. Nesting, the number of results and the length of an address are bounded; over a bound
// the message is not accepted, and the client may try again when the table is repaired.

import LookupTables
public import MailModel

extension AddressRouter {
    /// The addresses that `recipient` stands for, in the order of the tables; itself where it has no alias. Each is completed. An address
    /// that occurs among its own results stays as a result. Duplicates are not removed.
    public func expandVirtualAliases(_ recipient: MailAddress) throws(AliasExpansionError) -> [MailAddress] {
        var list = [complete(recipient)]
        if settings.virtualAliases.isEmpty { return list }
        // Addresses that expanded into themselves once already.
        var finished: Set<[UInt8]> = []
        var index = 0
        while index < list.count {
            var depth = 0
            while !finished.contains(AddressRouter.foldedKey(list[index])) {
                let address = list[index]
                guard let results = try aliases(of: address) else { break }
                // virtual_alias_recursion_limit, virtual_alias_expansion_limit.
                if depth >= settings.recursionLimit { throw .limit }
                depth += 1
                list[index] = results[0]
                list += results.dropFirst()
                if list.count > settings.expansionLimit { throw .limit }
                let key = AddressRouter.foldedKey(address)
                if results.contains(where: { AddressRouter.foldedKey($0) == key }) { finished.insert(key) }
            }
            index += 1
        }
        return list
    }

    /// One step: nil where the address has no alias.
    private func aliases(of address: MailAddress) throws(AliasExpansionError) -> [MailAddress]? {
        let match: AddressMap.Match?
        do throws(LookupError) {
            match = try settings.virtualAliases.find(
                address, delimiters: settings.delimiters, isLocalDomain: try isSearchedWithoutDomain(address))
        } catch {
            note(error)
            throw .lookup
        }
        guard let match else { return nil }
        let suffix = settings.propagatesExtension ? match.unmatchedExtension : []
        var results: [MailAddress] = []
        for var result in AddressListText.parse(match.value) {
            if result.localPart.isEmpty {
                // `@otherdomain`: the same user there. The extension comes back below, if at all.
                result.localPart = Array(address.localPart.dropLast(match.unmatchedExtension.count))
            }
            result = complete(result)
            result.localPart += suffix
            if result.internalForm.count > settings.addressLengthLimit { throw .limit }
            results.append(result)
        }
        // A key without a result is a mistake in the table, not an order to drop the recipient.
        if results.isEmpty { throw .limit }
        return results
    }

    private static func foldedKey(_ address: MailAddress) -> [UInt8] { address.internalForm.map(ASCII.lowercased) }
}
