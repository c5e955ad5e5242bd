// sendmail(1), mailq(1), newaliases(1): the command through which local software submits mail.
//
// Security: it has no privileges and keeps no secrets; everything that needs a privilege is another program. Exit status 0 means that the
// message is durable in `maildrop`.

import MailConfiguration
import MailModel
import SystemKit

/// The program.
public enum SendmailProgram {
    public static func main() -> Never {
        CommandSurroundings.makeSafe()
        let words = CommandSurroundings.words()
        var configuration: Configuration?
        do throws(CommandFailure) {
            let options = try SendmailOptions(program: words.first ?? [], words: Array(words.dropFirst()))
            for warning in options.warnings { CommandSurroundings.say("sendmail: warning: \(warning)") }
            let directory = try CommandSurroundings.configurationDirectory(option: options.configurationDirectory.map(Self.directory))
            let loaded = try CommandSurroundings.load(directory: directory)
            configuration = loaded
            try run(options, directory: directory, configuration: loaded)
        } catch {
            CommandSurroundings.fail("sendmail", error, configuration: configuration)
        }
    }

    /// `-C` names the directory or the main.cf in it (sendmail(1)).
    private static func directory(_ option: [UInt8]) -> [UInt8] {
        let name = Array("/main.cf".utf8)
        guard option.count > name.count, option.suffix(name.count).elementsEqual(name) else { return option }
        return Array(option.dropLast(name.count))
    }

    private static func run(
        _ options: SendmailOptions, directory: String, configuration: Configuration
    ) throws(CommandFailure) -> Never {
        let commands = configuration[Parameters.commandDirectory]
        switch options.mode {
        case .deliver, .verify:
            let status = try MessageSubmission(options, configuration: configuration, directory: directory).run()
            ProcessSpawn.exit(status.rawValue)
        case .smtpSession:
            var dialogue = try SMTPDialogue(options, configuration: configuration, directory: directory)
            try dialogue.run()
            ProcessSpawn.exit(CommandStatus.ok.rawValue)
        case .listQueue: try OtherProgram.become("\(commands)/postqueue", ["-c", directory, "-p"])
        case .flush(.all): try OtherProgram.become("\(commands)/postqueue", ["-c", directory, "-f"])
        case .flush(.message(let id)): try OtherProgram.become("\(commands)/postqueue", ["-c", directory, "-i", try text(id)])
        case .flush(.site(let site)): try OtherProgram.become("\(commands)/postqueue", ["-c", directory, "-s", try text(site)])
        case .buildAliases:
            let tables = try options.aliasTable.map { name throws(CommandFailure) in [try text(name)] }
            let specifications = tables ?? configuration[Parameters.aliasDatabase]
            if specifications.isEmpty { ProcessSpawn.exit(CommandStatus.ok.rawValue) }
            ProcessSpawn.setEnvironmentVariable("MAIL_CONFIG", directory)
            try OtherProgram.become("\(commands)/martlet", ["map", "build", "--aliases"] + specifications)
        case .startDaemon:
            ProcessSpawn.setEnvironmentVariable("MAIL_CONFIG", directory)
            try OtherProgram.become("\(commands)/martlet", ["start"])
        case .nothing: ProcessSpawn.exit(CommandStatus.ok.rawValue)
        }
    }

    private static func text(_ bytes: [UInt8]) throws(CommandFailure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw CommandFailure(.usage, "an argument is not UTF-8") }
        return text
    }
}
