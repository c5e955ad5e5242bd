// Completes addresses that a user of this host wrote without a domain, or with a short one.
//
// Only what is missing is inserted; the rest of the field - names, comments, folding, order - stays byte for byte.

public import MailModel

/// Completes addresses with `@myorigin` and `.mydomain`.
public struct AddressCompletion: Sendable, Hashable {
    /// `myorigin`: the domain for addresses without one; empty switches that off (`append_at_myorigin = no`).
    public var origin: [UInt8]
    /// `mydomain`: appended to a domain without a dot; empty switches that off (`append_dot_mydomain = no`, the default).
    public var domain: [UInt8]

    public init(origin: [UInt8], domain: [UInt8] = []) {
        self.origin = origin
        self.domain = domain
    }

    public init(origin: String, domain: String = "") { self.init(origin: Array(origin.utf8), domain: Array(domain.utf8)) }

    /// The address with its domain completed. The null address and address literals stay.
    public func complete(_ address: MailAddress) -> MailAddress {
        guard !address.isNull else { return address }
        var out = address
        if out.domain.isEmpty { out.domain = origin }
        if needsDomain(out.domain) { out.domain += [UInt8(ascii: ".")] + domain }
        return out
    }

    private func needsDomain(_ name: [UInt8]) -> Bool {
        !domain.isEmpty && !name.isEmpty && name[0] != UInt8(ascii: "[") && !name.contains(UInt8(ascii: "."))
    }

    /// The value of an address field (RFC 5322 section 3.6.2, 3.6.3) with each of its addresses completed.
    ///
    /// - Parameter value: the value, folding included.
    public func complete(addressList value: ArraySlice<UInt8>) -> [UInt8] { rewrite(addressList: value) { complete($0) } }

    /// The value of an address field with each of its addresses replaced by what `mapping` makes of it. Names, comments and order stay.
    public func rewrite(addressList value: ArraySlice<UInt8>, _ mapping: (MailAddress) -> MailAddress) -> [UInt8] {
        let source = Array(value)
        let list = AddressListParser.parse(source)
        var out: [UInt8] = []
        var copied = 0
        for listed in list.addresses where listed.range.lowerBound >= copied {
            let completed = mapping(listed.address)
            guard completed != listed.address || listed.needsQuoting else { continue }
            let isExtended =
                completed.localPart == listed.address.localPart && completed.domain.starts(with: listed.address.domain)
            if listed.needsQuoting || !isExtended {
                out += source[copied..<listed.range.lowerBound]
                out += completed.externalForm
            } else {
                // What the user wrote stays; the missing end is put behind it.
                out += source[copied..<listed.range.upperBound]
                if listed.address.domain.isEmpty { out.append(UInt8(ascii: "@")) }
                out += completed.domain.dropFirst(listed.address.domain.count)
            }
            copied = listed.range.upperBound
        }
        return out + source[copied...]
    }
}
