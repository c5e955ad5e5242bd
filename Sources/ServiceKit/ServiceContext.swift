// What every daemon has in hand once it has started: who it is, what it was told, where to log.

public import MailConfiguration
public import MailIPC
public import MailLog
import SystemKit

/// The surroundings of a daemon.
public struct ServiceContext: Sendable {
    /// The program: `smtpd`.
    public let program: String
    public let options: ServiceOptions
    public let configuration: Configuration
    /// The services of master.cf, as they were when the configuration was read; nil where that file has errors.
    public let services: MasterFile?
    public let log: MailLog
    /// Where connections come from that this program does not make itself.
    private let broker: MasterBroker?

    public init(program: String, options: ServiceOptions, configuration: Configuration, services: MasterFile? = nil, log: MailLog) {
        self.program = program
        self.options = options
        self.configuration = configuration
        self.services = services
        self.log = log
        broker = options.hasBroker ? MasterBroker(descriptor: options.brokerDescriptor) : nil
    }

    /// `queue_directory`.
    public var queueDirectory: String { configuration[Parameters.queueDirectory] }

    /// The socket of a service.
    public func socket(_ service: String, isPrivate: Bool = true) -> String {
        "\(queueDirectory)/\(isPrivate ? "private" : "public")/\(service)"
    }

    /// Where a program of the network reaches another program: master makes the connection, or, for a program that somebody started by hand, the
    /// path that master.cf gives it.
    public func address(of service: BrokeredService) -> ServiceAddress {
        if let broker { return .brokered(service, broker) }
        let name = configuration[service == .cleanup ? Parameters.cleanupServiceName : Parameters.resolverServiceName]
        let entry = services?.entries.first { $0.type == .unix && $0.service == name }
        return .path(socket(name, isPrivate: entry?.isPrivate ?? (service != .cleanup)))
    }

    /// Reads the command line and the configuration; ends the program with a log line when either is unusable.
    public static func start(program: String, arguments: [String]) -> ServiceContext {
        let options: ServiceOptions
        do {
            options = try ServiceOptions(arguments: arguments)
        } catch {
            StandardError.print("\(program): fatal: \(error)")
            ProcessSpawn.exit(64)
        }
        do {
            var snapshot = try snapshot(options)
            // Whoever is started by hand may open what the values name; a child of master's has it in what it was given.
            let configuration =
                try options.hasConfigurationDescriptor
                ? snapshot.configuration(overrides: options.overrides) : snapshot.check(overrides: options.overrides)
            return ServiceContext(
                program: program, options: options, configuration: configuration, services: try? snapshot.masterFile(),
                log: MailLog(program: program, configuration: configuration, destination: options.checksOnly ? .stderr : nil))
        } catch {
            StandardError.print("\(program): fatal: \(error)")
            ProcessSpawn.exit(78)
        }
    }

    /// Ends the program where it was only asked about its configuration: everything that can be wrong has been read by now.
    public func endIfOnlyChecking() { if options.checksOnly { ProcessSpawn.exit(0) } }

    /// The files: as master has checked them, or as they are in the directory now.
    private static func snapshot(_ options: ServiceOptions) throws -> ConfigurationSnapshot {
        if options.hasConfigurationDescriptor {
            // Closed at once: what it starts in turn has no use for it.
            let memory = FileDescriptor(owning: ServiceOptions.configurationDescriptor)
            let bytes = try SealedMemory.contents(of: memory, limit: ConfigurationSnapshot.maximumEncodedSize)
            guard let snapshot = ConfigurationSnapshot(encoded: bytes) else {
                throw ServiceUsageError(
                    "option -f: descriptor \(ServiceOptions.configurationDescriptor) has no configuration of this version")
            }
            return snapshot
        }
        let named =
            options.configurationDirectory ?? (Privileges.isElevated ? nil : ProcessSpawn.environmentVariable("MAIL_CONFIG"))
        return try ConfigurationSnapshot.read(directory: named ?? ConfigurationFiles.defaultDirectory)
    }
}

/// Standard error, for what happens before there is a log.
enum StandardError {
    static func print(_ line: String) {
        // There is nowhere else to say it.
        try? FileDescriptor.borrowing(2) { error throws(SystemError) in try error.writeAll(Array("\(line)\n".utf8)) }
    }
}
