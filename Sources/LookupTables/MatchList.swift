// Lists that match: mydestination, relay_domains, mynetworks and their like. Words are literal text, `.domain`, networks, `/file/name`,
// `type:table`, and `!word` to exclude; the first word that matches decides.
//
// Security: a file or table that cannot be read makes each match fail, because nobody knows what it would have said.

import MailConfiguration
import MailModel
import SystemKit

/// The list of one parameter.
public struct MatchList: Sendable {
    private enum Rule: Sendable {
        case text([UInt8])
        case network(IPNetwork)
        case table(any LookupTable)
        case broken(LookupError)
    }

    private let rules: [(rule: Rule, isNegated: Bool)]
    private let matchesParentDomains: Bool

    /// - Parameters:
    ///   - words: the value of the parameter.
    ///   - matchesParentDomains: whether `example.org` also matches its subdomains (`parent_domain_matches_subdomains`); `.example.org`
    ///     always matches them.
    public init(_ words: [String], matchesParentDomains: Bool = false) {
        var rules: [(Rule, Bool)] = []
        Self.add(words, to: &rules, isNegated: false, depth: 0)
        self.rules = rules
        self.matchesParentDomains = matchesParentDomains
    }

    private static func add(_ words: [String], to rules: inout [(Rule, Bool)], isNegated: Bool, depth: Int) {
        for word in words {
            var text = word[...]
            var isNegated = isNegated
            while text.first == "!" {
                isNegated.toggle()
                text = text.dropFirst()
            }
            if text.isEmpty { continue }
            if text.first == "/" {
                let path = String(text)
                FileWatch.ofProcess.add(path)
                do throws(SystemError) {
                    let bytes = try Files.contents(of: path, limit: 64 << 20)
                    let inner = LogicalLine.split(bytes).flatMap { WordList.split(String(decoding: $0.text, as: UTF8.self)) }
                    if depth >= 10 {
                        rules.append((.broken(LookupError(table: path, reason: "files are nested too deep")), isNegated))
                    } else {
                        add(inner, to: &rules, isNegated: isNegated, depth: depth + 1)
                    }
                } catch {
                    let problem = LookupError(table: path, reason: error.description, isFileMissing: error.isNotFound)
                    rules.append((.broken(problem), isNegated))
                }
            } else if text.first != "[", let colon = text.firstIndex(of: ":"), IPNetwork(text.utf8) == nil, colon != text.startIndex {
                rules.append((.table(TableSpecification(String(text)).open()), isNegated))
            } else if let network = IPNetwork(text.utf8) {
                rules.append((.network(network), isNegated))
            } else if text.first == "[" || text.contains("/") {
                let reason = "\"\(text)\" is not a network (address/bits without bits set after them)"
                rules.append((.broken(LookupError(table: String(text), reason: reason)), isNegated))
            } else {
                rules.append((.text(text.utf8.map(ASCII.lowercased)), isNegated))
            }
        }
    }

    public var isEmpty: Bool { rules.isEmpty }

    /// What is wrong with the files, tables and networks of the list.
    public func problems() -> [LookupError] {
        var problems: [LookupError] = []
        for (rule, _) in rules {
            switch rule {
            case .broken(let error): problems.append(error)
            case .table(let table): do throws(LookupError) { try table.check() } catch { problems.append(error) }
            case .text, .network: break
            }
        }
        return problems
    }

    /// Whether a domain or host name is in the list.
    public func matches(domain: [UInt8]) throws(LookupError) -> Bool {
        let domain = domain.map(ASCII.lowercased)
        return try matches { rule throws(LookupError) in
            switch rule {
            case .text(let text): return matchesDomain(domain, text)
            case .network(let network): return IPAddressBits(domain).map(network.contains) ?? false
            case .table(let table): return try tableHas(table, domain: domain)
            case .broken(let error): throw error
            }
        }
    }

    /// Whether a client is in the list: by its address (`192.0.2.1`, `2001:db8::1`) or, where it is known and verified, by its name.
    public func matches(address: String, name: String? = nil) throws(LookupError) -> Bool {
        let bits = IPAddressBits(address.utf8)
        let addressBytes = Array(address.utf8)
        let nameBytes = name.map { $0.utf8.map(ASCII.lowercased) }
        return try matches { rule throws(LookupError) in
            switch rule {
            case .text(let text): return text == addressBytes.map(ASCII.lowercased) || (nameBytes.map { matchesDomain($0, text) } ?? false)
            case .network(let network): return bits.map(network.contains) ?? false
            case .table(let table):
                if let nameBytes, try tableHas(table, domain: nameBytes) { return true }
                return try table.lookup(addressBytes) != nil
            case .broken(let error): throw error
            }
        }
    }

    /// Whether a word is in the list, compared without case and without subdomains.
    public func matches(string: [UInt8]) throws(LookupError) -> Bool {
        let string = string.map(ASCII.lowercased)
        return try matches { rule throws(LookupError) in
            switch rule {
            case .text(let text): return text == string
            case .network: return false
            case .table(let table): return try table.lookup(string) != nil
            case .broken(let error): throw error
            }
        }
    }

    private func matches(_ test: (Rule) throws(LookupError) -> Bool) throws(LookupError) -> Bool {
        for (rule, isNegated) in rules {
            if try test(rule) { return !isNegated }
        }
        return false
    }

    private func matchesDomain(_ domain: [UInt8], _ text: [UInt8]) -> Bool {
        if domain == text { return true }
        let dot = UInt8(ascii: ".")
        let suffix = text.first == dot ? text : matchesParentDomains ? [dot] + text : []
        return !suffix.isEmpty && domain.count > suffix.count && domain.suffix(suffix.count).elementsEqual(suffix)
    }

    /// A table is asked for the domain, then (unless it has patterns) for each parent as `.parent`, or `parent` where parents match.
    private func tableHas(_ table: any LookupTable, domain: [UInt8]) throws(LookupError) -> Bool {
        if try table.lookup(domain) != nil { return true }
        if table.isPatternTable { return false }
        var rest = domain[...]
        while let dot = rest.dropFirst().firstIndex(of: UInt8(ascii: ".")) {
            rest = rest[dot...]
            let key = matchesParentDomains ? rest.dropFirst() : rest
            if !key.isEmpty, try table.lookup(Array(key)) != nil { return true }
        }
        return false
    }
}
