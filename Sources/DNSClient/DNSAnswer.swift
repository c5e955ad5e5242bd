// Questions to the DNS and what came back, as they travel between `resolver` and its clients.
//
// The resolver hands resource data on as the bytes it got, in wire format; they are parsed here, in the process that uses them, by
// `ResourceData`. So one parser of foreign bytes serves every program, and `resolver` has none of its own.

public import MailIPC
public import MailModel

/// The record types that mail uses (RFC 1035 section 3.2.2, RFC 3596, RFC 6698).
public enum DNSRecordType: UInt16, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case a = 1
    case cname = 5
    case ptr = 12
    case mx = 15
    case txt = 16
    case aaaa = 28
    case tlsa = 52

    /// The mnemonic: `MX`.
    public var description: String {
        switch self {
        case .a: "A"
        case .cname: "CNAME"
        case .ptr: "PTR"
        case .mx: "MX"
        case .txt: "TXT"
        case .aaaa: "AAAA"
        case .tlsa: "TLSA"
        }
    }
}

/// A question.
public struct DNSQuestion: Hashable, Sendable {
    public var name: DomainName
    public var type: DNSRecordType

    public init(_ name: DomainName, _ type: DNSRecordType) {
        self.name = name
        self.type = type
    }

    /// The message that asks it of `resolver`.
    public var query: ResolverQuery { ResolverQuery(name: name.text, type: type.rawValue) }
}

/// What DNSSEC says of an answer (RFC 4035 section 4.3).
public enum DNSSecurity: UInt8, Sendable, Hashable {
    /// A chain of signatures leads to a trust anchor.
    case secure = 0
    /// It is proven that no such chain can exist, or nothing was validated.
    case insecure = 1
    /// There should be a chain and there is none: forged, or broken. Never to be used.
    case bogus = 2
    /// It could not be determined.
    case indeterminate = 3
}

/// The response codes that decide something (RFC 1035 section 4.1.1).
public enum DNSResponseCode {
    public static let noError: UInt16 = 0
    public static let serverFailure: UInt16 = 2
    public static let noSuchName: UInt16 = 3
    public static let refused: UInt16 = 5
}

/// An answer: possibly empty, possibly an error of the name server.
public struct DNSAnswer: Hashable, Sendable, ByteCodable {
    /// The name at the end of a chain of CNAME records; empty where there was none.
    public var canonicalName: String
    public var responseCode: UInt16
    public var security: DNSSecurity
    /// Why the answer is bogus, in words; empty otherwise.
    public var bogusReason: String
    /// Seconds for which the answer may be kept.
    public var ttl: UInt32
    /// Resource data in wire format, names in it uncompressed, all of the type that was asked for.
    public var data: [[UInt8]]

    /// How many records one answer has at most, and how many bytes one record (RFC 1035 section 3.2.1).
    public static let maximumRecords = 1024
    public static let maximumDataSize = 65_535

    public init(
        responseCode: UInt16, security: DNSSecurity = .insecure, data: [[UInt8]] = [], ttl: UInt32 = 0, canonicalName: String = "",
        bogusReason: String = ""
    ) {
        self.canonicalName = canonicalName
        self.responseCode = responseCode
        self.security = security
        self.bogusReason = bogusReason
        self.ttl = ttl
        self.data = data
    }

    public func encode(into encoder: inout ByteEncoder) {
        encoder.put(responseCode)
        encoder.put(security.rawValue)
        encoder.put(bogusReason)
        encoder.put(ttl)
        encoder.put(canonicalName)
        encoder.put(list: data) { $0.put(bytes: $1) }
    }

    public init(from decoder: inout ByteDecoder) throws(ByteDecodingError) {
        responseCode = try decoder.take(UInt16.self)
        security = try decoder.takeEnum(DNSSecurity.self)
        bogusReason = try decoder.takeString(limit: 4096)
        ttl = try decoder.take(UInt32.self)
        canonicalName = try decoder.takeString(limit: 1024)
        data = try decoder.takeList(limit: DNSAnswer.maximumRecords) { decoder throws(ByteDecodingError) in
            try decoder.takeBytes(limit: DNSAnswer.maximumDataSize)
        }
    }
}
