// Which name servers are asked: `resolver_nameservers`, else /etc/resolv.conf.

import DNSClient
import MailModel

/// One server, in the form that libunbound takes: `192.0.2.53@5353`.
struct NameServer: Hashable, Sendable, CustomStringConvertible {
    let address: IPAddress
    let port: UInt16

    /// `address` or `address@port`; an IPv6 address may stand in brackets.
    init?(_ text: String) {
        var parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)[...]
        guard var host = parts.popFirst() else { return nil }
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(host) else { return nil }
        var port = 53
        if let text = parts.popFirst() {
            guard let number = ASCII.decimal(Array(text.utf8), maximum: 65_535), number > 0 else { return nil }
            port = number
        }
        self.address = address
        self.port = UInt16(port)
    }

    var description: String { "\(address)@\(port)" }

    /// The servers that resolv.conf(5) names, at most three as in the C library. A line with a link-local address and its zone
    /// identifier is passed over.
    static func inResolvConf(_ bytes: [UInt8]) -> [NameServer] {
        let servers = bytes.split(separator: UInt8(ascii: "\n")).compactMap { line -> NameServer? in
            let words = line.split(whereSeparator: ASCII.isSpace)
            guard words.count >= 2, words[0].elementsEqual("nameserver".utf8) else { return nil }
            return NameServer(String(decoding: words[1], as: UTF8.self))
        }
        return Array(servers.prefix(3))
    }
}
