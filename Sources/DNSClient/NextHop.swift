// The next hop of the transports smtp and lmtp: `example.org`, `[host]`, `[192.0.2.1]:2525`, `example.org:submission`.
//
// Limits: a service name is no number; only the names in the table below are known, so that no program in a jail needs /etc/services.

import MailModel

/// Where a client of SMTP or LMTP is to connect.
public struct NextHop: Hashable, Sendable {
    public enum Target: Hashable, Sendable {
        /// Through MX records.
        case domain(DomainName)
        /// This host, without MX lookup.
        case host(DomainName)
        /// This address.
        case address(IPAddress)
        /// A socket in the file system (`unix:/path`, for LMTP).
        case unixSocket(String)
    }

    public var target: Target
    /// nil: the default of the protocol spoken.
    public var port: UInt16?

    public init(_ target: Target, port: UInt16? = nil) {
        self.target = target
        self.port = port
    }

    /// nil where `text` is none of the forms. `inet:` before any but the last form is dropped.
    public init?(_ text: String) {
        var bytes = Array(text.utf8)[...]
        if ASCII.equalsIgnoringCase(bytes.prefix(5), "unix:".utf8) {
            let path = String(decoding: bytes.dropFirst(5), as: UTF8.self)
            guard !path.isEmpty, !path.utf8.contains(0) else { return nil }
            self.init(.unixSocket(path))
            return
        }
        if ASCII.equalsIgnoringCase(bytes.prefix(5), "inet:".utf8) { bytes = bytes.dropFirst(5) }
        var port: UInt16?
        if bytes.first == UInt8(ascii: "[") {
            guard let end = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            let rest = bytes[(end + 1)...]
            if !rest.isEmpty {
                guard rest.first == UInt8(ascii: ":"), let number = NextHop.port(rest.dropFirst()) else { return nil }
                port = number
            }
            let literal = bytes[...end]
            if let address = IPAddress(literal: literal) {
                self.init(.address(address), port: port)
            } else if let host = DomainName(domain: literal.dropFirst().dropLast()) {
                self.init(.host(host), port: port)
            } else {
                return nil
            }
            return
        }
        if let colon = bytes.lastIndex(of: UInt8(ascii: ":")) {
            guard let number = NextHop.port(bytes[(colon + 1)...]) else { return nil }
            port = number
            bytes = bytes[..<colon]
        }
        guard let domain = DomainName(domain: bytes) else { return nil }
        self.init(.domain(domain), port: port)
    }

    private static func port(_ bytes: ArraySlice<UInt8>) -> UInt16? {
        if let number = ASCII.decimal(bytes, maximum: 65_535) { return number == 0 ? nil : UInt16(number) }
        switch String(decoding: bytes.map(ASCII.lowercased), as: UTF8.self) {
        case "smtp": return 25
        case "smtps", "submissions": return 465
        case "submission": return 587
        case "lmtp": return 24
        default: return nil
        }
    }
}
