// A snapshot of main.cf with all values typed and checked: what every program reads its parameters from.
//
// Security: loading is total; each defect is reported with its place, and a configuration with an error is never used.
// Known limits: names of hosts in inet_interfaces do not count for the default of mynetworks; addresses do.

/// An immutable configuration. Loading it again gives a new one; a program never sees half of a change.
public struct Configuration: Sendable {
    /// Assignments on a command line or in the -o options of master.cf, which win over main.cf.
    public typealias Overrides = [(name: String, value: String)]

    private let values: [String: ParsedValue]
    private let texts: [String: String]
    private let settings: [String: Setting]
    private let transports: [String: ParameterDeclaration]
    /// What is strange but no error: unknown and repeated names, undefined `$name`.
    public let warnings: [ConfigurationProblem]

    /// Reads a configuration from text.
    ///
    /// - Parameters:
    ///   - file: the name of the text in problems.
    ///   - directory: the value of `config_directory`.
    ///   - hostName: the name of the system, for the default of `myhostname`.
    ///   - transports: the service names of master.cf, for `<service>_destination_...` names; nil accepts any.
    ///   - readOutside: what values need from outside: for a path the first line of that file (`myorigin`), for `interfaces` the networks of
    ///     this system's interfaces as `address/bits` with spaces between (the default of `mynetworks`); nil for what cannot be told.
    public init(
        text: String, overrides: Overrides = [], file: String = "main.cf", directory: String = "/etc/martlet",
        hostName: String = "localhost", transports: Set<String>? = nil, readOutside: @escaping (String) -> String? = { _ in nil }
    ) throws(ConfigurationErrors) {
        try self.init(
            bytes: Array(text.utf8), overrides: overrides, file: file, directory: directory, hostName: hostName, transports: transports,
            readOutside: readOutside)
    }

    init(
        bytes: [UInt8], overrides: Overrides, file: String, directory: String, hostName: String, transports: Set<String>?,
        readOutside: @escaping (String) -> String?
    ) throws(ConfigurationErrors) {
        let mainFile = MainFile(bytes, file: file)
        var errors = mainFile.problems
        var warnings: [ConfigurationProblem] = []
        var settings: [String: Setting] = [:]
        for entry in mainFile.entries {
            if let earlier = settings[entry.name] {
                warnings.append(
                    ConfigurationProblem(
                        file: file, line: entry.line, text: "\(entry.name) replaces the earlier value in line \(earlier.line)"))
            }
            settings[entry.name] = Setting(text: entry.value, file: file, line: entry.line)
        }
        for override in overrides { settings[override.name] = Setting(text: override.value, file: "", line: 0) }

        var declarations = Parameters.byName
        var transportDeclarations: [String: ParameterDeclaration] = [:]
        for name in settings.keys where declarations[name] == nil {
            guard let (transport, parameter) = TransportParameter.transport(inName: name), transports?.contains(transport) ?? true
            else { continue }
            transportDeclarations[name] = parameter.declaration(transport: transport)
            declarations[name] = transportDeclarations[name]
        }

        let evaluation = Evaluation(
            settings: settings, declarations: declarations, hostName: hostName, directory: directory, readOutside: readOutside)
        var values: [String: ParsedValue] = [:]
        var texts: [String: String] = [:]
        // An unset parameter fails only because a set one that its default names is wrong; that one is reported.
        var consequences: [ConfigurationProblem] = []
        for name in Set(declarations.keys).union(settings.keys).sorted() {
            let place = settings[name]
            func problem(_ text: String) {
                let problem = ConfigurationProblem(file: place?.file ?? file, line: place?.line ?? 0, text: "\(name): \(text)")
                if place == nil { consequences.append(problem) } else { errors.append(problem) }
            }
            do throws(ExpansionError) {
                let text = try evaluation.value(name) ?? ""
                texts[name] = text
                guard let declaration = declarations[name] else { continue }
                do throws(ValueError) { values[name] = try declaration.kind.parse(text) } catch { problem(error.text) }
            } catch {
                problem(error.description)
            }
        }
        if errors.isEmpty { errors = consequences }
        warnings += Self.nameWarnings(settings: settings, declarations: declarations, evaluation: evaluation)
        func isEarlier(_ a: ConfigurationProblem, _ b: ConfigurationProblem) -> Bool { (a.file, a.line, a.text) < (b.file, b.line, b.text) }
        if !errors.isEmpty { throw ConfigurationErrors(errors.sorted(by: isEarlier)) }
        self.values = values
        self.texts = texts
        self.settings = settings
        self.transports = transportDeclarations
        self.warnings = warnings.sorted(by: isEarlier)
    }

    /// Unknown names, unless another value refers to them, and undefined names in values.
    private static func nameWarnings(
        settings: [String: Setting], declarations: [String: ParameterDeclaration], evaluation: Evaluation
    ) -> [ConfigurationProblem] {
        var warnings: [ConfigurationProblem] = []
        func suggestion(_ name: String, _ known: some Sequence<String>) -> String {
            NearestName.of(name, among: known).map { " (did you mean \($0)?)" } ?? ""
        }
        for (name, setting) in settings where declarations[name] == nil {
            let isReferenced = settings.values.contains { TextExpansion.names(in: $0.text).contains(name) }
            if !isReferenced {
                warnings.append(
                    ConfigurationProblem(
                        file: setting.file, line: setting.line,
                        text: "unknown parameter \(name)" + suggestion(name, declarations.keys.sorted())))
            }
        }
        for name in Parameters.withoutEffect.subtracting(Parameters.harmlessWithoutEffect) {
            guard let setting = settings[name], setting.text != declarations[name]?.defaultText else { continue }
            warnings.append(
                ConfigurationProblem(file: setting.file, line: setting.line, text: "\(name) has no effect in this version of Martlet"))
        }
        for (name, user) in evaluation.undefined {
            let place = settings[user]
            warnings.append(
                ConfigurationProblem(
                    file: place?.file ?? "", line: place?.line ?? 0,
                    text: "\(user): $\(name) is not defined and counts as empty"
                        + suggestion(name, (Array(declarations.keys) + Array(settings.keys)).sorted())))
        }
        return warnings
    }

    /// The value of a declared parameter.
    public subscript<Value>(_ parameter: Parameter<Value>) -> Value {
        guard let value = values[parameter.name].flatMap(Value.init) else {
            // Every declaration of the registry is evaluated by init, and its kind fits its type (ParametersTests checks all).
            preconditionFailure("parameter \(parameter.name) is not in the registry")
        }
        return value
    }

    /// A limit of one transport: its own if it is set or declared, else the default for all.
    public func transportParameter(_ parameter: TransportParameter, transport: String) -> Int {
        guard let number = transportValue(parameter, transport).flatMap(Int.init) else {
            preconditionFailure("parameter \(parameter.fallback.name) is not a number")
        }
        return number
    }

    /// A setting of one transport that is text, as ``transportParameter(_:transport:)``.
    public func transportText(_ parameter: TransportParameter, transport: String) -> String {
        guard let text = transportValue(parameter, transport).flatMap(String.init) else {
            preconditionFailure("parameter \(parameter.fallback.name) is not a text")
        }
        return text
    }

    private func transportValue(_ parameter: TransportParameter, _ transport: String) -> ParsedValue? {
        values[transport + parameter.rawValue] ?? values[parameter.fallback.name]
    }

    /// The expanded text of any name: declared, of a transport, or the administrator's own; nil where it is unknown.
    public func text(of name: String) -> String? { texts[name] }

    /// The value of a parameter that is a time; nil where there is no such parameter.
    public func seconds(of name: String) -> Int? {
        guard case .time? = declaration(of: name)?.kind else { return nil }
        return values[name].flatMap(Int.init)
    }

    /// The text of a name as it is set, without expansion; nil where it is not set.
    public func explicitText(of name: String) -> String? { settings[name]?.text }

    /// The line of main.cf at which a name is set; nil where it is not set there.
    public func line(of name: String) -> Int? { settings[name].flatMap { $0.line > 0 ? $0.line : nil } }

    /// The names that are set explicitly, in order.
    public var explicitNames: [String] { settings.keys.sorted() }

    /// The declaration of a name, also of a transport's parameter.
    public func declaration(of name: String) -> ParameterDeclaration? { Parameters.byName[name] ?? transports[name] }
}
