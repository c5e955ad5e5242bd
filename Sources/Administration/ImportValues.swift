// Values of a Postfix configuration in the form that Martlet takes: paths below the old directory, types of tables, restrictions.
//
// Known limits: the text of a value is looked at word by word; a table that hides behind the administrator's own parameters is found by
// expanding it, and then stands there expanded.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

/// Where a value stands.
struct ImportPlace {
    let file: String
    let line: Int
    let name: String
}

/// Converts values and gathers what they need.
struct ImportValues {
    /// The directory that is read, and the one that is written.
    let source: String
    let target: String
    /// The last value of each name in the old main.cf.
    let settings: [String: String]
    private(set) var findings: [ImportFinding] = []
    /// Files below the old directory that values name, and their place in the new one.
    private(set) var files: [String: String] = [:]
    /// Tables to be indexed: the source's place in the new configuration, and its form.
    private(set) var tables: [String: TableSource.Format] = [:]

    init(source: String, target: String, settings: [String: String]) {
        self.source = source
        self.target = target
        self.settings = settings
    }

    mutating func note(_ place: ImportPlace, _ kind: ImportFinding.Kind, isSerious: Bool = false, _ text: String) {
        findings.append(ImportFinding(place.file, place.line, place.name, kind, isSerious: isSerious, text))
    }

    /// The new value; nil where nothing of it is left.
    mutating func convert(_ value: String, _ place: ImportPlace) -> String? {
        if place.name.hasSuffix("_restrictions") { return restrictions(value, place) }
        guard case .list? = Parameters.byName[place.name]?.kind else { return moved(value) }
        let words = WordList.split(value)
        var kept: [String] = []
        for word in words {
            guard let table = table(word) else {
                kept.append(moved(word))
                continue
            }
            if let new = convert(table: table, place) { kept.append(new) }
        }
        if kept.isEmpty && !words.isEmpty { return nil }
        // The administrator's own spelling, where nothing had to be changed.
        return kept == words ? value : kept.joined(separator: ", ")
    }

    /// The `type:name` that a word is, or becomes by expansion; nil for any other word.
    private func table(_ word: String) -> String? {
        var text = word
        if word.contains("$") {
            // A whole parameter is carried over by its own name.
            let bare = word.filter { !"${}()".contains($0) }
            if Parameters.byName[bare] != nil && word.first == "$" && TextExpansion.names(in: word).count == 1
                && bare.count >= word.count - 3
            {
                return nil
            }
            text = expanded(word)
        }
        let type = text.hasPrefix("proxy:") ? text.dropFirst(6).prefix { $0 != ":" } : text.prefix { $0 != ":" }
        guard text.contains(":"), Self.knownTypes.contains(String(type.drop { $0 == "!" })) else { return nil }
        return text
    }

    private func expanded(_ text: String, depth: Int = 0) -> String {
        let result = try? TextExpansion.expand(text) { name throws(ExpansionError) in
            switch name {
            case "config_directory": return source
            case "default_database_type": return settings[name] ?? "hash"
            default:
                guard depth < 20 else { throw ExpansionError("too deep") }
                return settings[name].map { expanded($0, depth: depth + 1) } ?? Parameters.byName[name]?.defaultText
            }
        }
        return result ?? text
    }

    /// All types of Postfix.
    private static let knownTypes: Set<String> = Set(TableSpecification.types).union([
        "dbm", "sdbm", "ldap", "mysql", "pgsql", "sqlite", "mongodb", "nis", "nisplus", "netinfo", "tcp", "socketmap", "memcache",
        "pipemap",
        "unionmap", "randmap", "environ", "internal", "proxy",
    ])

    /// A table in its new form; nil where it cannot be carried over.
    private mutating func convert(table text: String, _ place: ImportPlace) -> String? {
        let table = TableSpecification(text)
        let isProxied = text.hasPrefix("proxy:")
        func spelled(_ type: String, _ name: String) -> String { (isProxied ? "proxy:" : "") + type + ":" + name }
        switch table.type {
        case "hash", "btree", "dbm", "sdbm", "lmdb", "cdb":
            let new = moved(table.name)
            guard exists(table.name) else {
                note(
                    place, .unsupported, isSerious: true,
                    "\(text): there is no text \(table.name) from which a new index could be built; the table is left out")
                return nil
            }
            let isAliases = place.name.hasPrefix("alias_")
            tables[new] = isAliases ? .aliases : .table
            if !["lmdb", "cdb"].contains(table.type) {
                note(place, .changed, "\(text) becomes lmdb:\(new), built anew from its text; postmap builds \(new).lmdb from now on")
            }
            return spelled(table.type == "cdb" ? "cdb" : "lmdb", new)
        case "texthash", "regexp", "pcre", "cidr":
            if table.name.hasPrefix("{") { return text }
            if !exists(table.name) {
                note(place, .unsupported, isSerious: true, "\(text): there is no file \(table.name); the table is left out")
                return nil
            }
            return spelled(table.type, moved(table.name))
        case "inline", "static", "unix", "fail": return text
        default:
            note(
                place, .unsupported, isSerious: true,
                "\(text): there are no tables of type \(table.type); what only this table knows is not known any more")
            return nil
        }
    }

    private func exists(_ path: String) -> Bool { (try? Files.status(of: path))?.isRegularFile == true }

    /// A value with the paths below the old directory replaced by their place in the new one, which are gathered.
    private mutating func moved(_ value: String) -> String {
        var out = ""
        var rest = value[...]
        let spellings = ["$config_directory/", "${config_directory}/", "$(config_directory)/", source + "/"]
        scan: while !rest.isEmpty {
            for spelling in spellings where rest.hasPrefix(spelling) {
                let tail = rest.dropFirst(spelling.count)
                let name = tail.prefix { !$0.isWhitespace && !",;{}()\"'".contains($0) }
                let path = source + "/" + name
                guard let status = try? Files.status(of: path), status.isRegularFile, !name.split(separator: "/").contains("..") else {
                    continue
                }
                files[path] = target + "/" + name
                out += target + "/" + name
                rest = tail.dropFirst(name.count)
                continue scan
            }
            out.append(rest.removeFirst())
        }
        return out
    }

    // Restrictions

    /// The words that smtpd knows.
    static let restrictions: Set<String> = [
        "permit", "reject", "defer", "permit_mynetworks", "permit_sasl_authenticated", "permit_auth_destination",
        "reject_unauth_destination",
        "defer_unauth_destination", "reject_unlisted_recipient", "reject_unlisted_sender", "reject_non_fqdn_sender",
        "reject_non_fqdn_recipient", "reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname", "reject_invalid_helo_hostname",
        "reject_invalid_hostname", "reject_unauth_pipelining", "warn_if_reject",
    ]
    private static let accessChecks: Set<String> = [
        "check_client_access", "check_helo_access", "check_sender_access", "check_recipient_access",
    ]

    /// Whether a restriction takes the word behind it.
    private static func takesArgument(_ word: String) -> Bool {
        word.hasPrefix("check_") || word == "sleep" || word.hasPrefix("reject_rbl") || word.hasPrefix("reject_rhsbl")
            || word.hasPrefix("permit_dnswl") || word.hasPrefix("permit_rhswl") || word.hasPrefix("reject_maps_rbl_")
    }

    private mutating func restrictions(_ value: String, _ place: ImportPlace) -> String? {
        let words = WordList.split(value)
        var kept: [String] = []
        var index = 0
        func leaveOut() {
            // What stands before a restriction that is gone would hit the next one.
            if kept.last?.lowercased() == "warn_if_reject" { kept.removeLast() }
        }
        while index < words.count {
            let word = words[index]
            let name = word.lowercased()
            index += 1
            if Self.restrictions.contains(name) {
                kept.append(word)
            } else if Self.accessChecks.contains(name), index < words.count {
                let argument = words[index]
                index += 1
                if let new = convert(table: table(argument) ?? argument, place) { kept += [word, new] } else { leaveOut() }
            } else if let table = table(word), let check = Self.bareTableCheck(place.name) {
                if let new = convert(table: table, place) { kept += [check, new] } else { leaveOut() }
            } else if word.hasPrefix("$"), Parameters.byName[String(word.dropFirst())] != nil {
                kept.append(word)
            } else if word.hasPrefix("$") {
                // A list of the administrator's own.
                let inner = restrictions(expanded(word), place)
                if let inner { kept += WordList.split(inner) }
            } else {
                let argument = Self.takesArgument(name) && index < words.count ? words[index] : nil
                if argument != nil { index += 1 }
                leaveOut()
                let effect = ImportEffects.ofRestriction(name)
                note(
                    place, .unsupported, isSerious: effect.isSerious,
                    "\(word)\(argument.map { " \($0)" } ?? "") is left out: \(effect.text)")
            }
        }
        if kept.isEmpty && !words.isEmpty { return nil }
        return kept == words ? value : kept.joined(separator: ", ")
    }

    /// A table alone in a list means a check of what the list is about.
    private static func bareTableCheck(_ list: String) -> String? {
        for subject in ["client", "helo", "sender", "recipient"] where list == "smtpd_\(subject)_restrictions" {
            return "check_\(subject)_access"
        }
        return list == "smtpd_relay_restrictions" ? "check_recipient_access" : nil
    }
}
