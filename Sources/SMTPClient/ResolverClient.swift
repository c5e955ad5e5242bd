// Questions to the resolver service, many at a time on one connection.
//
// Security: the answers come from the DNS by way of a jailed process; DNSClient decodes them and trusts nothing in them.

import DNSClient
import MailIPC
import MailModel
import NIOCore
import ServiceKit

/// The resolver, as DNSClient asks it.
@ServiceActor
final class ResolverClient: DNSQuerying {
    private let client: IPCClient
    private let timeout: TimeAmount

    /// - Parameters:
    ///   - address: where the service is.
    ///   - seconds: how long one question may take (`resolver_timeout`).
    init(_ address: ServiceAddress, seconds: Int) {
        client = IPCClient(address, protocol: .resolver)
        // The resolver's own limit comes first; this one is for a resolver that does not answer at all.
        timeout = .seconds(Int64(seconds) + 5)
    }

    func query(_ question: DNSQuestion) async throws(DNSQueryError) -> DNSAnswer {
        let frame: IPCFrame
        do throws(IPCError) {
            frame = try await client.request(ResolverFrame.query, question.query.encoded, timeout: timeout)
        } catch {
            throw DNSQueryError("resolver: \(error)")
        }
        return try DNSAnswer(frame: frame)
    }
}
