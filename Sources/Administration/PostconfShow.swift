// postconf without -M, -F, -P: the parameters of main.cf.

import MailConfiguration
import SystemKit

/// One listing of parameters.
struct PostconfShow {
    private let session: ClassicSession
    private let options: ClassicOptions
    private let entries: [MainFileEntry]
    private let explicit: [String: String]
    private let overridden: [(line: Int, name: String, earlier: String)]
    /// Names that values of main.cf or options of master.cf refer to.
    private let referenced: Set<String>
    private let transports: Set<String>
    private let services: [MasterText.Entry]
    private var main: Configuration?

    init(_ session: ClassicSession, _ options: ClassicOptions) throws(ClassicFailure) {
        self.session = session
        self.options = options
        let file = MainFile(try session.contents(of: session.mainPath), file: session.mainPath)
        for problem in file.problems { session.warn("\(problem.file), line \(problem.line): \(problem.text)") }
        entries = file.entries
        var explicit: [String: String] = [:]
        var overridden: [(line: Int, name: String, earlier: String)] = []
        for entry in file.entries {
            if let earlier = explicit[entry.name] {
                overridden.append((entry.line, entry.name, earlier))
            }
            explicit[entry.name] = entry.value
        }
        var overrides: Configuration.Overrides = []
        for option in options.options where option.letter == "o" {
            guard case .success(let assignment) = Assignment.parse(option.argument) else {
                throw ClassicFailure("invalid parameter override: \(option.argument): missing '=' after attribute name")
            }
            explicit[assignment.name] = assignment.value
            overrides.append((assignment.name, assignment.value))
        }
        if session.directory != ConfigurationFiles.defaultDirectory { explicit["config_directory"] = session.directory }
        services = (try? Files.contents(of: session.masterPath)).map { MasterText($0).entries } ?? []
        transports = Set(services.filter { $0.type == "unix" }.map(\.service))
        var referenced: Set<String> = []
        for value in file.entries.map(\.value) + services.flatMap({ $0.parameters.map(\.value) }) {
            referenced.formUnion(TextExpansion.names(in: value))
        }
        referenced.formUnion((explicit["smtpd_restriction_classes"] ?? "").split { ", \t".contains($0) }.map(String.init))
        self.explicit = explicit
        self.overridden = overridden
        self.referenced = referenced
        if options.has("d") {
            main = try? Configuration(text: "", directory: session.directory, hostName: HostName.current)
        } else {
            main = Configuration.tolerant(directory: session.directory, overrides: overrides).main
        }
    }

    func run() throws(ClassicFailure) -> Int32 {
        for entry in overridden where !options.has("d") {
            session.warn("\(session.mainPath), line \(entry.line): overriding earlier entry: \(entry.name)=\(entry.earlier)")
        }
        let asked = options.operands
        var names = asked
        if names.isEmpty { names = try all().filter { !options.has("n") || explicit[$0] != nil }.sorted() }
        for name in names {
            guard isKnown(name) else {
                session.warn("\(name): unknown parameter")
                continue
            }
            if options.has("n") && explicit[name] == nil { continue }
            let value = text(name)
            let line = options.has("H") ? name : options.has("h") ? value : "\(name) = \(value)"
            session.output.line(PostconfLine.text(line, isFolding: options.has("f")))
        }
        if !options.has("d") { warnOfUnused() }
        return 0
    }

    private func all() throws(ClassicFailure) -> Set<String> {
        let user = Set(explicit.keys.filter { referenced.contains($0) && !isDeclared($0) })
        let service = Set(
            transports.flatMap { transport in TransportParameter.allCases.map { transport + $0.rawValue } }
                .filter { Parameters.byName[$0] == nil })
        let builtin = Set(Parameters.byName.keys)
        guard let asked = options.argument(of: "C") else { return builtin.union(service).union(user) }
        var names: Set<String> = []
        for word in asked.split(whereSeparator: { ", ".contains($0) }) {
            switch word {
            case "builtin": names.formUnion(builtin)
            case "service": names.formUnion(service)
            case "user": names.formUnion(user)
            case "all": names.formUnion(builtin.union(service).union(user))
            default: throw ClassicFailure("unknown -C option value \"\(word)\" in \"\(asked)\"")
            }
        }
        return names
    }

    private func isDeclared(_ name: String) -> Bool {
        if Parameters.byName[name] != nil || name == "config_directory" { return true }
        guard let (transport, _) = TransportParameter.transport(inName: name) else { return false }
        return transports.contains(transport) || explicit[name] != nil && transports.isEmpty
    }

    private func isKnown(_ name: String) -> Bool { isDeclared(name) || explicit[name] != nil && referenced.contains(name) }

    /// The value to be shown.
    private func text(_ name: String) -> String {
        if !options.has("d"), let set = explicit[name] { return options.has("x") ? main?.text(of: name) ?? set : set }
        if name == "config_directory" { return session.directory }
        if let declaration = Parameters.byName[name] {
            let isPlain = declaration.defaultNote.isEmpty && !options.has("x")
            return isPlain ? declaration.defaultText : main?.text(of: name) ?? declaration.defaultText
        }
        guard let (_, parameter) = TransportParameter.transport(inName: name) else { return "" }
        return options.has("x") ? main?.text(of: parameter.fallback.name) ?? "" : "$\(parameter.fallback.name)"
    }

    private func warnOfUnused() {
        for name in Set(entries.map(\.name)).sorted() where !isKnown(name) {
            session.warn("\(session.mainPath): unused parameter: \(name)=\(explicit[name] ?? "")")
        }
        for name in Set(entries.flatMap { TextExpansion.names(in: $0.value) }).sorted()
        where explicit[name] == nil && !isDeclared(name) && !PostconfMaster.deliveryNames.contains(name) {
            session.warn("\(session.mainPath): undefined parameter: \(name)")
        }
        PostconfMaster.warnOfUnused(services, session: session, isKnown: isKnown)
    }
}
