// Internet addresses and networks as text of tables and lists, compared by their bits.
//
// Security: the parser is total and strict: four decimal octets without leading zeros beyond "0", or RFC 4291 section 2.2 text; scope ids
// are not accepted. An address that is mapped into IPv6 (::ffff:a.b.c.d) is an IPv6 address here.

import MailModel

/// The bits of an IPv4 (4 bytes) or IPv6 (16 bytes) address.
public struct IPAddressBits: Hashable, Sendable {
    public let bytes: [UInt8]

    /// Reads `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`.
    public init?(_ text: some Collection<UInt8>) {
        var text = Array(text)[...]
        var needsIPv6 = false
        if text.first == UInt8(ascii: "[") {
            guard text.last == UInt8(ascii: "]"), text.count > 2 else { return nil }
            text = text.dropFirst().dropLast()
            needsIPv6 = text.contains(UInt8(ascii: ":"))
        }
        guard let found = (needsIPv6 ? nil : Self.ipv4(text)) ?? Self.ipv6(text) else { return nil }
        bytes = found
    }

    static func ipv4(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4, text.count <= 15 else { return nil }
        var out: [UInt8] = []
        for part in parts {
            guard part.count <= 3, part.count == 1 || part.first != UInt8(ascii: "0"), let value = ASCII.decimal(part, maximum: 255)
            else { return nil }
            out.append(UInt8(value))
        }
        return out
    }

    static func ipv6(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count >= 2, text.count <= 45 else { return nil }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count >= 3, parts.count <= 9 else { return nil }
        var head: [UInt8] = []
        var tail: [UInt8] = []
        var hasGap = false
        for (index, part) in parts.enumerated() {
            if part.isEmpty {
                // A gap "::" gives one empty part within, two at an end.
                let isEdge = index == 0 || index == parts.count - 1
                if index == 0 && parts[1].isEmpty || index == parts.count - 1 && parts[index - 1].isEmpty { continue }
                if isEdge || hasGap { return nil }
                hasGap = true
                continue
            }
            var group: [UInt8]
            if index == parts.count - 1 && part.contains(UInt8(ascii: ".")) {
                guard let four = ipv4(part) else { return nil }
                group = four
            } else {
                guard part.count <= 4 else { return nil }
                var value: UInt16 = 0
                for digit in part {
                    guard let hex = ASCII.hexValue(digit) else { return nil }
                    value = value << 4 | UInt16(hex)
                }
                group = [UInt8(value >> 8), UInt8(value & 0xFF)]
            }
            if hasGap { tail += group } else { head += group }
        }
        let count = head.count + tail.count
        guard hasGap ? count <= 14 : count == 16 else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - count) + tail
    }
}

/// A network `address/bits`, or one address.
public struct IPNetwork: Hashable, Sendable {
    public let address: IPAddressBits
    public let prefixLength: Int

    /// Reads `192.0.2.0/24`, `[2001:db8::]/32`, `2001:db8::/32` or an address; nil where bits are set after the prefix.
    public init?(_ text: some Collection<UInt8>) {
        let text = Array(text)
        let slash = text.lastIndex(of: UInt8(ascii: "/"))
        guard let address = IPAddressBits(text[..<(slash ?? text.count)]) else { return nil }
        var length = address.bytes.count * 8
        if let slash {
            guard let bits = ASCII.decimal(text[(slash + 1)...], maximum: length) else { return nil }
            length = bits
        }
        for (index, byte) in address.bytes.enumerated() {
            let used = min(8, max(0, length - index * 8))
            if byte & UInt8(truncatingIfNeeded: 0xFF >> used) != 0 && used < 8 { return nil }
        }
        self.address = address
        prefixLength = length
    }

    public func contains(_ other: IPAddressBits) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        var remaining = prefixLength
        for (a, b) in zip(address.bytes, other.bytes) {
            if remaining <= 0 { return true }
            let mask = remaining >= 8 ? UInt8(0xFF) : ~UInt8(0xFF >> remaining)
            if (a ^ b) & mask != 0 { return false }
            remaining -= 8
        }
        return true
    }
}
