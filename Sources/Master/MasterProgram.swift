// The start of master: options, files, lock, directories, listeners; then the loop. Nothing is started before everything is
// known to be good.

import MailConfiguration
import MailLog
import MailQueue
import SystemKit

/// The program `master`.
public enum MasterProgram {
    /// Exit statuses of sysexits.h.
    private enum Exit {
        static let usage: Int32 = 64
        static let system: Int32 = 71
        static let configuration: Int32 = 78
    }

    /// The whole program.
    public static func main() -> Never { ProcessSpawn.exit(run(arguments: Array(CommandLine.arguments.dropFirst()))) }

    /// Runs the mail system until a signal ends it; returns the exit status.
    ///
    /// - Parameter arguments: without the program's name.
    public static func run(arguments: [String]) -> Int32 {
        // Before anything can start a thread: a mask that is set later would not hold there.
        SignalWait.block(MasterLoop.handledSignals)
        SignalWait.ignoreRefusedWrites()
        let options: MasterOptions
        do {
            let directory = ProcessSpawn.environmentVariable("MAIL_CONFIG") ?? ConfigurationFiles.defaultDirectory
            options = try MasterOptions(arguments: arguments, defaultDirectory: directory)
        } catch {
            print(error.description)
            return Exit.usage
        }
        if options.isBackground { return BackgroundStart.run(options) }

        let configuration: MasterConfiguration
        let layout: QueueLayout
        do {
            configuration = try MasterConfiguration.load(directory: options.directory)
            layout = QueueLayout(try QueueLayout.owners(configuration.main))
        } catch {
            report(error, directory: options.directory)
            return Exit.configuration
        }
        if options.isTest { return test(configuration) }

        let log = makeLog(configuration.main, isDebugging: options.isDebugging)
        let notifier = ServiceManagerNotifier.fromEnvironment()
        func fail(_ reason: String) -> Int32 {
            log.fatal(reason)
            notifier.failed(reason)
            if !options.isDebugging { print("fatal: \(reason)") }
            return Exit.system
        }
        do throws(QueueFormatError) {
            // Before anything is made or taken: an old program must not touch what a newer one wrote.
            try QueueFormat.check(configuration.queueDirectory)
        } catch {
            return fail(error.description)
        }
        do {
            Files.setCreationMask(0o077)
            try prepareJail(configuration, log)
            try ResourceLimits.raiseOpenFiles()
            try layout.make(in: configuration.queueDirectory)
            try QueueFormat.mark(configuration.queueDirectory)
            try Files.changeDirectory(to: configuration.queueDirectory)
            guard let lock = try MasterLock(queueDirectory: configuration.queueDirectory) else {
                return fail(MasterLock.refusal(queueDirectory: configuration.queueDirectory))
            }
            try serve(configuration, log: log, notifier: notifier, options: options)
            withExtendedLifetime(lock) {}
            return 0
        } catch {
            return fail("\(error)")
        }
    }

    private static func serve(
        _ configuration: MasterConfiguration, log: MailLog, notifier: ServiceManagerNotifier, options: MasterOptions
    ) throws(SystemError) {
        let passed = PassedListeners.take()
        for problem in passed.problems { log.warning(problem) }
        var listeners = ListenerSet(passed: passed.sockets)
        try listeners.update(configuration.services)
        for name in listeners.closeUnwanted() { log.warning("socket activation: no service of master.cf listens on \(name): closed") }
        let signals = try SignalWait.descriptor(for: MasterLoop.handledSignals)
        let loop = try MasterLoop(
            configuration: configuration, listeners: listeners, signals: signals, log: log, notifier: notifier,
            isDebugging: options.isDebugging)
        for warning in configuration.main.warnings { log.warning(warning.description) }
        log.info("daemon started -- version \(configuration.main[Parameters.mailVersion]), configuration \(configuration.directory)")
        BackgroundStart.reportReady()
        try loop.run()
    }

    /// What programs of an installation need to lose their rights, and master itself to have no more than it uses.
    private static func prepareJail(_ configuration: MasterConfiguration, _ log: MailLog) throws(SystemError) {
        let isJailing = configuration.services.contains { $0.isJailed }
        guard Privileges.isRoot else {
            if isJailing { log.info("started without root's rights: the columns unpriv and chroot of master.cf have no effect") }
            return
        }
        if isJailing {
            let directory = configuration.main[Parameters.jailDirectory]
            try JailDirectory.make(directory)
            if let problem = try JailDirectory.problem(directory) {
                throw SystemError(errno: 1, operation: "use jail_directory", object: problem)
            }
        }
        if Privileges.has(.changeCapabilities) {
            try Privileges.limitCapabilities(to: Privileges.capabilitiesOfMaster)
        } else {
            log.warning("without CAP_SETPCAP the capabilities of programs cannot be cut")
        }
    }

    private static func test(_ configuration: MasterConfiguration) -> Int32 {
        do throws(SystemError) {
            return try MasterLock.isHeld(queueDirectory: configuration.queueDirectory) ? 1 : 0
        } catch {
            print("fatal: \(error)")
            return Exit.system
        }
    }

    private static func makeLog(_ main: Configuration, isDebugging: Bool) -> MailLog {
        MailLog(
            program: "master", configuration: main,
            destination: isDebugging && main[Parameters.maillogFile] != "/dev/stdout" ? .stderr : nil)
    }

    /// Every error, on standard error and in the log that is left when main.cf cannot be trusted: the system's.
    private static func report(_ errors: ConfigurationErrors, directory: String) {
        let lines = errors.problems.map(\.description) + ["the configuration in \(directory) has errors; nothing was started"]
        for line in lines { print("fatal: \(line)") }
        ServiceManagerNotifier.fromEnvironment().failed(lines.first ?? "")
        // Without a system logger the lines would only come twice to standard error.
        guard (try? Files.exists("/dev/log")) == true else { return }
        let log = MailLog(program: "master", syslogName: "martlet", destination: .syslog)
        for line in lines { log.fatal(line) }
    }

    static func print(_ text: String) {
        // There is no other place left to say that this one failed.
        _ = try? RawDescriptor.write(Array("master: \(text)\n".utf8), to: 2)
    }
}
