// /etc/hosts (hosts(5)): names that no name server knows, `localhost` first of all.
//
// The DNS is asked first; this table answers where the DNS has nothing, and for names without a dot, which the DNS never has. So a line
// such as Debian's `127.0.1.1 host.example.org` does not turn mail for that name away from what the DNS says (Postfix:
// `smtp_host_lookup = dns`).
// Limits: the file is read once, when the program starts.

import DNSClient
import MailModel

/// Names and addresses of this system's own making.
struct HostsFile: Sendable {
    private var addresses: [DomainName: [IPAddress]] = [:]
    /// The first name of each address, by the name for reverse lookups.
    private var names: [DomainName: DomainName] = [:]

    /// Lines that are not understood are passed over, as the C library does. At most 10,000 names are kept.
    init(_ bytes: [UInt8]) {
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = line.prefix { $0 != UInt8(ascii: "#") }.split(whereSeparator: ASCII.isSpace)
            guard let first = words.first, let address = IPAddress(String(decoding: first, as: UTF8.self)) else { continue }
            for word in words.dropFirst() where addresses.count < 10_000 {
                if let name = DomainName(domain: word) { add(name, address) }
            }
        }
        // RFC 6761 section 6.3: localhost is the loopback address, whatever files say or do not say.
        if let name = DomainName("localhost"), addresses[name] == nil {
            add(name, .v4(0x7F00_0001))
            add(name, .v6(0, 1))
        }
    }

    private mutating func add(_ name: DomainName, _ address: IPAddress) {
        if addresses[name]?.contains(address) != true { addresses[name, default: []].append(address) }
        if names[address.reverseName] == nil { names[address.reverseName] = name }
    }

    /// The answer to a question for an address or a name; nil where the table has none.
    func answer(_ question: DNSQuestion) -> DNSAnswer? {
        let data: [[UInt8]]
        switch question.type {
        case .a: data = (addresses[question.name] ?? []).filter { !$0.isIPv6 }.map(\.bytes)
        case .aaaa: data = (addresses[question.name] ?? []).filter(\.isIPv6).map(\.bytes)
        case .ptr: data = names[question.name].map { [$0.wire] } ?? []
        case .mx, .txt, .tlsa, .cname: data = []
        }
        return data.isEmpty ? nil : DNSAnswer(responseCode: DNSResponseCode.noError, data: data)
    }
}
