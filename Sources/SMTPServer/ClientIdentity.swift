// Who the client is: its address, its port, and the name that DNS confirms.

import DNSClient
import MailLog
import MailModel
import SystemKit

/// A client as logs and restrictions see it.
struct ClientIdentity: Hashable, Sendable {
    /// The verified name, or `unknown`.
    var name: String
    /// Without brackets; an IPv4 address that came mapped into IPv6 is IPv4.
    var address: String
    var port: UInt16

    /// `name[address]`, as Postfix writes it.
    var logText: String { "\(name)[\(address)]" }

    /// The client as facts beside a log line.
    func logFields(_ event: String) -> LogFields {
        ["event": .text(event), "client_name": .text(name), "client_address": .text(address), "client_port": .number(Int64(port))]
    }

    /// The name for tables and lists; nil where it is not known.
    var verifiedName: String? { name == "unknown" ? nil : name }

    /// The address in one spelling; text that is no address stays as it is.
    static func canonical(_ address: String) -> String { IPAddress(address).map { $0.unmapped.description } ?? address }

    /// The address of a socket's peer.
    static func address(_ peer: SocketAddress) -> String { peer.isIPv4 ? peer.host : canonical(peer.host) }

    /// Facts for the envelope.
    func facts(protocolName: String, helo: String, tls: String) -> ClientFacts {
        ClientFacts(protocolName: protocolName, helo: helo, name: name, address: address, port: port, tls: tls)
    }
}
