// inet_interfaces and inet_protocols: the addresses on which the inet services of master.cf listen.

import MailConfiguration
import SystemKit

/// The addresses and families that main.cf allows.
struct InternetInterfaces: Sendable {
    private let interfaces: [String]
    private let usesIPv4: Bool
    private let usesIPv6: Bool

    init(_ main: Configuration) {
        self.init(interfaces: main[Parameters.inetInterfaces], protocols: main[Parameters.inetProtocols])
    }

    init(interfaces: [String], protocols: [String]) {
        self.interfaces = interfaces
        let names = Set(protocols.map { $0.lowercased() })
        usesIPv4 = names.contains("all") || names.contains("ipv4")
        usesIPv6 = names.contains("all") || names.contains("ipv6")
    }

    /// The endpoints of one service: on its own host where master.cf names one, on inet_interfaces otherwise.
    func endpoints(host: String, port: String, _ resolve: MasterConfiguration.Resolve) throws(SystemError) -> [Endpoint] {
        var result: [Endpoint] = []
        func add(_ host: String, isImplied: Bool) throws(SystemError) {
            for address in try resolve(host, port) where address.isIPv4 && usesIPv4 || address.isIPv6 && usesIPv6 {
                let endpoint = Endpoint.inet(address, isImplied: isImplied)
                if !result.contains(endpoint) { result.append(endpoint) }
            }
        }
        if !host.isEmpty {
            try add(host, isImplied: false)
            return result
        }
        for word in interfaces {
            switch word.lowercased() {
            case "all":
                // Named one by one: the resolver's own wildcard leaves out families without a configured address.
                if usesIPv4 { try add("0.0.0.0", isImplied: true) }
                if usesIPv6 { try add("::", isImplied: true) }
            case "loopback-only", "localhost":
                if usesIPv4 { try add("127.0.0.1", isImplied: true) }
                if usesIPv6 { try add("::1", isImplied: true) }
            default:
                let bare = word.hasPrefix("[") && word.hasSuffix("]") ? String(word.dropFirst().dropLast()) : word
                try add(bare, isImplied: false)
            }
        }
        return result
    }
}
