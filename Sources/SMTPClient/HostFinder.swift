// From a next hop to the endpoints that are tried in turn, or the reason why there is none.
//
// The lookup is DNSClient's, the order and the cut at our own preference SMTPProtocol's; here they are put together with the parameters.

import DNSClient
import MailModel
import SMTPProtocol

/// Something to connect to.
struct Endpoint: Hashable, Sendable {
    /// The host's name, for logs, TLS and reports.
    var host: String
    /// Numeric, or the path of a socket.
    var address: String
    /// 0 for a socket in the file system.
    var port: UInt16
    var isBest = false
    /// Whose name its certificate must have where that is checked; empty for the host's.
    var tlsName = ""

    /// `mx.example[192.0.2.1]`, as reasons name it.
    var label: String { "\(host)[\(address)]" }
    /// `mx.example[192.0.2.1]:25`, as `relay=` names it.
    var relay: String { port == 0 ? label : "\(label):\(port)" }
    var isIPv6: Bool { port != 0 && address.utf8.contains(UInt8(ascii: ":")) }
}

enum HostSearch: Sendable {
    /// In the order of trying; never empty.
    case endpoints([Endpoint])
    case failed(ClientFailure)
}

struct HostFinder: Sendable {
    let parameters: ClientParameters
    let lookup: DNSLookup
    /// Our own addresses, for loops (`inet_interfaces`, `proxy_interfaces`).
    let ownAddresses: Set<String>

    func endpoints(
        of nextHop: NextHop, text: String, using random: inout some RandomNumberGenerator & Sendable
    ) async -> HostSearch {
        let port = nextHop.port ?? parameters.defaultPort
        switch nextHop.target {
        case .unixSocket(let path):
            return .endpoints([Endpoint(host: parameters.myhostname, address: path, port: 0, isBest: true)])
        case .address(let address):
            return order([DestinationAddress(host: address.description, address: address)], port, text, &random)
        case .host(let host):
            return await hosts(of: host, port, text, &random)
        case .domain(let domain):
            // LMTP knows no MX: the next hop is the host (as in Postfix).
            if parameters.isLMTP || !parameters.looksUpMX { return await hosts(of: domain, port, text, &random) }
            let result = await lookup.destination(
                domain: domain, families: parameters.families, preferring: parameters.addressPreference,
                defersWithoutAddress: parameters.defersWithoutMXAddress, using: &random)
            if case .failure(let failure) = result, failure.isTemporary, parameters.ignoresMXFailure {
                return await hosts(of: domain, port, text, &random)
            }
            return take(result, port, text, &random)
        }
    }

    private func hosts(
        of host: DomainName, _ port: UInt16, _ text: String, _ random: inout some RandomNumberGenerator & Sendable
    ) async -> HostSearch {
        let result = await lookup.destination(
            host: host, families: parameters.families, preferring: parameters.addressPreference, using: &random)
        return take(result, port, text, &random)
    }

    private func take(
        _ result: DestinationResult, _ port: UInt16, _ text: String, _ random: inout some RandomNumberGenerator & Sendable
    ) -> HostSearch {
        switch result {
        // Not the host's fault and not a recipient's: the scope decides only whether a fallback relay is tried, and it is.
        case .failure(let failure): .failed(ClientFailure(.host, failure.status, failure.reason))
        case .addresses(let found): order(found, port, text, &random)
        }
    }

    private func order(
        _ found: [DestinationAddress], _ port: UInt16, _ text: String, _ random: inout some RandomNumberGenerator & Sendable
    ) -> HostSearch {
        let candidates = found.map {
            ClientHostAddress(host: $0.host, address: $0.address.unmapped.description, preference: $0.preference)
        }
        // Postfix looks for loops on the standard port only: behind another one there is another program.
        let ownAddresses = port == 25 ? ownAddresses : []
        let ordered = ClientHostList.order(
            candidates, ownAddresses: ownAddresses, limit: parameters.addressLimit, randomizes: parameters.randomizesAddresses,
            interleaves: parameters.balancesProtocols && parameters.addressPreference == .any, using: &random)
        switch ordered {
        case .loopsBack:
            return .failed(ClientFailure(.host, EnhancedStatusCode(5, 4, 6), "mail for \(text) loops back to myself"))
        case .hosts(let hosts) where hosts.isEmpty:
            return .failed(ClientFailure(.host, EnhancedStatusCode(4, 4, 4), "unable to find primary relay for \(text)"))
        case .hosts(let hosts):
            return .endpoints(
                hosts.map {
                    Endpoint(
                        host: $0.host, address: $0.address, port: port, isBest: $0.isBest,
                        tlsName: parameters.tlsSettings.serverName(of: $0.host, nextHop: text))
                })
        }
    }
}
