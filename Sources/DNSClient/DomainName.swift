// Domain names as the DNS compares them: ASCII, lower case, no final dot. Internationalized labels become A-labels on the way in.
//
// Security: names come from peers and from DNS answers. Labels are bounded by RFC 1035 section 2.3.4; a byte that is no letter, digit,
// hyphen or underscore survives only escaped, and such a name is never a host name.
// Limits: a label with bytes over 127 must be a U-label already (RFC 5890 section 2.3.2.1: lower case and in NFC); no mapping is done.

import MailModel

/// A name of the DNS.
public struct DomainName: Hashable, Sendable, CustomStringConvertible {
    /// Letters in lower case, without the final dot; empty for the root. Other bytes than `A-Z a-z 0-9 - _` stand as `\DDD`
    /// (RFC 1035 section 5.1).
    public let text: String

    /// For names that are made here and known to be in canonical form.
    init(canonical text: String) { self.text = text }

    /// A name from the domain part of an address or from a configuration file; nil unless it has the form of a host name. One final dot is
    /// dropped; labels in UTF-8 become A-labels.
    public init?(_ text: some StringProtocol) { self.init(domain: Array(text.utf8)) }

    /// As ``init(_:)``, from bytes.
    public init?(domain bytes: some Collection<UInt8>) {
        var all = Array(bytes)
        if all.last == UInt8(ascii: ".") { all.removeLast() }
        guard !all.isEmpty, all.count <= 1024 else { return nil }
        var labels: [String] = []
        var total = 0
        for label in all.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard let ascii = DomainName.aLabel(label) else { return nil }
            total += ascii.utf8.count + 1
            labels.append(ascii)
        }
        // 255 octets on the wire, of which the root label takes one (RFC 1035 section 2.3.4).
        guard total <= 254 else { return nil }
        let name = DomainName(canonical: labels.joined(separator: "."))
        guard name.isHostName else { return nil }
        self = name
    }

    /// A name in wire format, uncompressed, that takes all of `wire`; nil for anything else (RFC 1035 section 3.1).
    public init?(wire: some Collection<UInt8>) {
        let bytes = Array(wire)
        guard let (name, length) = DomainName.parse(bytes, at: 0), length == bytes.count else { return nil }
        self = name
    }

    /// The name at `start`, and how many bytes it took.
    static func parse(_ bytes: [UInt8], at start: Int) -> (name: DomainName, length: Int)? {
        var position = start
        var text: [UInt8] = []
        while position >= 0, position < bytes.count, position - start <= 254 {
            let length = Int(bytes[position])
            position += 1
            if length == 0 { return (DomainName(canonical: String(decoding: text, as: UTF8.self)), position - start) }
            // 64 and over: compression pointers and reserved forms (RFC 1035 section 4.1.4), which have no place here.
            guard length <= 63, position + length <= bytes.count else { return nil }
            if !text.isEmpty { text.append(UInt8(ascii: ".")) }
            for byte in bytes[position..<(position + length)] {
                if ASCII.isAlphanumeric(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") {
                    text.append(ASCII.lowercased(byte))
                } else {
                    text.append(UInt8(ascii: "\\"))
                    text.append(contentsOf: [byte / 100, byte / 10 % 10, byte % 10].map { $0 + 0x30 })
                }
            }
            position += length
        }
        return nil
    }

    public var isRoot: Bool { text.isEmpty }

    /// Whether the name can be the name of a host: only letters, digits, hyphens and underscores, no label that begins or ends with a
    /// hyphen, and a last label that is not a number, so that no IPv4 address passes (RFC 1123 section 2.1; the underscore is
    /// common practice).
    public var isHostName: Bool {
        let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard let last = labels.last, !last.allSatisfy(ASCII.isDigit) else { return false }
        return labels.allSatisfy { label in
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-") else { return false }
            return label.allSatisfy { ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
        }
    }

    public var description: String { text.isEmpty ? "." : text }

    /// The name in wire format, uncompressed (RFC 1035 section 3.1).
    public var wire: [UInt8] {
        var out: [UInt8] = []
        for label in text.utf8.split(separator: UInt8(ascii: ".")) {
            var bytes: [UInt8] = []
            var rest = Array(label)[...]
            while let byte = rest.popFirst() {
                // `\DDD`: the parser above writes nothing else after a backslash.
                if byte == UInt8(ascii: "\\"), let value = ASCII.decimal(rest.prefix(3), maximum: 255) {
                    bytes.append(UInt8(value))
                    rest = rest.dropFirst(3)
                } else {
                    bytes.append(byte)
                }
            }
            out.append(UInt8(truncatingIfNeeded: bytes.count))
            out += bytes
        }
        return out + [0]
    }

    /// The name below this one, as `_25._tcp.` before a host.
    public func prefixed(by labels: String) -> DomainName { DomainName(canonical: isRoot ? labels : "\(labels).\(text)") }

    private static func aLabel(_ label: ArraySlice<UInt8>) -> String? {
        guard (1...252).contains(label.count) else { return nil }
        if label.allSatisfy({ $0 < 0x80 }) {
            guard label.count <= 63 else { return nil }
            return String(decoding: label.map(ASCII.lowercased), as: UTF8.self)
        }
        guard let text = String(validating: label, as: UTF8.self) else { return nil }
        let scalars = text.unicodeScalars.map { $0.value < 0x80 ? UInt32(ASCII.lowercased(UInt8(truncatingIfNeeded: $0.value))) : $0.value }
        guard let encoded = Punycode.encode(scalars) else { return nil }
        return "xn--" + String(decoding: encoded, as: UTF8.self)
    }
}
