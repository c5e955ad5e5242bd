// Address literals (RFC 5321 section 4.1.3): `[192.0.2.1]` and `[IPv6:2001:db8::1]`.
//
// General-address-literal needs a tag from a registry that has no entry besides IPv6, so that every other tag is refused, as Postfix does.
// IPv6 is read by the letter of the RFC: `::` stands for at least two groups.

import MailModel

/// A checked address literal.
public enum AddressLiteral: Hashable, Sendable {
    /// The address in dotted form.
    case ipv4(String)
    /// The address without its tag.
    case ipv6(String)

    /// Reads a literal with its brackets; nil where it is none.
    public init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count >= 2, bytes.count <= 64, bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]") else { return nil }
        let inner = bytes.dropFirst().dropLast()
        if inner.count > 5, ASCII.equalsIgnoringCase(inner.prefix(5), "IPv6:".utf8) {
            guard AddressLiteral.isIPv6(inner.dropFirst(5)) else { return nil }
            self = .ipv6(String(decoding: inner.dropFirst(5), as: UTF8.self))
        } else {
            guard AddressLiteral.isIPv4(inner) else { return nil }
            self = .ipv4(String(decoding: inner, as: UTF8.self))
        }
    }

    /// The address as the socket layer reads it.
    public var address: String {
        switch self {
        case .ipv4(let text), .ipv6(let text): text
        }
    }

    static func isIPv4(_ bytes: ArraySlice<UInt8>) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "."), maxSplits: 4, omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { $0.count <= 3 && ASCII.decimal($0, maximum: 255) != nil }
    }

    static func isIPv6(_ bytes: ArraySlice<UInt8>) -> Bool {
        // Split at "::" if there is one; it may stand once.
        var compression: Int?
        var index = bytes.startIndex
        while index + 1 < bytes.endIndex {
            if bytes[index] == UInt8(ascii: ":") && bytes[index + 1] == UInt8(ascii: ":") {
                guard compression == nil else { return false }
                compression = index
                index += 2
            } else {
                index += 1
            }
        }
        guard let compression else { return groups(bytes, mayEndInIPv4: true) == 8 }
        let head = bytes[..<compression]
        let tail = bytes[(compression + 2)...]
        guard let before = head.isEmpty ? 0 : groups(head, mayEndInIPv4: false) else { return false }
        guard let after = tail.isEmpty ? 0 : groups(tail, mayEndInIPv4: true) else { return false }
        // RFC 5321 section 4.1.3: "No more than 6 groups in addition to the '::' may be present".
        return before + after <= 6
    }

    /// The number of 16-bit groups, or nil where one is malformed. A dotted IPv4 address at the end counts as two.
    private static func groups(_ bytes: ArraySlice<UInt8>, mayEndInIPv4: Bool) -> Int? {
        let parts = bytes.split(separator: UInt8(ascii: ":"), maxSplits: 9, omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var count = 0
        for (index, part) in parts.enumerated() {
            if mayEndInIPv4 && index + 1 == parts.count && part.contains(UInt8(ascii: ".")) {
                guard isIPv4(part) else { return nil }
                count += 2
            } else {
                guard (1...4).contains(part.count), part.allSatisfy(isHexDigit) else { return nil }
                count += 1
            }
        }
        return count
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        ASCII.isDigit(byte) || (0x61...0x66).contains(ASCII.lowercased(byte))
    }
}
