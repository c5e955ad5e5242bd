// What an expansion asks of the system: aliases, routes, users. A value of closures, so that tests answer from memory.

import AddressRouting
import LookupTables
import MailConfiguration
import MailModel
import SystemKit

/// The look-ups of local delivery.
struct LocalTables {
    /// The right side of an alias; nil where there is none.
    var alias: ([UInt8]) throws(LookupError) -> [UInt8]?
    /// Where an address goes that an expansion gave.
    var route: (MailAddress) -> RoutingResult
    /// An account of this system; nil where there is none.
    var user: (String) throws(SystemError) -> UserRecord?
    /// The command that delivers to one user in place of all others' (`mailbox_command_maps`); nil where there is none.
    var mailboxCommand: ([UInt8]) throws(LookupError) -> [UInt8]?
    /// The transport of one user's mailbox (`mailbox_transport_maps`); nil where there is none.
    var mailboxTransport: ([UInt8]) throws(LookupError) -> [UInt8]?
    /// The transport for one unknown name (`fallback_transport_maps`); nil where there is none.
    var fallbackTransport: ([UInt8]) throws(LookupError) -> [UInt8]?
    /// Whose rights a delivery has that an alias asked for.
    var defaultIdentity: DeliveryIdentity

    init(
        alias: @escaping ([UInt8]) throws(LookupError) -> [UInt8]?, route: @escaping (MailAddress) -> RoutingResult,
        user: @escaping (String) throws(SystemError) -> UserRecord?, mailboxCommand: @escaping ([UInt8]) throws(LookupError) -> [UInt8]?,
        mailboxTransport: @escaping ([UInt8]) throws(LookupError) -> [UInt8]? = { _ in nil },
        fallbackTransport: @escaping ([UInt8]) throws(LookupError) -> [UInt8]? = { _ in nil }, defaultIdentity: DeliveryIdentity
    ) {
        self.mailboxCommand = mailboxCommand
        self.mailboxTransport = mailboxTransport
        self.fallbackTransport = fallbackTransport
        self.alias = alias
        self.route = route
        self.user = user
        self.defaultIdentity = defaultIdentity
    }

    /// The real ones.
    ///
    /// - Throws: where `default_privs` names nobody, or root.
    init(_ configuration: Configuration, warn: @escaping @Sendable (String) -> Void) throws(SystemError) {
        // The sender of mail chooses the key: a table whose values are built from the key could give him a command of his own.
        let aliases = TableSet(specifications: configuration[Parameters.aliasMaps], allowsSubstitution: false)
        let commands = TableSet(specifications: configuration[Parameters.mailboxCommandMaps], allowsSubstitution: false)
        let transports = TableSet(specifications: configuration[Parameters.mailboxTransportMaps], allowsSubstitution: false)
        let fallbacks = TableSet(specifications: configuration[Parameters.fallbackTransportMaps], allowsSubstitution: false)
        let router = AddressRouter(configuration: configuration, warn: warn)
        let name = configuration[Parameters.defaultPrivs]
        self.init(
            alias: { key throws(LookupError) in try aliases.lookup(key) }, route: { router.resolve($0) },
            user: { name throws(SystemError) in try UserDatabase.user(named: name) },
            mailboxCommand: { key throws(LookupError) in try commands.lookup(key) },
            mailboxTransport: { key throws(LookupError) in try transports.lookup(key) },
            fallbackTransport: { key throws(LookupError) in try fallbacks.lookup(key) },
            defaultIdentity: try LocalTables.defaultIdentity(name))
    }

    private static func defaultIdentity(_ name: String) throws(SystemError) -> DeliveryIdentity {
        guard Privileges.isRoot else {
            // A private instance delivers everything as the user that it runs as.
            let id = Privileges.realUser
            let record = UserRecord(name: "", uid: id, gid: Privileges.realGroup, home: "/", shell: "", gecos: "")
            return DeliveryIdentity(try UserDatabase.user(id: id) ?? record, supplementary: [])
        }
        guard let record = try UserDatabase.user(named: name) else {
            throw SystemError(errno: 2, operation: "default_privs: look up user", object: name)
        }
        guard record.uid != 0 else { throw SystemError(errno: 1, operation: "default_privs: use privileged user", object: name) }
        return DeliveryIdentity.of(record)
    }
}
