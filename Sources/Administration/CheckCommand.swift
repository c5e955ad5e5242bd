// martlet check: every error of the configuration at once.

import ArgumentParser
import MailConfiguration

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Find every error of the configuration: status 0, or 78 with all errors.")

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    func run() throws {
        let check = ConfigurationCheck(directory: common.directory)
        if json {
            func list(_ problems: [ConfigurationProblem]) -> JSONText {
                .list(
                    problems.map {
                        .object([("file", .text($0.file)), ("line", .number(Int64($0.line))), ("text", .text($0.text))])
                    })
            }
            print(
                JSONText.object([
                    ("ok", .flag(check.errors.isEmpty)), ("errors", list(check.errors)), ("warnings", list(check.warnings)),
                ]).encoded)
        } else {
            check.printAll()
            if check.errors.isEmpty { Diagnostics.note("no errors in \(common.directory)") }
        }
        if !check.errors.isEmpty { throw SystemExit.configuration }
    }
}
