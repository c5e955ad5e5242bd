// The network addresses of this system: which address literals are ours (`user@[192.0.2.1]`).

import Glibc
import LookupTables
import MailModel
import SystemKit

/// A set of addresses, compared as numbers.
struct OwnAddresses: Sendable {
    private let addresses: Set<IPAddressBits>

    /// - Parameters:
    ///   - interfaces: the value of `inet_interfaces`.
    ///   - proxies: the value of `proxy_interfaces`.
    ///   - system: the addresses of the network interfaces, asked for only where `interfaces` says `all`.
    init(interfaces: [String], proxies: [String], system: () -> [String]) {
        var texts = proxies
        for word in interfaces {
            switch word.lowercased() {
            case "all": texts += system()
            case "loopback-only": texts += ["127.0.0.1", "::1"]
            // A host name stands for what it resolves to when the program starts, as in Postfix.
            default:
                if IPAddressBits(Array(word.utf8)) != nil {
                    texts.append(word)
                } else {
                    texts += ((try? SocketAddress.resolve(host: word, port: "25")) ?? []).map(\.host)
                }
            }
        }
        addresses = Set(texts.compactMap { IPAddressBits(Array($0.utf8)) })
    }

    /// Whether `domain` is an address literal of ours (RFC 5321 section 4.1.3).
    func contains(literal domain: [UInt8]) -> Bool {
        guard let address = OwnAddresses.address(ofLiteral: domain) else { return false }
        return addresses.contains(address)
    }

    /// The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`; nil for anything else.
    static func address(ofLiteral domain: [UInt8]) -> IPAddressBits? {
        guard domain.count > 2, domain.count < 64, domain.first == UInt8(ascii: "["), domain.last == UInt8(ascii: "]") else { return nil }
        var inner = domain[1..<(domain.count - 1)]
        if ASCII.equalsIgnoringCase(inner.prefix(5), "ipv6:".utf8) { inner = inner.dropFirst(5) }
        return IPAddressBits(inner)
    }

    /// The addresses of all interfaces as text; empty where the system does not tell.
    static func ofSystem() -> [String] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0, let first else { return [] }
        defer { freeifaddrs(first) }
        var out: [String] = []
        var next: UnsafeMutablePointer<ifaddrs>? = first
        while let current = next {
            next = current.pointee.ifa_next
            guard let address = current.pointee.ifa_addr else { continue }
            var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            let isText: Bool
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                isText = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    inet_ntop(AF_INET, &$0.pointee.sin_addr, &buffer, socklen_t(INET6_ADDRSTRLEN)) != nil
                }
            case AF_INET6:
                isText = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    inet_ntop(AF_INET6, &$0.pointee.sin6_addr, &buffer, socklen_t(INET6_ADDRSTRLEN)) != nil
                }
            default: isText = false
            }
            if isText { out.append(String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)) }
        }
        return out
    }
}
