// Asking the resolver service: the exchange of one question and one answer, over whatever connection the program has to it.

public import MailIPC
import MailModel

/// A source of answers that asks the resolver service.
public struct ResolverClient: DNSQuerying {
    /// Sends one frame of a type with a payload and gives the one that comes back.
    public typealias Exchange = @Sendable (_ type: UInt8, _ payload: [UInt8]) async throws(IPCError) -> IPCFrame

    private let exchange: Exchange

    /// - Parameter exchange: bounded in time by the program: `resolver_timeout` and a little more, so that the verdict of the resolver
    ///   itself comes first.
    public init(_ exchange: @escaping Exchange) { self.exchange = exchange }

    public func query(_ question: DNSQuestion) async throws(DNSQueryError) -> DNSAnswer {
        let frame: IPCFrame
        do throws(IPCError) { frame = try await exchange(ResolverFrame.query, question.query.encoded) } catch {
            throw DNSQueryError("resolver: \(error)")
        }
        return try DNSAnswer(frame: frame)
    }
}
