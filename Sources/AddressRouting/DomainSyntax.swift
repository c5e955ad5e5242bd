// Whether the domain of a recipient can be routed at all.

import MailModel

enum DomainSyntax {
    /// A host name (ASCII or UTF-8 labels), or an address literal with an address in it. Postfix's resolver answers anything else with
    /// `bad address syntax`.
    static func isRoutable(_ domain: [UInt8]) -> Bool {
        if domain.first == UInt8(ascii: "[") { return OwnAddresses.address(ofLiteral: domain) != nil }
        // A domain in UTF-8 may be longer than on the wire, where its labels are A-labels.
        guard !domain.isEmpty, domain.count <= 1020 else { return false }
        guard domain.allSatisfy({ $0 < 0x80 }) || String(validating: domain, as: UTF8.self) != nil else { return false }
        var isNumeric = true
        for label in domain.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            let isASCII = label.allSatisfy { $0 < 0x80 }
            guard (1...(isASCII ? 63 : 252)).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-"),
                label.allSatisfy({ ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 >= 0x80 })
            else { return false }
            isNumeric = label.allSatisfy(ASCII.isDigit)
        }
        // `user@192.0.2.1` is no domain (Postfix `resolve_numeric_domain = no`).
        return !isNumeric && (domain.contains { $0 >= 0x80 } || domain.count <= 254)
    }
}
