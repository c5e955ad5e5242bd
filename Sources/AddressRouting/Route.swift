// Where a recipient goes: the result of routing, as a value.

public import MailModel

/// A transport of master.cf, and what it is told.
public struct Route: Hashable, Sendable {
    public var addressClass: AddressClass
    /// The name of a service in master.cf, or `discard`.
    public var transport: String
    /// What the transport makes of it: `example.org`, `[192.0.2.1]:2525`, a socket.
    public var nextHop: String
    /// The recipient, completed.
    public var recipient: MailAddress

    public init(addressClass: AddressClass, transport: String, nextHop: String, recipient: MailAddress) {
        self.addressClass = addressClass
        self.transport = transport
        self.nextHop = nextHop
        self.recipient = recipient
    }
}

/// What routing made of a recipient.
public enum RoutingResult: Hashable, Sendable {
    case route(Route)
    /// It can never be delivered: `error:` of a transport table, an unknown virtual alias, a domain that is none.
    case failed(EnhancedStatusCode, String)
    /// It is not known where it goes, or the administrator wants it to wait (`retry:`).
    case deferred(EnhancedStatusCode, String)
}

/// Why virtual aliases of a recipient could not be expanded. The message is not accepted; the client tries again.
public struct AliasExpansionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// 4.x.x.
    public var status: EnhancedStatusCode
    /// For a reply to the client.
    public var reason: String

    public var description: String { "\(status) \(reason)" }

    static let lookup = AliasExpansionError(status: EnhancedStatusCode(4, 3, 0), reason: "Temporary lookup failure")
    static let limit = AliasExpansionError(status: EnhancedStatusCode(4, 6, 0), reason: "Alias expansion error")
}
