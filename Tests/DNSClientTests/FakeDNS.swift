// A name server made of a table: what is not in it does not exist.

import DNSClient
import MailModel

struct FakeDNS: DNSQuerying {
    var answers: [DNSQuestion: DNSAnswer] = [:]
    var unreachable: Set<DomainName> = []

    func query(_ question: DNSQuestion) async throws(DNSQueryError) -> DNSAnswer {
        if unreachable.contains(question.name) { throw DNSQueryError("connection to resolver lost") }
        if let answer = answers[question] { return answer }
        let exists = answers.keys.contains { $0.name == question.name }
        return DNSAnswer(responseCode: exists ? DNSResponseCode.noError : DNSResponseCode.noSuchName)
    }

    mutating func add(_ name: String, _ type: DNSRecordType, _ data: [[UInt8]], security: DNSSecurity = .insecure) {
        answers[DNSQuestion(host(name), type)] = DNSAnswer(responseCode: DNSResponseCode.noError, security: security, data: data, ttl: 300)
    }

    mutating func mx(_ name: String, _ records: [(UInt16, String)], security: DNSSecurity = .insecure) {
        add(name, .mx, records.map { [UInt8($0 >> 8), UInt8($0 & 255)] + wire($1) }, security: security)
    }

    /// Addresses of either family.
    mutating func addresses(_ name: String, _ texts: [String], security: DNSSecurity = .insecure) {
        let all = texts.compactMap { IPAddress($0) }
        add(name, .a, all.filter { !$0.isIPv6 }.map(\.bytes), security: security)
        add(name, .aaaa, all.filter(\.isIPv6).map(\.bytes), security: security)
    }

    mutating func failure(_ name: String, _ type: DNSRecordType, code: UInt16 = DNSResponseCode.serverFailure, bogus: Bool = false) {
        answers[DNSQuestion(host(name), type)] = DNSAnswer(
            responseCode: code, security: bogus ? .bogus : .insecure, bogusReason: bogus ? "signature expired" : "")
    }
}

/// A host name of a test.
func host(_ text: String) -> DomainName {
    guard let name = DomainName(text) else { preconditionFailure("\(text) is no host name") }
    return name
}

/// A dotted name in wire format, without any check.
func wire(_ name: String) -> [UInt8] {
    name.utf8.split(separator: UInt8(ascii: ".")).flatMap { [UInt8(truncatingIfNeeded: $0.count)] + Array($0) } + [0]
}

/// Reproducible randomness (SplitMix64).
struct SeededGenerator: RandomNumberGenerator, Sendable {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
