// Lists of main.cf whose words are tables, networks, or names of hosts: whether each of them is there and can be read.
//
// A table whose file is missing is a warning: the mail system works, and defers what would need it, as Postfix's does. So is its start at the boot
// of a host, where nobody is there to mend it, and so is a reload, which must not be refused for what the running system goes on with.
//
// Known limits: whether an address of inet_interfaces is one of this system is known only when master listens there.

import LookupTables
import MailConfiguration
import SystemKit

extension ConfigurationCheck {
    /// Parameters whose words are all tables, and those whose words match domains, clients or tables.
    static let tableParameters: [Parameter<[String]>] = [
        Parameters.localRecipientMaps, Parameters.aliasMaps, Parameters.virtualAliasMaps, Parameters.virtualMailboxMaps,
        Parameters.transportMaps, Parameters.relayRecipientMaps, Parameters.mailboxCommandMaps,
    ]
    static let listParameters: [Parameter<[String]>] = [
        Parameters.mydestination, Parameters.mynetworks, Parameters.relayDomains, Parameters.virtualAliasDomains,
        Parameters.virtualMailboxDomains,
    ]

    mutating func checkTables(_ main: Configuration) {
        var seen: Set<String> = []
        // A table that several parameters name is reported once, at one that is set.
        let parameters = Self.tableParameters.filter { main.line(of: $0.name) != nil } + Self.tableParameters
        for parameter in parameters {
            for word in main[parameter] where seen.insert(word).inserted {
                checkAge(TableSpecification(word), parameter.name, main)
                let isSubstituting = parameter.name != "alias_maps"
                for problem in TableSet(specifications: [word], allowsSubstitution: isSubstituting).problems() {
                    note(problem, parameter.name)
                }
            }
        }
        for parameter in Self.listParameters {
            for word in main[parameter] where seen.insert(word).inserted {
                for problem in MatchList([word]).problems() { note(problem, parameter.name) }
            }
        }
    }

    private mutating func note(_ problem: LookupError, _ name: String) {
        let text = "\(name): \(Self.text(of: problem))"
        let found = ConfigurationProblem(file: mainPath, line: main?.line(of: name) ?? 0, text: text)
        if problem.isFileMissing { addWarning(found) } else { addError(found) }
    }

    static func text(of problem: LookupError) -> String {
        problem.isFileMissing ? "\(problem): without it mail is deferred" : problem.description
    }

    /// A table that was not built again after its source was edited answers from the past.
    private mutating func checkAge(_ table: TableSpecification, _ name: String, _ main: Configuration) {
        guard table.isIndexed, let source = try? Files.status(of: table.name), let index = try? Files.status(of: table.indexPath),
            source.modified > index.modified
        else { return }
        let command = main[Parameters.aliasDatabase].contains(table.description) ? "newaliases" : "martlet map build \(table.description)"
        addWarning(
            ConfigurationProblem(
                file: mainPath, line: main.line(of: name) ?? 0,
                text: "\(name): \(table.name) is newer than the table that was built from it (\(command))"))
    }

    /// The lists of restrictions, in which `check_..._access` is followed by a table.
    static let restrictionParameters: [Parameter<[String]>] = [
        Parameters.smtpdClientRestrictions, Parameters.smtpdHELORestrictions, Parameters.smtpdSenderRestrictions,
        Parameters.smtpdRelayRestrictions, Parameters.smtpdRecipientRestrictions, Parameters.smtpdDataRestrictions,
        Parameters.smtpdEndOfDataRestrictions,
    ]

    mutating func checkAccessTables(_ main: Configuration) {
        for (name, problem) in accessProblems(main, in: Set(Self.restrictionParameters.map(\.name))) { note(problem, name) }
    }

    /// What is wrong with access tables in some lists of restrictions, by name; a table that several name is reported once.
    func accessProblems(_ main: Configuration, in names: Set<String>) -> [(name: String, problem: LookupError)] {
        var seen: Set<String> = []
        var problems: [(String, LookupError)] = []
        for parameter in Self.restrictionParameters where names.contains(parameter.name) {
            let words = main[parameter]
            for (word, next) in zip(words, words.dropFirst()) where word.hasPrefix("check_") && word.hasSuffix("_access") {
                guard seen.insert(next).inserted else { continue }
                problems += TableSet(specifications: [next]).problems().map { (parameter.name, $0) }
            }
        }
        return problems
    }

    /// Names of hosts in inet_interfaces are looked up when master starts; what cannot be found now will stop it then.
    mutating func checkInterfaces(_ main: Configuration) {
        for word in main[Parameters.inetInterfaces] where !["all", "loopback-only", "localhost"].contains(word.lowercased()) {
            let bare = word.hasPrefix("[") && word.hasSuffix("]") ? String(word.dropFirst().dropLast()) : word
            do throws(SystemError) {
                _ = try SocketAddress.resolve(host: bare, port: "25")
            } catch {
                self.error(Parameters.inetInterfaces.name, "\(word) is neither an address nor a name that can be found")
            }
        }
    }
}
