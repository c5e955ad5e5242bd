// Every error of a configuration at once: main.cf, master.cf with its options, tables, directories, accounts.
//
// Known limits: what only the network can tell (names of hosts, ports in use) is not checked.

import LookupTables
import MailConfiguration
import SystemKit

/// The findings about a configuration directory.
struct ConfigurationCheck {
    private(set) var errors: [ConfigurationProblem] = []
    private(set) var warnings: [ConfigurationProblem] = []
    private(set) var main: Configuration?
    let directory: String
    /// Whether every entry of master.cf could be read: else a service that seems to be missing may be one of the others.
    private var isMasterWhole = true

    var mainPath: String { directory + "/main.cf" }
    var masterPath: String { directory + "/master.cf" }

    /// Checks everything.
    ///
    /// - Parameter asksPrograms: whether programs are started to say what they find; nil where the caller runs this instance.
    init(directory: String, isRoot: Bool = Privileges.isRoot, asksPrograms: Bool? = nil) {
        self.directory = directory
        var master: MasterFile?
        // One mistake does not hide the next: a value that is wrong counts as its default from here on, an entry that is wrong as absent.
        let (whole, problems) = Configuration.tolerant(directory: directory)
        main = whole
        errors += problems
        do throws(ConfigurationErrors) {
            master = try MasterFile.load(directory: directory)
        } catch {
            errors += error.problems
            isMasterWhole = false
            if let bytes = try? Files.contents(of: masterPath) { master = MasterFile.read(bytes: bytes, file: masterPath).file }
        }
        checkModes()
        if let main {
            warnings += main.warnings
            checkDirectories(main)
            checkTables(main)
            checkAccessTables(main)
            checkInterfaces(main)
            checkRelayHost(main)
            checkRelations(main)
            if isRoot { checkAccounts(main) }
            checkHostName(main)
            checkQueueLayout(main, isRoot: isRoot)
            if isRoot { checkRights(main) }
            if isRoot, let master { checkJail(main, master) }
            if let master { checkServices(master, main, asksPrograms: asksPrograms ?? (isRoot || isOwner(main))) }
        }
    }

    /// What is found about some parameters of a configuration that is not written yet.
    init(directory: String, edited main: Configuration, names: Set<String>) {
        self.directory = directory
        self.main = main
        checkDirectories(main)
        checkTables(main)
        checkAccessTables(main)
        checkInterfaces(main)
        checkRelayHost(main)
        checkRelations(main)
        checkHostName(main)
        let others: (ConfigurationProblem) -> Bool = { problem in !names.contains { problem.text.hasPrefix($0 + ": ") } }
        errors.removeAll(where: others)
        warnings.removeAll(where: others)
    }

    /// The configuration where it has no errors; otherwise they are printed, and the exit status is 78. Warnings are printed too.
    static func require(directory: String) throws -> Configuration {
        let check = ConfigurationCheck(directory: directory)
        check.printAll()
        guard check.errors.isEmpty, let main = check.main else { throw SystemExit.configuration }
        return main
    }

    func printAll() {
        for problem in errors { Diagnostics.error(problem.description) }
        for problem in warnings { Diagnostics.warning(problem.description) }
    }

    mutating func addWarning(_ problem: ConfigurationProblem) { warnings.append(problem) }
    mutating func addError(_ problem: ConfigurationProblem) { errors.append(problem) }

    mutating func error(_ name: String, _ text: String) {
        let line = main?.line(of: name) ?? 0
        errors.append(ConfigurationProblem(file: mainPath, line: line, text: "\(name): \(text)"))
    }

    private mutating func checkModes() {
        for path in [mainPath, masterPath] {
            guard let status = try? Files.status(of: path) else { continue }
            if status.mode & 0o022 != 0 {
                warnings.append(ConfigurationProblem(file: path, line: 0, text: "the file can be written by others than its owner"))
            }
        }
    }

    mutating func checkDirectories(_ main: Configuration) {
        for parameter in [Parameters.daemonDirectory, Parameters.commandDirectory] { checkDirectory(parameter, main) }
        // master makes the queue directory itself, but not what is above it.
        let queue = main[Parameters.queueDirectory]
        if !queue.hasPrefix("/") { error("queue_directory", "\(queue) is not an absolute path") }
        let parent = queue.lastIndex(of: "/").map { String(queue[..<$0]) } ?? ""
        if !parent.isEmpty { requireDirectory(parent, "queue_directory") }
        let log = main[Parameters.maillogFile]
        if !log.isEmpty, !main[Parameters.maillogFilePrefixes].contains(where: { log.hasPrefix($0) }) {
            warnings.append(
                ConfigurationProblem(
                    file: mainPath, line: main.line(of: "maillog_file") ?? 0,
                    text: "maillog_file: \(log) does not begin with a prefix from maillog_file_prefixes"))
        }
    }

    private mutating func checkDirectory(_ parameter: Parameter<String>, _ main: Configuration) {
        let path = main[parameter]
        if path.hasPrefix("/") { requireDirectory(path, parameter.name) } else { error(parameter.name, "\(path) is not an absolute path") }
    }

    private mutating func requireDirectory(_ path: String, _ name: String) {
        do throws(SystemError) {
            if try !Files.status(of: path).isDirectory { error(name, "\(path) is not a directory") }
        } catch {
            self.error(name, error.description)
        }
    }

    mutating func checkRelayHost(_ main: Configuration) {
        let host = main[Parameters.relayhost]
        if host.hasPrefix("[") != host.contains("]") { error("relayhost", "\"\(host)\" has a bracket without the other one") }
    }

    /// Values that are right each for itself and not beside each other.
    private mutating func checkRelations(_ main: Configuration) {
        let (least, most) = (main[Parameters.minimalBackoffTime], main[Parameters.maximalBackoffTime])
        guard least > most else { return }
        for name in ["minimal_backoff_time", "maximal_backoff_time"] {
            guard let line = main.line(of: name) else { continue }
            let text = "\(name): minimal_backoff_time (\(least) s) is longer than maximal_backoff_time (\(most) s)"
            warnings.append(ConfigurationProblem(file: mainPath, line: line, text: text))
        }
    }

    /// In a private instance of root's (`mail_owner = root`) no other account is needed.
    private mutating func checkAccounts(_ main: Configuration) {
        do throws(SystemError) {
            let mail = try account(Parameters.mailOwner, main)
            if mail == 0 { return }
            let network = try account(Parameters.networkOwner, main)
            _ = try account(Parameters.defaultPrivs, main)
            if let mail, mail == network { error("network_owner", "is the same user as mail_owner, but must own nothing") }
            let group = main[Parameters.setgidGroup]
            if try UserDatabase.group(named: group) == nil { error("setgid_group", "there is no group \(group)") }
        } catch {
            self.error("mail_owner", error.description)
        }
    }

    private mutating func account(_ parameter: Parameter<String>, _ main: Configuration) throws(SystemError) -> UInt32? {
        if let user = try UserDatabase.user(named: main[parameter]) { return user.uid }
        error(parameter.name, "there is no user \(main[parameter])")
        return nil
    }

    /// Whether the caller runs this instance: then what its programs may read, the caller may read too.
    private func isOwner(_ main: Configuration) -> Bool {
        ((try? UserDatabase.user(named: main[Parameters.mailOwner])) ?? nil)?.uid == Privileges.realUser
    }

    private mutating func checkServices(_ master: MasterFile, _ main: Configuration, asksPrograms: Bool) {
        for entry in master.entries {
            func problem(_ text: String) -> ConfigurationProblem {
                ConfigurationProblem(file: masterPath, line: entry.line, text: "the service \(entry.service): \(text)")
            }
            if entry.isNeedless {
                warnings.append(problem("\(entry.command) is not needed here, and left alone"))
                continue
            }
            if entry.isChrooted && !entry.canBeJailed {
                errors.append(problem("chroot: \(entry.command) works on files by their names; write n"))
                continue
            }
            let program = main[Parameters.daemonDirectory] + "/" + entry.command
            guard (try? Files.exists(program)) != false else {
                errors.append(problem("there is no program \(program)"))
                continue
            }
            let errorsBefore = errors.count
            defer { if asksPrograms && errors.count == errorsBefore { ask(entry, program: program) } }
            if entry.overrides.isEmpty { continue }
            let overrides = entry.overrides.map { (name: $0.name, value: $0.value) }
            do throws(ConfigurationErrors) {
                let special = try Configuration.load(directory: directory, overrides: overrides)
                for warning in special.warnings where warning.file.isEmpty { warnings.append(problem("-o \(warning.text)")) }
                for (name, wrong) in accessProblems(special, in: Set(entry.overrides.map(\.name))) {
                    let found = problem("-o \(name): \(Self.text(of: wrong))")
                    if wrong.isFileMissing { warnings.append(found) } else { errors.append(found) }
                }
            } catch {
                for wrong in error.problems where wrong.file.isEmpty { errors.append(problem("-o \(wrong.text)")) }
            }
        }
        guard isMasterWhole else { return }
        let services = Set(master.entries.map(\.service))
        let needed = [
            Parameters.cleanupServiceName, Parameters.bounceServiceName, Parameters.queueServiceName, Parameters.pickupServiceName,
            Parameters.resolverServiceName,
        ]
        for parameter in needed where !services.contains(main[parameter]) {
            errors.append(ConfigurationProblem(file: masterPath, line: 0, text: "there is no service \(main[parameter])"))
        }
        let answeredByQueueManager: Set<String> = ["error", "retry", "discard"]
        for parameter in [Parameters.localTransport, Parameters.defaultTransport, Parameters.relayTransport, Parameters.virtualTransport] {
            let transport = main[parameter].split(separator: ":", omittingEmptySubsequences: false).first.map(String.init) ?? ""
            // A transport that nothing uses need not exist: virtual where there are no virtual mailbox domains.
            if parameter.name == "virtual_transport" && main[Parameters.virtualMailboxDomains].isEmpty { continue }
            if parameter.name == "relay_transport" && main[Parameters.relayDomains].isEmpty { continue }
            if !services.contains(transport) && !answeredByQueueManager.contains(transport) {
                error(parameter.name, "there is no service \(transport) in master.cf")
            }
        }
    }

    /// What the program itself finds. What several services share is said once, without the place.
    private mutating func ask(_ entry: MasterEntry, program: String) {
        let answer = ProgramCheck(entry, program: program, directory: directory)
        func isKnown(_ text: String) -> Bool {
            // Said already, by this check or by an earlier service.
            (errors + warnings).contains { $0.text.hasSuffix(text) || text.hasSuffix($0.text) || $0.description == text }
        }
        func problem(_ text: String) -> ConfigurationProblem {
            ConfigurationProblem(file: masterPath, line: entry.line, text: "the service \(entry.service): \(entry.command): \(text)")
        }
        for text in answer.errors where !isKnown(text) { errors.append(problem(text)) }
        for text in answer.warnings where !isKnown(text) { warnings.append(problem(text)) }
    }
}
