// resolver(8): every DNS query of the mail system, through libunbound, with one cache and, where a trust anchor is configured, DNSSEC.

import MailIPC
import MailLog
import ServiceKit

/// The program.
public enum ResolverProgram {
    public static func main() -> Never {
        Daemon.run("resolver", listening: .programs, identity: .networkOwner) { context in
            let settings = try ResolverSettings(context.configuration)
            if settings.nameServers.isEmpty {
                context.log.info("no name servers are configured: asking the root servers")
            }
            return (settings: settings, unbound: try UnboundContext(settings))
        } start: { context, state, _ in
            let queries = UnboundQueries(state.unbound, log: context.log)
            queries.run()
            let service = ResolverService(queries: queries, hosts: state.settings.hosts, timeout: state.settings.timeout)
            return IPCService(protocol: .resolver, capacity: 256, log: context.log) { stream in await service.serve(stream) }
        }
    }
}
