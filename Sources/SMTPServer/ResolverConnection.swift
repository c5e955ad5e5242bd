// DNS questions asked of `resolver`.

import DNSClient
import MailIPC
import MailModel
import NIOCore
import ServiceKit

/// A source of DNS answers over a connection between programs.
@ServiceActor
final class ResolverConnection: DNSQuerying {
    private let client: IPCClient
    private let patience: TimeAmount

    init(_ address: ServiceAddress, patienceInSeconds: Int) {
        client = IPCClient(address, protocol: .resolver)
        client.connectTimeout = .seconds(Int64(patienceInSeconds))
        patience = .seconds(Int64(patienceInSeconds))
    }

    func query(_ question: DNSQuestion) async throws(DNSQueryError) -> DNSAnswer {
        let frame: IPCFrame
        do throws(IPCError) {
            frame = try await client.request(ResolverFrame.query, question.query.encoded, timeout: patience)
        } catch {
            throw DNSQueryError("\(error)")
        }
        return try DNSAnswer(frame: frame)
    }
}
