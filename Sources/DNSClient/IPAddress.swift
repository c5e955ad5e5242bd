// IP addresses as values: their text (RFC 5952), their address literal (RFC 5321 section 4.1.3), and their name for reverse lookups.
//
// Security: the parser is total and takes one spelling of IPv4 only: four decimal numbers without leading zeros, so that `010.0.0.1` is
// never read as two different addresses by two programs.
// Limits: no zone identifiers (`fe80::1%eth0`).

import MailModel

/// An IPv4 or IPv6 address.
public enum IPAddress: Hashable, Sendable, CustomStringConvertible {
    case v4(UInt32)
    case v6(UInt64, UInt64)

    /// From 4 or 16 bytes in network order; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        func number(_ part: some Sequence<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        switch bytes.count {
        case 4: self = .v4(UInt32(truncatingIfNeeded: number(bytes)))
        case 16: self = .v6(number(bytes.prefix(8)), number(bytes.dropFirst(8)))
        default: return nil
        }
    }

    /// From text: `192.0.2.1` or `2001:db8::1`, without brackets.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        if bytes.contains(UInt8(ascii: ":")) {
            guard let groups = IPAddress.parseGroups(bytes) else { return nil }
            self.init(bytes: groups.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] })
        } else {
            guard let value = IPAddress.parseQuad(bytes[...]) else { return nil }
            self = .v4(value)
        }
    }

    /// From an address literal with its brackets: `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3). The IPv6 form without its
    /// tag is accepted too, as Postfix accepts it in next hops.
    public init?(literal bytes: some Collection<UInt8>) {
        let all = Array(bytes)
        guard all.count >= 3, all.count <= 64, all.first == UInt8(ascii: "["), all.last == UInt8(ascii: "]") else { return nil }
        var inner = all[1..<(all.count - 1)]
        if ASCII.equalsIgnoringCase(inner.prefix(5), "ipv6:".utf8) {
            inner = inner.dropFirst(5)
            guard inner.contains(UInt8(ascii: ":")) else { return nil }
        }
        guard inner.allSatisfy(ASCII.isPrintable) else { return nil }
        self.init(String(decoding: inner, as: UTF8.self))
    }

    /// 4 or 16 bytes in network order.
    public var bytes: [UInt8] {
        func octets(_ value: some FixedWidthInteger) -> [UInt8] {
            stride(from: value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
        }
        switch self {
        case .v4(let value): return octets(value)
        case .v6(let high, let low): return octets(high) + octets(low)
        }
    }

    public var isIPv6: Bool {
        if case .v6 = self { return true }
        return false
    }

    /// An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) as the IPv4 address it stands for; any other as itself.
    public var unmapped: IPAddress {
        if case .v6(0, let low) = self, low >> 32 == 0xFFFF { return .v4(UInt32(truncatingIfNeeded: low)) }
        return self
    }

    /// `192.0.2.1`, `2001:db8::1` (RFC 5952 section 4).
    public var description: String {
        let octets = bytes
        guard isIPv6 else { return octets.map { String($0) }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(octets[$0]) << 8 | UInt16(octets[$0 + 1]) }
        // The longest run of at least two zero groups is shortened, the first of equals (RFC 5952 section 4.2).
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8 && groups[end] == 0 { end += 1 }
            if end - start >= 2 && end - start > best.count { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ range: Range<Int>) -> String { range.map { String(groups[$0], radix: 16) }.joined(separator: ":") }
        return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
    }

    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3).
    public var literal: String { isIPv6 ? "[IPv6:\(self)]" : "[\(self)]" }

    /// The name under which PTR records of the address stand (RFC 1035 section 3.5, RFC 3596 section 2.5).
    public var reverseName: DomainName {
        if isIPv6 {
            let nibbles = bytes.reversed().flatMap { [String($0 & 15, radix: 16), String($0 >> 4, radix: 16)] }
            return DomainName(canonical: nibbles.joined(separator: ".") + ".ip6.arpa")
        }
        return DomainName(canonical: bytes.reversed().map { String($0) }.joined(separator: ".") + ".in-addr.arpa")
    }

    private static func parseQuad(_ bytes: ArraySlice<UInt8>) -> UInt32? {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard part.count == 1 || part.first != UInt8(ascii: "0"), let octet = ASCII.decimal(part, maximum: 255) else { return nil }
            value = value << 8 | UInt32(octet)
        }
        return value
    }

    /// Eight groups out of the forms of RFC 4291 section 2.2.
    private static func parseGroups(_ bytes: [UInt8]) -> [UInt16]? {
        guard bytes.count <= 45 else { return nil }
        let colon = UInt8(ascii: ":")
        let gap = bytes.indices.dropLast().first { bytes[$0] == colon && bytes[$0 + 1] == colon }
        func groups(_ part: ArraySlice<UInt8>, mayEndInQuad: Bool) -> [UInt16]? {
            if part.isEmpty { return [] }
            var out: [UInt16] = []
            let words = part.split(separator: colon, omittingEmptySubsequences: false)
            for (index, word) in words.enumerated() {
                if mayEndInQuad && index == words.count - 1 && word.contains(UInt8(ascii: ".")) {
                    guard let quad = parseQuad(word) else { return nil }
                    out += [UInt16(truncatingIfNeeded: quad >> 16), UInt16(truncatingIfNeeded: quad)]
                    continue
                }
                guard (1...4).contains(word.count) else { return nil }
                var value: UInt16 = 0
                for byte in word {
                    guard let digit = ASCII.hexValue(byte) else { return nil }
                    value = value << 4 | UInt16(digit)
                }
                out.append(value)
            }
            return out
        }
        guard let gap else {
            guard let all = groups(bytes[...], mayEndInQuad: true), all.count == 8 else { return nil }
            return all
        }
        guard let head = groups(bytes[..<gap], mayEndInQuad: false), let tail = groups(bytes[(gap + 2)...], mayEndInQuad: true),
            head.count + tail.count <= 7
        else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }
}
