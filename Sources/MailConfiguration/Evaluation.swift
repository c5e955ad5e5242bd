// How main.cf, overrides and defaults become values: lookup of a name, expansion with loop detection, computed defaults.

/// One explicit setting of a parameter.
struct Setting: Sendable {
    let text: String
    let file: String
    let line: Int
}

/// The evaluation of one configuration; used once, while it is loaded.
final class Evaluation {
    private let settings: [String: Setting]
    private let declarations: [String: ParameterDeclaration]
    private let hostName: String
    private let directory: String
    private let readOutside: (String) -> String?
    private var expanded: [String: String] = [:]
    private var inProgress: [String] = []
    /// Names that are used in values and that neither the file nor the registry has.
    private(set) var undefined: [(name: String, user: String)] = []

    init(
        settings: [String: Setting], declarations: [String: ParameterDeclaration], hostName: String, directory: String,
        readOutside: @escaping (String) -> String?
    ) {
        self.settings = settings
        self.declarations = declarations
        self.hostName = hostName
        self.directory = directory
        self.readOutside = readOutside
    }

    /// The expanded value of a name, or nil where it is unknown.
    func value(_ name: String) throws(ExpansionError) -> String? {
        if let known = expanded[name] { return known }
        if inProgress.contains(name) {
            throw ExpansionError("the value refers to itself: " + (inProgress + [name]).map { "$" + $0 }.joined(separator: " -> "))
        }
        inProgress.append(name)
        defer { inProgress.removeLast() }
        var found = try explicitText(name)
        if found == nil { found = try defaultText(name) }
        guard let text = found else {
            if inProgress.count > 1 { undefined.append((name, inProgress[inProgress.count - 2])) }
            return nil
        }
        let result = declarations[name]?.isRaw == true ? text : try expand(text)
        expanded[name] = result
        return result
    }

    private func expand(_ text: String) throws(ExpansionError) -> String {
        try TextExpansion.expand(text) { name throws(ExpansionError) in try self.value(name) }
    }

    private func explicitText(_ name: String) throws(ExpansionError) -> String? {
        if name == "config_directory" { return directory }
        guard let setting = settings[name] else { return nil }
        if name == "myorigin" {
            // Postfix: a myorigin that is a file name stands for the first line of the file (Debian's /etc/mailname).
            let path = try expand(setting.text)
            if path.hasPrefix("/") {
                guard let line = readOutside(path), !line.isEmpty else {
                    throw ExpansionError("the file \(path) cannot be read or is empty")
                }
                return line.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
            }
        }
        return setting.text
    }

    private func defaultText(_ name: String) throws(ExpansionError) -> String? {
        switch name {
        case "myhostname":
            // As Postfix's mail_params.c: a host name without a dot gets the domain appended.
            if hostName.contains(".") { return hostName }
            var domain: String?
            if settings["mydomain"] != nil { domain = try value("mydomain") }
            return (hostName.isEmpty ? "localhost" : hostName) + "." + (domain ?? "localdomain")
        case "mydomain":
            guard let host = try value("myhostname"), let dot = host.firstIndex(of: "."), host[host.index(after: dot)...] != "" else {
                return "localdomain"
            }
            return String(host[host.index(after: dot)...])
        case "mynetworks":
            return LocalNetworks.text(
                style: try value("mynetworks_style") ?? "", listeners: WordList.split(try value("inet_interfaces") ?? ""),
                interfaces: readOutside("interfaces"))
        default: return declarations[name]?.defaultText
        }
    }
}
