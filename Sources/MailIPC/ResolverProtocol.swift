// The resolver protocol. Client: `query` (name, type). Server: `answer` (bytes that DNSClient decodes) or `failed` (text: no answer was had;
// the caller treats it as a temporary failure). This room knows the envelope of the exchange, DNSClient what is in it.

public import MailModel

public enum ResolverFrame {
    public static let query: UInt8 = 16
    public static let answer: UInt8 = 17
    public static let failed: UInt8 = 18
}

/// A question.
public struct ResolverQuery: ByteCodable, Hashable {
    /// A domain name in ASCII (A-labels), without the final dot.
    public var name: String
    /// The type of RFC 1035 section 3.2.2 and the registry: 15 MX, 1 A, 28 AAAA, ...
    public var type: UInt16

    public init(name: String, type: UInt16) {
        self.name = name
        self.type = type
    }
    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(name)
        encoder.put(type)
    }
    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(name: try decoder.takeString(limit: 1024), type: try decoder.take(UInt16.self))
    }
}
