// What every daemon has in hand once it has started: who it is, what it was told, where to log.

public import MailConfiguration
public import MailLog
import SystemKit

/// The surroundings of a daemon.
public struct ServiceContext: Sendable {
    /// The program: `smtpd`.
    public let program: String
    public let options: ServiceOptions
    public let configuration: Configuration
    public let log: MailLog

    public init(program: String, options: ServiceOptions, configuration: Configuration, log: MailLog) {
        self.program = program
        self.options = options
        self.configuration = configuration
        self.log = log
    }

    /// `queue_directory`.
    public var queueDirectory: String { configuration[Parameters.queueDirectory] }

    /// The socket of a service.
    public func socket(_ service: String, isPrivate: Bool = true) -> String {
        "\(queueDirectory)/\(isPrivate ? "private" : "public")/\(service)"
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
        let directory =
            options.configurationDirectory ?? (Privileges.isElevated ? nil : ProcessSpawn.environmentVariable("MAIL_CONFIG"))
            ?? "/etc/martlet"
        do {
            let configuration = try Configuration.load(directory: directory, overrides: options.overrides)
            return ServiceContext(
                program: program, options: options, configuration: configuration,
                log: ServiceContext.makeLog(program: program, options: options, configuration: configuration))
        } catch {
            StandardError.print("\(program): fatal: \(error)")
            ProcessSpawn.exit(78)
        }
    }

    /// The log under the program's name; a service of another name adds it (`submission/smtpd`), as Postfix does by `syslog_name`.
    private static func makeLog(program: String, options: ServiceOptions, configuration: Configuration) -> MailLog {
        let file = configuration[Parameters.maillogFile]
        return MailLog(
            program: program, syslogName: configuration[Parameters.syslogName], destination: file.isEmpty ? .syslog : .file(file))
    }
}

/// Standard error, for what happens before there is a log.
enum StandardError {
    static func print(_ line: String) {
        // There is nowhere else to say it.
        try? FileDescriptor.borrowing(2) { error throws(SystemError) in try error.writeAll(Array("\(line)\n".utf8)) }
    }
}
