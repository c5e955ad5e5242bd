// What the resolver answers to a client of ours.

import DNSClient
import MailIPC
import MailModel
import NIOCore
import ServiceKit

@ServiceActor
final class ResolverService {
    private let queries: UnboundQueries
    private let hosts: HostsFile
    private let timeout: TimeAmount

    init(queries: UnboundQueries, hosts: HostsFile, timeout: Int) {
        self.queries = queries
        self.hosts = hosts
        self.timeout = .seconds(Int64(timeout))
    }

    /// One stream: one question, one answer.
    func serve(_ stream: IPCStream) async {
        do throws(IPCError) {
            guard let frame = try await stream.receive(deadline: .now() + timeout) else { return }
            let (type, payload) = await reply(to: frame)
            try await stream.send(type, payload)
        } catch {
            // The client is gone, or has given up: nobody is left to tell.
            stream.reset()
        }
    }

    private func reply(to frame: IPCFrame) async -> (type: UInt8, payload: [UInt8]) {
        do throws(DNSQueryError) { return (ResolverFrame.answer, try await answer(frame).encoded) } catch {
            return (ResolverFrame.failed, Array(error.description.utf8))
        }
    }

    private func answer(_ frame: IPCFrame) async throws(DNSQueryError) -> DNSAnswer {
        guard frame.type == ResolverFrame.query else { throw DNSQueryError("unknown request \(frame.type)") }
        let query: ResolverQuery
        do throws(ByteDecodingError) { query = try ResolverQuery(decoding: frame.payload[...]) } catch {
            throw DNSQueryError("malformed query: \(error)")
        }
        guard let type = DNSRecordType(rawValue: query.type) else { throw DNSQueryError("type \(query.type) is not looked up here") }
        guard let name = DomainName(query.name) else { throw DNSQueryError("\(ASCII.printable(query.name.utf8, limit: 256)) is no name") }
        return try await answer(DNSQuestion(name, type))
    }

    private func answer(_ question: DNSQuestion) async throws(DNSQueryError) -> DNSAnswer {
        // The DNS has no names without a dot; asking for them would tell the root servers what our hosts are called.
        if !question.name.text.utf8.contains(UInt8(ascii: ".")), let local = hosts.answer(question) { return local }
        let answer: DNSAnswer
        do throws(DNSQueryError) { answer = try await queries.ask(question, timeout: timeout) } catch {
            if let local = hosts.answer(question) { return local }
            throw error
        }
        if answer.data.isEmpty, answer.security != .bogus, let local = hosts.answer(question) { return local }
        return answer
    }
}
