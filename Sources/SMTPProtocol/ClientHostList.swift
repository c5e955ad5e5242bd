// The hosts of a destination in the order in which they are tried (RFC 5321 section 5.1).
//
// Pure: addresses have been looked up by the caller, randomness is passed in. A destination whose best host is ourselves would loop: the
// list is cut at our own preference, so that mail only ever moves towards better hosts.

/// One address of one host, ready to be connected to.
public struct ClientHostAddress: Hashable, Sendable {
    /// The host's name: `mx.example`, or the address itself for an address literal.
    public var host: String
    /// Numeric: `192.0.2.1`, `2001:db8::1`.
    public var address: String
    /// MX preference; lower is better.
    public var preference: UInt16
    /// Whether the host is among the best of the whole destination.
    public var isBest: Bool

    public init(host: String, address: String, preference: UInt16 = 0, isBest: Bool = false) {
        self.host = host
        self.address = address
        self.preference = preference
        self.isBest = isBest
    }

    public var isIPv6: Bool { address.utf8.contains(UInt8(ascii: ":")) }
}

public enum ClientHostList {
    /// What ordering gave.
    public enum Result: Hashable, Sendable {
        case hosts([ClientHostAddress])
        /// We are the best host ourselves: mail would loop.
        case loopsBack
    }

    /// Orders, prunes and interleaves.
    ///
    /// - Parameters:
    ///   - candidates: every address of every host, in any order.
    ///   - ownAddresses: `inet_interfaces` and `proxy_interfaces`, numeric; empty where loops are not looked for.
    ///   - limit: addresses kept (`smtp_mx_address_limit`); 0 for all.
    ///   - randomizes: equal preferences are shuffled (`smtp_randomize_addresses`).
    ///   - interleaves: IPv6 and IPv4 alternate within one preference (`smtp_balance_inet_protocols`), so that one broken family cannot
    ///     take all of a limited number of attempts.
    public static func order(
        _ candidates: [ClientHostAddress], ownAddresses: Set<String>, limit: Int, randomizes: Bool = true, interleaves: Bool = true,
        using random: inout some RandomNumberGenerator
    ) -> Result {
        guard let best = candidates.map(\.preference).min() else { return .hosts([]) }
        // RFC 5321 section 5.1: where we are a host of the destination, hosts of our own and worse preference are left out.
        var remaining = candidates
        if let own = candidates.filter({ ownAddresses.contains($0.address) }).map(\.preference).min() {
            remaining = candidates.filter { $0.preference < own }
            if remaining.isEmpty { return .loopsBack }
        }
        var seen: Set<String> = []
        var ordered: [ClientHostAddress] = []
        for preference in Set(remaining.map(\.preference)).sorted() {
            var group = remaining.filter { $0.preference == preference && seen.insert($0.address).inserted }
            if randomizes { group.shuffle(using: &random) }
            ordered += interleaves ? interleave(group) : group
        }
        for index in ordered.indices { ordered[index].isBest = ordered[index].preference == best }
        return .hosts(limit > 0 ? balancedPrefix(ordered, limit) : ordered)
    }

    private static func interleave(_ group: [ClientHostAddress]) -> [ClientHostAddress] {
        var six = group.filter(\.isIPv6)[...]
        var four = group.filter { !$0.isIPv6 }[...]
        guard !six.isEmpty, !four.isEmpty else { return group }
        var takesSix = true
        var out: [ClientHostAddress] = []
        out.reserveCapacity(group.count)
        while let next = takesSix ? six.popFirst() ?? four.popFirst() : four.popFirst() ?? six.popFirst() {
            out.append(next)
            takesSix.toggle()
        }
        return out
    }

    // Where the limit would cut off a whole family that exists further down, the last place goes to it: a host without IPv6 connectivity
    // must not fail for five IPv6 addresses (Postfix, smtp_balance_inet_protocols).
    private static func balancedPrefix(_ ordered: [ClientHostAddress], _ limit: Int) -> [ClientHostAddress] {
        guard ordered.count > limit else { return ordered }
        var kept = Array(ordered.prefix(limit))
        guard limit > 1, let family = kept.first?.isIPv6, kept.allSatisfy({ $0.isIPv6 == family }) else { return kept }
        if let other = ordered.dropFirst(limit).first(where: { $0.isIPv6 != family }) { kept[limit - 1] = other }
        return kept
    }
}
