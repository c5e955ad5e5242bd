// `transport:nexthop`, as in transport tables and the parameters local_transport, relay_transport, virtual_transport, default_transport.

import MailModel

/// The two parts; either may be empty.
struct TransportDestination: Hashable, Sendable {
    var transport: String
    var nextHop: String

    /// Splits at the first colon; without one all is transport. White space at both ends is dropped.
    init(_ text: String) {
        let trimmed = TransportDestination.trim(Array(text.utf8)[...])
        if let colon = trimmed.firstIndex(of: UInt8(ascii: ":")) {
            transport = String(decoding: TransportDestination.trim(trimmed[..<colon]), as: UTF8.self)
            nextHop = String(decoding: TransportDestination.trim(trimmed[(colon + 1)...]), as: UTF8.self)
        } else {
            transport = String(decoding: trimmed, as: UTF8.self)
            nextHop = ""
        }
    }

    private static func trim(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var out = bytes.drop(while: ASCII.isSpace)
        while let last = out.last, ASCII.isSpace(last) { out.removeLast() }
        return out
    }

    /// What an entry of a transport table makes of the transport and next hop found so far (transport(5), "RESULT FORMAT").
    func applied(to current: TransportDestination, domain: String) -> TransportDestination {
        var out = current
        if transport.isEmpty {
            // An empty transport changes nothing but the next hop, and `:` alone nothing at all.
            if !nextHop.isEmpty { out.nextHop = nextHop }
            return out
        }
        out.transport = transport
        if !nextHop.isEmpty {
            out.nextHop = nextHop
        } else if transport == "error" || transport == "retry" {
            out.nextHop = "Address is undeliverable"
        } else {
            out.nextHop = domain
        }
        return out
    }

    /// The text of an `error:` or `retry:` destination, split into its status code and the rest. A code of another class than the
    /// transport's is replaced (bounce(8) of Postfix does the same).
    func failure(statusClass: UInt8) -> (EnhancedStatusCode, String) {
        let bytes = Array(nextHop.utf8)
        guard let (code, length) = EnhancedStatusCode.parse(bytes) else { return (EnhancedStatusCode(statusClass, 0, 0), nextHop) }
        let text = String(decoding: bytes[length...].drop(while: ASCII.isSpace), as: UTF8.self)
        let status = code.statusClass == statusClass ? code : EnhancedStatusCode(statusClass, 0, 0)
        return (status, text.isEmpty ? "Address is undeliverable" : text)
    }
}
