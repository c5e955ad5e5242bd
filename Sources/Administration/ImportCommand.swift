// martlet import: the configuration of another mail system as Martlet's.

import ArgumentParser
import MailConfiguration
import SystemKit

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Carry over the configuration of another mail system.", subcommands: [ImportPostfixCommand.self])
}

struct ImportPostfixCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postfix", abstract: "Carry over a Postfix configuration: main.cf, master.cf, and the tables they name.",
        discussion: """
            Without --write nothing is written: it shows what would be carried over, and what would not, with file and line and what that means for \
            mail. Files that exist are kept as NAME.before-import. The status is 66 where there is no main.cf to read, and with --write 78 where the \
            new configuration has errors.
            """)

    @OptionGroup var common: CommonOptions

    @Flag(name: .long, help: "Write the new configuration, and build its tables.")
    var write = false

    @Option(name: .customLong("to"), help: "The directory of the new configuration, as -c.")
    var targetOption: String?

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    @Flag(name: .long, help: "Show also what is needless here, and nothing is lost by.")
    var all = false

    @Argument(help: "The directory of Postfix's main.cf and master.cf.")
    var source: String = "/etc/postfix"

    private var target: String { targetOption ?? common.directory }

    func validate() throws {
        guard target.hasPrefix("/"), source.hasPrefix("/") else { throw ValidationError("directories are absolute paths") }
    }

    func run() throws {
        func bare(_ path: String) -> String { path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path }
        guard bare(source) != bare(target) else {
            Diagnostics.error("the new configuration cannot be in the place of the old one")
            throw SystemExit.data
        }
        var work: PostfixImport
        do throws(SystemError) {
            work = try PostfixImport(source: bare(source), target: bare(target))
        } catch {
            Diagnostics.error(error.description)
            throw SystemExit.noInput
        }
        var backups: [String] = []
        if write { try Control.reporting { backups = try work.write() } }
        let errors = write ? ConfigurationCheck(directory: work.target, asksPrograms: false).errors : []
        if json {
            print(report(work, backups, errors).encoded)
        } else {
            show(work, backups)
            for problem in errors { Diagnostics.error(problem.description) }
        }
        if !errors.isEmpty { throw SystemExit.configuration }
    }

    private func report(_ work: PostfixImport, _ backups: [String], _ errors: [ConfigurationProblem]) -> JSONText {
        let findings = work.findings.map { finding in
            JSONText.object([
                ("file", .text(finding.file)), ("line", .number(Int64(finding.line))), ("name", .text(finding.name)),
                ("kind", .text(finding.kind.rawValue)), ("serious", .flag(finding.isSerious)), ("text", .text(finding.text)),
            ])
        }
        return .object([
            ("source", .text(work.source)), ("target", .text(work.target)), ("written", .flag(write)),
            ("parameters", .number(Int64(work.total))), ("carried", .number(Int64(work.carried))),
            ("files", .list(work.files.values.sorted().map { .text($0) })), ("tables", .list(work.tables.keys.sorted().map { .text($0) })),
            ("backups", .list(backups.map { .text($0) })), ("findings", .list(findings)),
            ("errors", .list(errors.map { .text($0.description) })),
        ])
    }

    /// For people: what needs attention first.
    private func show(_ work: PostfixImport, _ backups: [String]) {
        print(
            "\(work.carried) of \(work.total) parameters of \(work.source)/main.cf \(write ? "are" : "would be") carried over to \(work.target)/main.cf."
        )
        list("Needs your attention before the change-over:", work.findings.filter(\.isSerious))
        list("Not carried over:", work.findings.filter { !$0.isSerious && $0.kind == .unsupported })
        list("In another form:", work.findings.filter { !$0.isSerious && $0.kind == .changed })
        if all { list("Not needed:", work.findings.filter { $0.kind == .needless }) }
        paths("\(write ? "Copied" : "To be copied"):", work.files.values.sorted())
        paths("\(write ? "Indexed" : "To be indexed"):", work.tables.keys.sorted().map { $0 + ".lmdb" })
        paths("Kept as they were before:", backups)
        print("")
        print(
            write
                ? "Next: read \(work.target)/main.cf and master.cf, then \"martlet check -c \(work.target)\"; stop Postfix; \"martlet start\"."
                : "Nothing was written: \"martlet import postfix \(work.source) --to \(work.target) --write\" does it.")
    }

    private func list(_ title: String, _ findings: [ImportFinding]) {
        if findings.isEmpty { return }
        print("\n\(title)")
        for finding in findings { print("  \(finding.place): \(finding.name)\n      \(finding.text)") }
    }

    private func paths(_ title: String, _ paths: [String]) {
        if paths.isEmpty { return }
        print("\n\(title)")
        for path in paths { print("  \(path)") }
    }
}
