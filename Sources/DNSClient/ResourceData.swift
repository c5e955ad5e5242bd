// Parsers of resource data, one for each record type that mail uses.
//
// Security: the bytes are of whoever runs the name server. Each parser takes all of its bytes or gives nil; none looks beyond them.

import MailModel

/// MX (RFC 1035 section 3.3.9).
public struct MXRecord: Hashable, Sendable {
    public var preference: UInt16
    public var exchange: DomainName
}

/// TLSA (RFC 6698 section 2.1). Values out of the registry are kept: the user of the record decides which it can use.
public struct TLSARecord: Hashable, Sendable {
    public var usage: UInt8
    public var selector: UInt8
    public var matchingType: UInt8
    public var association: [UInt8]
}

/// Resource data in wire format, as values.
public enum ResourceData {
    public static func a(_ bytes: [UInt8]) -> IPAddress? { bytes.count == 4 ? IPAddress(bytes: bytes) : nil }

    public static func aaaa(_ bytes: [UInt8]) -> IPAddress? { bytes.count == 16 ? IPAddress(bytes: bytes) : nil }

    public static func mx(_ bytes: [UInt8]) -> MXRecord? {
        guard bytes.count >= 3, let exchange = DomainName(wire: bytes[2...]) else { return nil }
        return MXRecord(preference: UInt16(bytes[0]) << 8 | UInt16(bytes[1]), exchange: exchange)
    }

    /// The name of a PTR or CNAME record.
    public static func name(_ bytes: [UInt8]) -> DomainName? { DomainName(wire: bytes) }

    /// The strings of a TXT record, at least one (RFC 1035 section 3.3.14). What they mean together is the reader's matter.
    public static func txt(_ bytes: [UInt8]) -> [[UInt8]]? {
        var strings: [[UInt8]] = []
        var position = 0
        while position < bytes.count {
            let end = position + 1 + Int(bytes[position])
            guard end <= bytes.count else { return nil }
            strings.append(Array(bytes[(position + 1)..<end]))
            position = end
        }
        return strings.isEmpty ? nil : strings
    }

    public static func tlsa(_ bytes: [UInt8]) -> TLSARecord? {
        guard bytes.count >= 4 else { return nil }
        return TLSARecord(usage: bytes[0], selector: bytes[1], matchingType: bytes[2], association: Array(bytes[3...]))
    }
}
