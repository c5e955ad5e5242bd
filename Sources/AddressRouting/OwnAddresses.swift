// The network addresses of this system: which address literals are ours (`user@[192.0.2.1]`).

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
}
