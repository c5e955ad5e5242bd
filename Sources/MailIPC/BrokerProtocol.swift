// How a program that may not open a connection to another program asks master for one: one message each way over a SOCK_SEQPACKET pair.
//
// The request is a number of the program's choice (4 bytes, little-endian) and one letter; the answer is that number, an errno (4 bytes), and
// where that is 0 the connected descriptor beside it. Security: both have one length; anything else is no request and no answer. There is no
// name in a request: what a letter stands for, and whether the program may ask for it, only master says.

public import MailModel

/// The services to which master makes connections.
public enum BrokeredService: UInt8, Hashable, Sendable, CaseIterable {
    /// `cleanup_service_name`
    case cleanup = 0x43
    /// `resolver_service_name`
    case resolver = 0x52
}

/// A wish for a connection.
public struct BrokerRequest: ByteCodable, Hashable {
    /// Comes back in the answer.
    public var number: UInt32
    public var service: BrokeredService

    /// The length of a request, in bytes.
    public static let size = 5

    public init(number: UInt32, service: BrokeredService) {
        self.number = number
        self.service = service
    }

    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(number)
        encoder.put(service.rawValue)
    }

    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        number = try decoder.take(UInt32.self)
        let letter = try decoder.take(UInt8.self)
        guard let service = BrokeredService(rawValue: letter) else { throw ByteDecodingError("service \(letter)") }
        self.service = service
    }
}

/// What became of a wish.
public struct BrokerAnswer: ByteCodable, Hashable {
    public var number: UInt32
    /// 0: the connection is the descriptor that came with the answer.
    public var errno: UInt32

    public init(number: UInt32, errno: UInt32) {
        self.number = number
        self.errno = errno
    }

    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(number)
        encoder.put(errno)
    }

    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        self.init(number: try decoder.take(UInt32.self), errno: try decoder.take(UInt32.self))
    }
}
