// martlet config: the values of parameters, as postconf shows and edits them.

import ArgumentParser
import MailConfiguration
import SystemKit

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show or change parameters of main.cf.",
        discussion: "Without a name all parameters are shown. A name that is neither declared nor set ends with status 1.",
        helpNames: .long)

    @OptionGroup var common: CommonOptions

    @Flag(name: .customShort("d"), help: "Show defaults instead of values.")
    var defaults = false

    @Flag(name: .customShort("n"), help: "Show only what main.cf sets.")
    var explicit = false

    @Flag(name: .customShort("x"), help: "Expand $name in values.")
    var expands = false

    @Flag(name: [.customShort("h"), .customLong("values-only")], help: "Show values without names.")
    var valuesOnly = false

    @Flag(name: .customShort("e"), help: "Set parameters, given as name=value, in main.cf.")
    var edits = false

    @Flag(name: .customShort("X"), help: "Remove parameters from main.cf.")
    var removes = false

    @Flag(name: .customShort("#"), help: "Turn the assignments of parameters in main.cf into comments.")
    var commentsOut = false

    @Flag(name: .long, help: "Print one JSON object.")
    var json = false

    @Flag(name: .customLong("man"), help: .hidden)
    var manualPage = false

    @Argument(
        help: "Names of parameters; with -e name=value.", completion: .custom { _, _, _ in Parameters.all.map(\.name) })
    var words: [String] = []

    func validate() throws {
        if [edits, removes, commentsOut].filter({ $0 }).count > 1 { throw ValidationError("-e, -X and -# exclude each other") }
        if isEditing && words.isEmpty { throw ValidationError("which parameter?") }
        if isEditing && (defaults || explicit || expands || valuesOnly || json) {
            throw ValidationError("-e, -X and -# show nothing: -d, -n, -x, -h and --json do not go with them")
        }
        if defaults && explicit { throw ValidationError("-d and -n exclude each other") }
    }

    private var isEditing: Bool { edits || removes || commentsOut }

    func run() throws {
        if manualPage {
            print(ManualPage.mainConfiguration(), terminator: "")
            return
        }
        if isEditing { return try edit() }
        let main = try defaults ? Self.defaultConfiguration() : common.loadMain()
        var names = words
        if names.isEmpty {
            names = explicit ? main.explicitNames : Set(Parameters.all.map(\.name)).union(main.explicitNames).sorted()
        }
        var isUnknown = false
        var shown: [(name: String, value: String)] = []
        for name in names {
            guard let value = text(of: name, in: main) else {
                Diagnostics.warning("\(name): unknown parameter" + suggestion(name))
                isUnknown = true
                continue
            }
            if explicit && main.explicitText(of: name) == nil { continue }
            shown.append((name, value))
        }
        if json {
            print(
                JSONText.object(shown.map { ($0.name, .text($0.value)) }).encoded)
        } else {
            for (name, value) in shown { print(valuesOnly ? value : "\(name) = \(value)") }
        }
        if isUnknown { throw SystemExit.negative }
    }

    private static func defaultConfiguration() throws -> Configuration {
        try Configuration(text: "", directory: ConfigurationFiles.defaultDirectory, hostName: HostName.current)
    }

    private func text(of name: String, in main: Configuration) -> String? {
        if expands { return main.text(of: name) }
        if let explicit = main.explicitText(of: name) { return explicit }
        guard let declaration = main.declaration(of: name) else { return nil }
        return declaration.defaultNote.isEmpty ? declaration.defaultText : main.text(of: name)
    }

    private func suggestion(_ name: String) -> String {
        NearestName.of(name, among: Parameters.all.map(\.name)).map { " (did you mean \($0)?)" } ?? ""
    }

    private func edit() throws {
        let path = common.directory + "/main.cf"
        try Control.reporting {
            var bytes = try Files.contents(of: path)
            var names: Set<String> = []
            for word in words {
                if removes || commentsOut {
                    // As postconf: what a value hides in name=value is not meant.
                    if word.contains("=") { throw ValidationError("-X and -# take names, not \(word)") }
                    bytes = commentsOut ? MainFileEditor.commentOut(bytes, name: word) : MainFileEditor.edit(bytes, name: word, value: nil)
                    continue
                }
                switch Assignment.parse(word) {
                case .failure(let error): throw ValidationError(error.description)
                case .success(let assignment):
                    if assignment.value.contains(where: \.isNewline) { throw ValidationError("a value is one line") }
                    bytes = MainFileEditor.edit(bytes, name: assignment.name, value: assignment.value)
                    names.insert(assignment.name)
                }
            }
            try Self.refuseErrors(bytes, path: path, directory: common.directory, about: names)
            try MainFileEditor.replace(path, with: bytes)
        }
    }

    /// An edit that puts an error into main.cf is not made; errors that were there before are no obstacle.
    private static func refuseErrors(_ bytes: [UInt8], path: String, directory: String, about names: Set<String>) throws {
        do throws(ConfigurationErrors) {
            let edited = try Configuration(
                text: String(decoding: bytes, as: UTF8.self), file: path, directory: directory, hostName: HostName.current
            ) { $0.hasPrefix("/") ? "file" : nil }
            for warning in edited.warnings where names.contains(where: { warning.text.contains($0) }) {
                Diagnostics.warning(warning.description)
            }
            // Not a reason to refuse: the table may be built, the directory made next.
            let check = ConfigurationCheck(directory: directory, edited: edited, names: names)
            for problem in check.errors + check.warnings { Diagnostics.warning(problem.description) }
        } catch {
            let ours = error.problems.filter { problem in names.contains { problem.text.hasPrefix($0 + ": ") } }
            if ours.isEmpty { return }
            for problem in ours { Diagnostics.error(problem.description) }
            throw SystemExit.configuration
        }
    }
}
