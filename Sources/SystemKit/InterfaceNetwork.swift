// An address of one of this system's interfaces, with the length of its network's prefix.

import Glibc

/// `192.0.2.5/24`, as an interface has it.
public struct InterfaceNetwork: Hashable, Sendable, CustomStringConvertible {
    private let bytes: [UInt8]
    /// The length of the prefix in bits.
    public let bits: Int

    public var isIPv4: Bool { bytes.count == 4 }
    public var isLoopback: Bool { isIPv4 ? bytes[0] == 127 : bytes == [UInt8](repeating: 0, count: 15) + [1] }
    /// The first octet of an IPv4 address tells its class.
    public var firstOctet: UInt8 { bytes[0] }
    /// The address as text.
    public var address: String { Self.text(bytes) }
    public var description: String { "\(address)/\(bits)" }

    init?(address: [UInt8], mask: [UInt8]) {
        guard address.count == mask.count || mask.isEmpty else { return nil }
        bytes = address
        bits = mask.isEmpty ? address.count * 8 : mask.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    /// Reads ``description``.
    public init?(_ text: some StringProtocol) {
        guard let slash = text.lastIndex(of: "/"), let bits = Int(text[text.index(after: slash)...]) else { return nil }
        let name = String(text[..<slash])
        var bytes = [UInt8](repeating: 0, count: name.contains(":") ? 16 : 4)
        guard inet_pton(name.contains(":") ? AF_INET6 : AF_INET, name, &bytes) == 1, (0...bytes.count * 8).contains(bits) else {
            return nil
        }
        self.bytes = bytes
        self.bits = bits
    }

    /// The network with that many bits, the rest zero: `192.0.2.0`.
    public func network(bits: Int) -> String {
        Self.text(
            bytes.enumerated().map { index, byte in
                let kept = min(max(bits - index * 8, 0), 8)
                return kept == 0 ? 0 : byte & (0xFF << UInt8(8 - kept))
            })
    }

    private static func text(_ bytes: [UInt8]) -> String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &buffer, socklen_t(INET6_ADDRSTRLEN)) != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension InterfaceAddresses {
    /// The addresses of all interfaces with their networks; empty where the system does not tell.
    public static func networks() -> [InterfaceNetwork] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0, let first else { return [] }
        defer { freeifaddrs(first) }
        var out: [InterfaceNetwork] = []
        var next: UnsafeMutablePointer<ifaddrs>? = first
        while let current = next {
            next = current.pointee.ifa_next
            guard let address = bytes(current.pointee.ifa_addr) else { continue }
            if let network = InterfaceNetwork(address: address, mask: bytes(current.pointee.ifa_netmask) ?? []) { out.append(network) }
        }
        return out
    }

    /// The address in a socket address of the Internet; nil for anything else.
    private static func bytes(_ pointer: UnsafeMutablePointer<sockaddr>?) -> [UInt8]? {
        guard let pointer else { return nil }
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET:
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { inet in
                withUnsafeBytes(of: inet.pointee.sin_addr) { Array($0) }
            }
        case AF_INET6:
            return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { inet in
                withUnsafeBytes(of: inet.pointee.sin6_addr) { Array($0) }
            }
        default: return nil
        }
    }
}
