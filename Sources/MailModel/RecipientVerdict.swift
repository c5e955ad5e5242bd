// What the routing rooms say of a recipient when a client names it (RFC 5321 section 3.3): the answer to RCPT is made from this.

/// Postfix's address classes (ADDRESS_CLASS_README).
public enum AddressClass: UInt8, Sendable, Hashable {
    case local = 0
    case virtualAlias = 1
    case virtualMailbox = 2
    case relay = 3
    /// No domain of ours.
    case other = 4
}

/// Whether mail for a recipient can be taken.
public struct RecipientVerdict: Hashable, Sendable, ByteCodable {
    public enum Existence: Hashable, Sendable {
        /// Exists, or its domain has no list of recipients.
        case known
        /// Does not exist: refuse with this code and text (`User unknown in local recipient table`).
        case unknown(EnhancedStatusCode, String)
        /// A table could not be read: answer 4xx, never "unknown".
        case temporaryFailure(String)
    }

    public var addressClass: AddressClass
    public var existence: Existence
    /// Whether it holds for each recipient of the domain: no list of recipients and no transport table tells one from another.
    public var isOfDomain: Bool

    public init(_ addressClass: AddressClass, _ existence: Existence, isOfDomain: Bool = false) {
        self.addressClass = addressClass
        self.existence = existence
        self.isOfDomain = isOfDomain
    }

    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(addressClass.rawValue)
        encoder.put(isOfDomain)
        switch existence {
        case .known: encoder.put(UInt8(0))
        case .unknown(let status, let text):
            encoder.put(UInt8(1))
            status.encode(into: &encoder)
            encoder.put(text)
        case .temporaryFailure(let text):
            encoder.put(UInt8(2))
            encoder.put(text)
        }
    }

    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        addressClass = try decoder.takeEnum(AddressClass.self)
        isOfDomain = try decoder.takeBool()
        switch try decoder.takeUInt8() {
        case 0: existence = .known
        case 1: existence = .unknown(try EnhancedStatusCode(from: &decoder), try decoder.takeString())
        case 2: existence = .temporaryFailure(try decoder.takeString())
        case let other: throw ByteDecodingError("\(other) is no existence")
        }
    }
}
