// What the resolver reads before it enters its jail: parameters, name servers, hosts.

import MailConfiguration
import SystemKit

struct ResolverSettings: Sendable {
    /// Empty: the resolver begins at the root servers itself.
    var nameServers: [NameServer]
    /// The servers are of `resolver_nameservers`: they answer for every name, also for those kept from the public DNS (RFC 6761, RFC 6303).
    var areServersExplicit: Bool
    /// Empty: nothing is validated.
    var trustAnchorFile: String
    /// Seconds for one query.
    var timeout: Int
    /// Bytes.
    var cacheSize: Int
    var hosts: HostsFile

    struct InvalidServer: Error, CustomStringConvertible {
        var text: String
        var description: String { "\(Parameters.resolverNameservers.name): \"\(text)\" is not an address or address@port" }
    }

    /// - Parameter read: the content of a file, nil where there is none.
    init(_ configuration: Configuration, read: (String) -> [UInt8]? = ResolverSettings.contents) throws(InvalidServer) {
        var servers: [NameServer] = []
        for text in configuration[Parameters.resolverNameservers] {
            guard let server = NameServer(text) else { throw InvalidServer(text: text) }
            servers.append(server)
        }
        areServersExplicit = !servers.isEmpty
        nameServers = areServersExplicit ? servers : NameServer.inResolvConf(read("/etc/resolv.conf") ?? [])
        trustAnchorFile = configuration[Parameters.resolverTrustAnchorFile]
        timeout = configuration[Parameters.resolverTimeout]
        cacheSize = configuration[Parameters.resolverCacheSize]
        hosts = HostsFile(read("/etc/hosts") ?? [])
    }

    private static func contents(_ path: String) -> [UInt8]? {
        FileWatch.ofProcess.add(path)
        return try? Files.contents(of: path, limit: 4 << 20)
    }
}
