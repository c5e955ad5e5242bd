// What a submission command finds around it, made safe before anything else happens: descriptors, environment, umask; and its own words.
//
// Security: `postdrop` and `postqueue` are set-group-id, so all of this is the caller's to choose. A closed descriptor 0, 1 or 2 would let
// the next file that is opened take its number and be written to by an error message. Of the environment of a set-id program only
// MAIL_CONFIG and TZ are left when main begins (CSystemKit, Inheritance.c). MAIL_CONFIG and `-c` of a caller who is not root name a
// directory that the administrator has listed, or none: main.cf says where the queue is, and an error message shows its text.

import MailConfiguration
import MailLog
import MailModel
import SystemKit

/// The start of a command.
enum CommandSurroundings {
    /// The configuration of an installed system.
    static let defaultConfigurationDirectory = "/etc/martlet"

    /// Fills descriptors 0 to 2, sets the umask, and gives up what the caller left behind (Privileges.dropInheritance).
    static func makeSafe() {
        for number in Int32(0)...2 {
            let isOpen = (try? FileDescriptor.borrowing(number) { open throws(SystemError) in try open.status() }) != nil
            if isOpen { continue }
            // The lowest free number is the missing one. It stays open for the life of the process.
            guard let null = try? FileDescriptor.open("/dev/null", .readWrite) else { ProcessSpawn.exit(CommandStatus.osError.rawValue) }
            if null.release() != number { ProcessSpawn.exit(CommandStatus.osError.rawValue) }
        }
        _ = Files.setCreationMask(0o077)
        guard (try? Privileges.dropInheritance()) != nil else { ProcessSpawn.exit(CommandStatus.osError.rawValue) }
    }

    /// The words of the command line as bytes, the program's name first. An argument need not be UTF-8.
    static func words() -> [[UInt8]] {
        var out: [[UInt8]] = []
        for index in 0..<Int(CommandLine.argc) {
            guard let word = CommandLine.unsafeArgv[index] else { break }
            // argv is NUL-terminated strings by the contract of execve(2).
            var bytes: [UInt8] = []
            var next = word
            while next.pointee != 0 {
                bytes.append(UInt8(bitPattern: next.pointee))
                next += 1
            }
            out.append(bytes)
        }
        return out
    }

    /// Where the configuration is: `-C` or `-c`, MAIL_CONFIG, or the installed one.
    ///
    /// A set-id command takes another than the installed one only from root, or where the installed one lists it in
    /// `alternate_config_directories`. Nothing of it is looked at before.
    ///
    /// - Parameter option: the value of `-C` or `-c`.
    static func configurationDirectory(option: [UInt8]?) throws(CommandFailure) -> String {
        let wanted: String?
        if let option {
            guard let text = String(validating: option, as: UTF8.self) else {
                throw CommandFailure(.usage, "the configuration directory's name is not UTF-8")
            }
            wanted = text
        } else {
            wanted = ProcessSpawn.environmentVariable("MAIL_CONFIG")
        }
        guard let wanted, !wanted.isEmpty else { return defaultConfigurationDirectory }
        let name = wanted.utf8.last == UInt8(ascii: "/") && wanted.utf8.count > 1 ? String(wanted.dropLast()) : wanted
        guard Privileges.isCallerUntrusted, name != defaultConfigurationDirectory else { return name }
        guard try load(directory: defaultConfigurationDirectory)[Parameters.alternateConfigDirectories].contains(name) else {
            throw CommandFailure(
                .noPermission,
                "unauthorized configuration directory: \(ASCII.printable(Array(name.utf8), limit: 200)) (alternate_config_directories)")
        }
        return name
    }

    static func load(directory: String) throws(CommandFailure) -> Configuration {
        do throws(ConfigurationErrors) {
            return try Configuration.load(directory: directory)
        } catch {
            throw CommandFailure(.configuration, "\(error)")
        }
    }

    /// Keeps the variables that `import_environment` names: nothing else of the caller's reaches libraries and programs from here on.
    static func cleanEnvironment(_ configuration: Configuration) {
        ProcessSpawn.replaceEnvironment(
            EnvironmentList.variables(configuration[Parameters.importEnvironment]) { ProcessSpawn.environmentVariable($0) })
    }

    /// Says a line on standard error: `sendmail: fatal: ...`.
    static func say(_ line: String) {
        // There is nowhere else to say it.
        try? FileDescriptor.borrowing(2) { error throws(SystemError) in try error.writeAll(Array("\(line)\n".utf8)) }
    }

    /// The end of a command that failed: a line for the caller, and one for the administrator where the log can be written.
    ///
    /// - Parameter failure: with an empty text where nobody has to be told.
    static func fail(_ program: String, _ failure: CommandFailure, configuration: Configuration?) -> Never {
        if !failure.description.isEmpty {
            say("\(program): fatal: \(failure)")
            if let configuration { log(program, configuration)?.fatal("\(failure)") }
        }
        ProcessSpawn.exit(failure.status.rawValue)
    }

    /// The log, if an ordinary user can write it.
    static func log(_ program: String, _ configuration: Configuration) -> MailLog? {
        let file = configuration[Parameters.maillogFile]
        if !file.isEmpty, (try? FileDescriptor.open(file, [.writeOnly, .append, .noControllingTerminal])) == nil { return nil }
        return MailLog(program: program, configuration: configuration)
    }
}
