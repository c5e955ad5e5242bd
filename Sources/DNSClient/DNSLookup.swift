// Typed lookups: a question of a mail program, and its answer as a value that says what is known.
//
// NXDOMAIN, an empty answer, a failing server and a bogus signature are four different things, and only the first two say that something
// does not exist. Whatever else comes back is a temporary failure (DESIGN.md, section 1.2).

import MailModel

/// What a lookup found.
public enum DNSLookupResult<Value: Sendable & Equatable>: Sendable, Equatable {
    /// At least one record.
    case found([Value], DNSSecurity)
    /// The name exists and has no record of the type (RFC 2308 section 2.2).
    case noData
    /// The name does not exist (NXDOMAIN, RFC 2308 section 2.1).
    case noSuchName
    /// It is not known; the reason, in the words of the log. Includes every bogus answer.
    case temporaryFailure(String)
}

/// Lookups over a source of answers.
public struct DNSLookup: Sendable {
    private let source: any DNSQuerying

    public init(_ source: any DNSQuerying) { self.source = source }

    /// MX records as the domain gives them. For where mail goes, see ``mailHosts(of:)``.
    public func mx(_ name: DomainName) async -> DNSLookupResult<MXRecord> { await look(name, .mx, ResourceData.mx) }

    public func cname(_ name: DomainName) async -> DNSLookupResult<DomainName> { await look(name, .cname, ResourceData.name) }

    public func txt(_ name: DomainName) async -> DNSLookupResult<[[UInt8]]> { await look(name, .txt, ResourceData.txt) }

    /// The names that PTR records give to an address. They are the claim of whoever runs that part of the reverse tree:
    /// see ``clientName(of:)``.
    public func names(of address: IPAddress) async -> DNSLookupResult<DomainName> {
        await look(address.unmapped.reverseName, .ptr, ResourceData.name)
    }

    /// TLSA records of a port (RFC 7672 section 2.2.3). Only a result that is `secure` may be used.
    public func tlsa(_ host: DomainName, port: UInt16) async -> DNSLookupResult<TLSARecord> {
        await look(host.prefixed(by: "_\(port)._tcp"), .tlsa, ResourceData.tlsa)
    }

    public func ipv4(_ host: DomainName) async -> DNSLookupResult<IPAddress> { await look(host, .a, ResourceData.a) }

    public func ipv6(_ host: DomainName) async -> DNSLookupResult<IPAddress> { await look(host, .aaaa, ResourceData.aaaa) }

    /// The addresses of a host in the families wanted, IPv6 before IPv4; each family is asked for once.
    ///
    /// A family that failed does not hide the addresses of the other. With no address at all, a failure of either is a temporary failure:
    /// only where both questions were answered is it known that there is none.
    public func addresses(of host: DomainName, families: AddressFamilies = .all) async -> DNSLookupResult<IPAddress> {
        var found: [IPAddress] = []
        var security = DNSSecurity.secure
        var failure: String?
        var exists = false
        for type in [DNSRecordType.aaaa, .a] where families.contains(type == .a ? .ipv4 : .ipv6) {
            switch await type == .a ? ipv4(host) : ipv6(host) {
            case .found(let addresses, let status):
                found += addresses
                if status != .secure { security = status }
            case .noData: exists = true
            case .noSuchName: break
            case .temporaryFailure(let reason): failure = failure ?? reason
            }
        }
        if !found.isEmpty { return .found(found, security) }
        if let failure { return .temporaryFailure(failure) }
        return exists ? .noData : .noSuchName
    }

    private func look<Value>(
        _ name: DomainName, _ type: DNSRecordType, _ parse: @Sendable ([UInt8]) -> Value?
    ) async -> DNSLookupResult<Value> {
        let answer: DNSAnswer
        do throws(DNSQueryError) { answer = try await source.query(DNSQuestion(name, type)) } catch {
            return .temporaryFailure(DNSLookup.text(name, type, ASCII.printable(error.description.utf8, limit: 512)))
        }
        if answer.security == .bogus {
            let reason = answer.bogusReason.isEmpty ? "" : ": " + ASCII.printable(answer.bogusReason.utf8, limit: 512)
            return .temporaryFailure(DNSLookup.text(name, type, "DNSSEC validation failure\(reason)"))
        }
        switch answer.responseCode {
        case DNSResponseCode.noError: break
        case DNSResponseCode.noSuchName: return .noSuchName
        default: return .temporaryFailure(DNSLookup.text(name, type, "Host not found, try again"))
        }
        if answer.data.isEmpty { return .noData }
        let values = answer.data.compactMap(parse)
        if values.isEmpty { return .temporaryFailure(DNSLookup.text(name, type, "Malformed or unexpected name server reply")) }
        return .found(values, answer.security)
    }

    /// A reason as Postfix words it.
    static func text(_ name: DomainName, _ type: DNSRecordType, _ reason: String) -> String {
        "Host or domain name not found. Name service error for name=\(name) type=\(type): \(reason)"
    }
}

/// The address families in use (`inet_protocols`).
public struct AddressFamilies: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let ipv4 = AddressFamilies(rawValue: 1)
    public static let ipv6 = AddressFamilies(rawValue: 2)
    public static let all: AddressFamilies = [.ipv4, .ipv6]

    /// From the value of `inet_protocols`: `all`, `ipv4`, `ipv6` or both. Nothing recognized means all.
    public init(protocols: [String]) {
        var families: AddressFamilies = []
        for word in protocols {
            switch word.lowercased() {
            case "ipv4": families.insert(.ipv4)
            case "ipv6": families.insert(.ipv6)
            default: families.formUnion(.all)
            }
        }
        self = families.isEmpty ? .all : families
    }

    func includes(_ address: IPAddress) -> Bool { contains(address.isIPv6 ? .ipv6 : .ipv4) }
}
