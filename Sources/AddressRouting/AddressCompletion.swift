// Completing addresses: what Postfix's trivial-rewrite does to `user`, `user@host` and `site!user` in its local context.
//
// Security: only an address without a domain is rewritten by its local-part (`site!user`, `user%domain`). What stands before the `@` of a
// complete address is never taken for a route, so no relaying can be had through local-parts (Postfix `allow_untrusted_routing = no`).

import MailModel

struct AddressCompletion: Sendable {
    var origin: [UInt8]
    /// `$mydomain`, where it is to be appended to domains without a dot; else nil.
    var domainForShortNames: [UInt8]?
    var appendsOrigin: Bool
    var swapsBangPath: Bool
    var allowsPercentHack: Bool

    /// The address with a domain. The null address stays as it is.
    func complete(_ address: MailAddress) -> MailAddress {
        if address.isNull { return address }
        var out = address
        if out.domain.isEmpty {
            if swapsBangPath, let bang = out.localPart.firstIndex(of: UInt8(ascii: "!")), bang > 0, bang + 1 < out.localPart.count {
                out = MailAddress(localPart: Array(out.localPart[(bang + 1)...]), domain: Array(out.localPart[..<bang]))
            } else if allowsPercentHack, let percent = out.localPart.lastIndex(of: UInt8(ascii: "%")), percent > 0,
                percent + 1 < out.localPart.count
            {
                out = MailAddress(localPart: Array(out.localPart[..<percent]), domain: Array(out.localPart[(percent + 1)...]))
            } else if appendsOrigin {
                out.domain = origin
            }
        }
        // `user@host.` names the same host (Postfix drops the dot too).
        if out.domain.count > 1, out.domain.last == UInt8(ascii: ".") { out.domain.removeLast() }
        if let suffix = domainForShortNames, !out.domain.isEmpty, out.domain.first != UInt8(ascii: "["),
            !out.domain.contains(UInt8(ascii: "."))
        {
            out.domain += [UInt8(ascii: ".")] + suffix
        }
        return out
    }
}
