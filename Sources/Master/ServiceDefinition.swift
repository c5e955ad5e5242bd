// From master.cf and main.cf to what master has to bind and to start.
//
// Security: everything here comes from the administrator's files; the arguments of a program never hold anything else.
// All errors are reported at once, with file and line.

import MailConfiguration
import MailIPC
import SystemKit

/// Where a service is reached.
enum Endpoint: Hashable, Sendable {
    /// `isImplied`: the address stands for "all" or "loopback-only" and may be missing on this machine.
    case inet(SocketAddress, isImplied: Bool)
    /// A path under the queue directory.
    case unix(String)
}

/// One service, ready to be bound and started.
struct ServiceDefinition: Hashable, Sendable {
    let policy: ServicePolicy
    let endpoints: [Endpoint]
    /// The program's arguments without its name.
    let arguments: [String]
    /// For a program that asks master for its connections (``ConnectionBroker``): the sockets that it may reach. nil: it has no broker.
    var connections: [BrokeredService: String]?
    /// Whether it runs in the jail.
    var isJailed = false

    var key: ServiceKey { policy.key }
    /// The file name of the program, as its argument 0.
    var programName: String { policy.command.split(separator: "/").last.map(String.init) ?? policy.command }
}

/// Everything that master reads from its files.
struct MasterConfiguration: Sendable {
    let directory: String
    let main: Configuration
    let services: [ServiceDefinition]
    /// The text that was checked, for the children.
    let snapshot: ConfigurationSnapshot

    var queueDirectory: String { main[Parameters.queueDirectory] }

    /// Looks up the addresses of a host and port; the system's resolver unless a test says otherwise.
    typealias Resolve = (_ host: String, _ port: String) throws(SystemError) -> [SocketAddress]

    /// Reads both files of a directory. Throws every error of both.
    static func load(directory: String) throws(ConfigurationErrors) -> MasterConfiguration {
        let snapshot: ConfigurationSnapshot
        do {
            snapshot = try ConfigurationSnapshot.read(directory: directory)
        } catch {
            var problems = error.problems
            do { _ = try MasterFile.load(directory: directory) } catch { problems += error.problems }
            throw ConfigurationErrors(problems)
        }
        return try MasterConfiguration(checking: snapshot)
    }

    /// Checks everything that a child would find wrong with its configuration, its -o options included.
    init(
        checking unchecked: ConfigurationSnapshot,
        resolve: Resolve = { host, port throws(SystemError) in try SocketAddress.resolve(host: host, port: port) }
    ) throws(ConfigurationErrors) {
        var snapshot = unchecked
        var problems: [ConfigurationProblem] = []
        var checkedMain: Configuration?
        var checkedMaster: MasterFile?
        do { checkedMain = try snapshot.check() } catch { problems += error.problems }
        do { checkedMaster = try snapshot.masterFile() } catch { problems += error.problems }
        guard let main = checkedMain, let master = checkedMaster else { throw ConfigurationErrors(problems) }
        // What each service with options of its own reads.
        var special: [Int: Configuration] = [:]
        for entry in master.entries where !entry.overrides.isEmpty {
            do throws(ConfigurationErrors) {
                special[entry.line] = try snapshot.check(overrides: entry.overrides.map { ($0.name, $0.value) })
            } catch {
                for wrong in error.problems {
                    let text = "the service \(entry.service): -o \(wrong.text)"
                    problems.append(ConfigurationProblem(file: snapshot.directory + "/master.cf", line: entry.line, text: text))
                }
            }
        }
        let directory = snapshot.directory
        let interfaces = InternetInterfaces(main)
        var services: [ServiceDefinition] = []
        for entry in master.entries where !entry.isNeedless {
            func problem(_ text: String) {
                problems.append(ConfigurationProblem(file: directory + "/master.cf", line: entry.line, text: text))
            }
            if entry.isChrooted && !entry.canBeJailed { problem("chroot: \(entry.command) works on files by their names; write n") }
            do throws(SystemError) {
                let endpoints = try Self.endpoints(entry, main, interfaces, resolve)
                if endpoints.isEmpty { problem("the service \(entry.service) has no address in the families of inet_protocols") }
                services.append(ServiceDefinition(entry: entry, endpoints: endpoints, main: main, directory: directory))
            } catch {
                problem("the service \(entry.service): \(error)")
            }
        }
        if !problems.isEmpty { throw ConfigurationErrors(problems) }
        let entries = master.entries.filter { !$0.isNeedless }
        for (index, entry) in entries.enumerated() where entry.isNetworkProgram {
            services[index].connections = Self.connections(of: entry, special[entry.line] ?? main, services)
        }
        self.directory = directory
        self.main = main
        self.services = services
        self.snapshot = snapshot
    }

    private static func endpoints(
        _ entry: MasterEntry, _ main: Configuration, _ interfaces: InternetInterfaces, _ resolve: Resolve
    ) throws(SystemError) -> [Endpoint] {
        switch entry.type {
        case .unix:
            let path = "\(main[Parameters.queueDirectory])/\(entry.isPrivate ? "private" : "public")/\(entry.service)"
            _ = try SocketAddress.unix(path)  // refuses one that is too long
            return [.unix(path)]
        case .inet: return try interfaces.endpoints(host: entry.inetHost, port: entry.inetPort, resolve)
        }
    }

    /// The sockets that a program of the network may reach: the least that it works with.
    private static func connections(
        of entry: MasterEntry, _ configuration: Configuration, _ services: [ServiceDefinition]
    ) -> [BrokeredService: String] {
        func path(_ name: String) -> String? {
            for service in services where service.key == ServiceKey(name: name, isInet: false) {
                if case .unix(let path)? = service.endpoints.first { return path }
            }
            return nil
        }
        var result: [BrokeredService: String] = [:]
        if entry.command != "resolver" { result[.resolver] = path(configuration[Parameters.resolverServiceName]) }
        if entry.command == "smtpd" { result[.cleanup] = path(configuration[Parameters.cleanupServiceName]) }
        return result
    }
}

extension ServiceDefinition {
    init(entry: MasterEntry, endpoints: [Endpoint], main: Configuration, directory: String) {
        let limit = entry.processLimit ?? main[Parameters.defaultProcessLimit]
        policy = ServicePolicy(
            key: ServiceKey(name: entry.service, isInet: entry.type == .inet),
            command: "\(main[Parameters.daemonDirectory])/\(entry.command)", processLimit: limit == 0 ? nil : limit,
            // Programs on the Internet take no wake-ups: there, a connection without a word is a client like any other.
            wakeup: entry.type == .inet ? 0 : entry.wakeup, wakesOnlyAfterUse: entry.wakesOnlyAfterUse,
            throttleTime: main[Parameters.serviceThrottleTime],
            // A lone qmgr or cleanup shares its files with no other process, also not with one that is finishing.
            isExclusive: entry.type == .unix && limit == 1 && !entry.isNetworkProgram)
        self.endpoints = endpoints
        isJailed = entry.isChrooted
        var arguments = ["-n", entry.service, "-t", entry.type.rawValue]
        if entry.isUnprivileged { arguments.append("-u") }
        if entry.isChrooted { arguments.append("-j") }
        // The configuration comes on a descriptor; the directory only names its files in messages.
        arguments.append("-f")
        if entry.isNetworkProgram { arguments.append("-b") }
        for override in entry.overrides { arguments += ["-o", "\(override.name)=\(override.value)"] }
        self.arguments = arguments + ["-c", directory] + entry.arguments
    }
}
