// Who answers questions: `resolver` over a connection between programs, or a table in a test.

public import MailIPC
import MailModel

/// No answer was had at all: the resolver is away, or refused, or took too long. Always a temporary failure.
public struct DNSQueryError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// A source of answers. The answer is complete: chains of CNAME records have been followed.
public protocol DNSQuerying: Sendable {
    func query(_ question: DNSQuestion) async throws(DNSQueryError) -> DNSAnswer
}

extension DNSAnswer {
    /// The answer in a frame of the resolver protocol; whatever else the frame is becomes a temporary failure.
    public init(frame: IPCFrame) throws(DNSQueryError) {
        switch frame.type {
        case ResolverFrame.answer:
            do throws(ByteDecodingError) { self = try DNSAnswer(decoding: frame.payload[...]) } catch {
                throw DNSQueryError("malformed answer of the resolver: \(error)")
            }
        case ResolverFrame.failed:
            throw DNSQueryError(ASCII.printable(frame.payload, limit: 512))
        default:
            throw DNSQueryError("unexpected answer of the resolver, type \(frame.type)")
        }
    }
}
