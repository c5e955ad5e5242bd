// smtp(8), lmtp(8): the delivery agent for SMTP and LMTP.
//
// It sends messages that qmgr hands it to the hosts of their next hop, and answers with one outcome for each recipient. Under the name
// `lmtp`, or as a service of that name, it speaks LMTP.
// Security: it talks to hosts of the Internet. It runs jailed, as a user that owns nothing, and sees of the queue only the descriptors that
// it is passed; all names are looked up by the resolver service.

import DNSClient
import MailConfiguration
import MailIPC
import NIOCore
import ServiceKit
import TLS

public enum SMTPClientProgram {
    /// What is made ready before the jail.
    private struct Prepared: Sendable {
        var parameters: ClientParameters
        var ownAddresses: Set<String>
        var tls: TLSClientContext
    }

    /// Deliveries that qmgr may have under way on one connection: two descriptors each, well below the usual limit of 1024.
    private static let capacity = 250

    public static func main() -> Never {
        let name = CommandLine.arguments.first.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? "smtp"
        Daemon.run(name == "lmtp" ? "lmtp" : "smtp", listening: .programs, identity: .networkOwner) { context in
            let isLMTP = name == "lmtp" || context.options.serviceName == "lmtp"
            var parameters = ClientParameters(context.configuration, isLMTP: isLMTP)
            parameters.tlsSettings = try ClientTLSSettings(context.configuration, isLMTP: isLMTP)
            return Prepared(
                parameters: parameters, ownAddresses: OwnAddresses.find(context.configuration),
                tls: try parameters.tlsSettings.makeContext())
        } start: { context, prepared, _ in
            let configuration = context.configuration
            let resolver = ResolverClient(context.address(of: .resolver), seconds: configuration[Parameters.resolverTimeout])
            let finder = HostFinder(parameters: prepared.parameters, lookup: DNSLookup(resolver), ownAddresses: prepared.ownAddresses)
            let agent = DeliveryAgent(
                parameters: prepared.parameters, finder: finder,
                connector: NetworkConnector(parameters: prepared.parameters, tls: prepared.tls), log: context.log)
            return IPCService(
                protocol: .delivery, capacity: capacity, log: context.log, serve: { await agent.serve($0) },
                onDrain: { await agent.cache.drain() })
        }
    }
}
