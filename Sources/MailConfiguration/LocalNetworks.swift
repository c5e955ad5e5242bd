// The default of mynetworks: this host's own addresses, its subnets or its classes, as mynetworks_style says (Postfix, mynetworks.c).
//
// Pure: the interfaces are passed in.

import SystemKit

/// Networks of clients that are trusted because of where they are.
enum LocalNetworks {
    /// The value of mynetworks.
    ///
    /// - Parameters:
    ///   - style: `host`, `subnet` or `class`.
    ///   - listeners: inet_interfaces: only its addresses count, unless it says all.
    ///   - interfaces: `address/bits`, separated by spaces; nil where nobody knows them.
    static func text(style: String, listeners: [String], interfaces: String?) -> String {
        // Whoever knows nothing of the interfaces still knows these.
        guard let interfaces else { return "127.0.0.0/8 [::1]/128" }
        var out: [String] = []
        for network in interfaces.split(separator: " ").compactMap({ InterfaceNetwork($0) }) where isMeant(network, listeners) {
            let word = word(network, bits: bits(network, style: style))
            if !out.contains(word) { out.append(word) }
        }
        return out.joined(separator: " ")
    }

    private static func isMeant(_ network: InterfaceNetwork, _ listeners: [String]) -> Bool {
        listeners.contains { listener in
            switch listener.lowercased() {
            case "all": true
            case "loopback-only", "localhost": network.isLoopback
            default: listener == network.address || listener == "[\(network.address)]"
            }
        }
    }

    private static func bits(_ network: InterfaceNetwork, style: String) -> Int {
        // All of 127.0.0.0/8 is this host.
        if network.isIPv4 && network.isLoopback { return 8 }
        switch style {
        case "subnet": return network.bits
        case "class" where network.isIPv4:
            return network.firstOctet < 128 ? 8 : network.firstOctet < 192 ? 16 : network.firstOctet < 224 ? 24 : 32
        // IPv6 has no classes.
        case "class": return network.bits
        default: return network.isIPv4 ? 32 : 128
        }
    }

    private static func word(_ network: InterfaceNetwork, bits: Int) -> String {
        let text = network.network(bits: bits)
        return network.isIPv4 ? "\(text)/\(bits)" : "[\(text)]/\(bits)"
    }
}
