// postconf -M, -F, -P: the entries of master.cf, their fields, and the parameters that they set.

import MailConfiguration
import MailModel
import SystemKit

/// One listing or edit of master.cf.
struct PostconfMaster {
    private let session: ClassicSession
    private let options: ClassicOptions
    private let mode: Character
    private let text: MasterText

    /// Names that programs expand at each delivery: `$nexthop` in an argument of pipe is no parameter.
    static let deliveryNames: Set<String> = [
        "user", "home", "shell", "domain", "extension", "recipient", "recipient_delimiter", "local", "nexthop", "sender", "mailbox", "size",
        "original_recipient", "client_address", "client_helo", "client_hostname", "client_port", "client_protocol", "sasl_method",
        "sasl_sender", "sasl_username", "queue_id", "service_name", "process_name",
    ]

    init(_ session: ClassicSession, _ options: ClassicOptions) throws(ClassicFailure) {
        self.session = session
        self.options = options
        mode = options.given(of: "MFP")[0]
        text = MasterText(try session.contents(of: session.masterPath), file: session.masterPath)
        for problem in text.problems { session.warn("\(problem.file): line \(problem.line): \(problem.text)") }
    }

    func run(isEditing: Bool) throws(ClassicFailure) -> Int32 {
        if !isEditing { return try show() }
        let bytes: [UInt8]
        switch mode {
        case "M": bytes = try editEntries()
        case "F": bytes = try editFields()
        default: bytes = try editParameters()
        }
        do throws(SystemError) {
            try MainFileEditor.replace(session.masterPath, with: bytes)
        } catch {
            throw ClassicFailure(error)
        }
        return 0
    }

    /// The parts of `service/type/field`; parts that are missing match all.
    private struct Request {
        let word: String
        let parts: [String]

        init(_ word: String) {
            self.word = word
            parts = word.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        }

        func matches(_ entry: MasterText.Entry) -> Bool { has(0, entry.service) && has(1, entry.type) }

        /// Whether a part is absent, `*`, or this text.
        func has(_ index: Int, _ text: String) -> Bool { index >= parts.count || parts[index] == "*" || parts[index] == text }
    }

    private func show() throws(ClassicFailure) -> Int32 {
        let limit = mode == "M" ? 2 : 3
        let form = ["M": "service_name[/type]", "F": "service_name[/type[/field]]", "P": "service_name[/type[/parameter]]"][mode] ?? ""
        let requests = options.operands.map(Request.init)
        for request in requests where request.parts.count > limit { throw ClassicFailure("-\(mode) option requires \(form)") }
        for request in requests.isEmpty ? [Request("*")] : requests {
            var isFound = false
            for entry in text.entries where request.matches(entry) {
                for (name, value) in items(entry, request) {
                    isFound = true
                    let shown = options.has("x") ? expanded(value) : value
                    let line = mode == "M" ? shown : options.has("H") ? name : options.has("h") ? shown : "\(name) = \(shown)"
                    session.output.line(mode == "M" ? line : PostconfLine.text(line, isFolding: options.has("f")))
                }
            }
            if !isFound && !requests.isEmpty { session.warn("unmatched request: \"\(request.word)\"") }
        }
        Self.warnOfUnused(text.entries, session: session) {
            Parameters.byName[$0] != nil || TransportParameter.transport(inName: $0) != nil
        }
        return 0
    }

    /// What is printed of one entry.
    private func items(_ entry: MasterText.Entry, _ request: Request) -> [(name: String, value: String)] {
        let place = "\(entry.service)/\(entry.type)/"
        switch mode {
        case "M": return [("", MasterText.line(entry, isFolding: options.has("f")))]
        case "F":
            return MasterText.fieldNames.enumerated().filter { request.has(2, $1) }.map { index, name in
                (place + name, name == "command" ? MasterText.command(entry) : entry.words[index])
            }
        default:
            return entry.parameters.filter { request.has(2, $0.name) }.map { (place + $0.name, $0.value) }.sorted { $0.0 < $1.0 }
        }
    }

    private func expanded(_ text: String) -> String {
        guard let main = Configuration.tolerant(directory: session.directory).main else { return text }
        let result = try? TextExpansion.expand(text) { name throws(ExpansionError) in
            Self.deliveryNames.contains(name) ? "${\(name)}" : main.text(of: name)
        }
        return result ?? text
    }

    static func warnOfUnused(_ entries: [MasterText.Entry], session: ClassicSession, isKnown: (String) -> Bool) {
        var seen: Set<String> = []
        for entry in entries {
            for (_, name, value) in entry.parameters where !isKnown(name) && seen.insert("\(name)=\(value)").inserted {
                session.warn("\(session.masterPath): unused parameter: \(name)=\(value)")
            }
        }
    }

    // Editing

    private func request(_ word: String, parts: Int, _ form: String) throws(ClassicFailure) -> Request {
        let request = Request(word)
        guard request.parts.count == parts, !request.parts.contains("") else { throw ClassicFailure(form) }
        return request
    }

    private func editEntries() throws(ClassicFailure) -> [UInt8] {
        let form = "-Me, -MX or -M# requires service_name/type"
        if options.has("X") || options.has("#") {
            var requests: [Request] = []
            for word in options.operands { requests.append(try request(word, parts: 2, form)) }
            return text.edited { entry in
                guard requests.contains(where: { $0.matches(entry) }) else { return .keep }
                return options.has("X") ? .remove : .commentOut
            }
        }
        var replacements: [(request: Request, entry: MasterText.Entry)] = []
        for word in options.operands {
            let assignment = try PostconfCommand.assignment(word)
            let place = try request(assignment.name, parts: 2, form)
            let parsed = MasterText(Array(assignment.value.utf8))
            guard let entry = parsed.entries.first else { throw ClassicFailure("bad field count in \"\(assignment.value)\"") }
            for field in 2..<7 { try check(MasterText.fieldNames[field], entry.words[field], in: assignment.value) }
            replacements.append((place, entry))
        }
        let new = replacements.filter { replacement in !text.entries.contains(where: replacement.request.matches) }
        return text.edited(adding: new.map(\.entry)) { entry in
            replacements.last { $0.request.matches(entry) }.map { .replace($0.entry) } ?? .keep
        }
    }

    private func editFields() throws(ClassicFailure) -> [UInt8] {
        var edits: [(request: Request, field: Int, value: String)] = []
        for word in options.operands {
            let assignment = try PostconfCommand.assignment(word)
            let place = try request(assignment.name, parts: 3, "-Fe requires service_name/type/field_name")
            guard let field = MasterText.fieldNames.firstIndex(of: place.parts[2]) else {
                throw ClassicFailure("invalid service attribute name: \"\(place.parts[2])\"")
            }
            try check(place.parts[2], assignment.value, in: assignment.value)
            if !text.entries.contains(where: place.matches) { session.warn("unmatched service_name/type: \"\(word)\"") }
            edits.append((place, field, assignment.value))
        }
        return text.edited { entry in
            let matching = edits.filter { $0.request.matches(entry) }
            if matching.isEmpty { return .keep }
            var changed = entry
            for edit in matching {
                if MasterText.fieldNames[edit.field] == "command" {
                    changed.words = changed.words.prefix(7) + (MasterWords.split(edit.value) ?? [])
                } else {
                    changed.words[edit.field] = edit.value
                }
            }
            return .replace(changed)
        }
    }

    private func check(_ field: String, _ value: String, in whole: String) throws(ClassicFailure) {
        let isNumber = !value.isEmpty && value.utf8.allSatisfy(ASCII.isDigit)
        let isGood: Bool
        switch field {
        case "type": isGood = ["inet", "unix", "fifo", "pass", "unix-dgram"].contains(value)
        case "private", "unprivileged", "chroot": isGood = ["y", "n", "-"].contains(value)
        case "wakeup": isGood = value == "-" || isNumber || value.hasSuffix("?") && value.dropLast().utf8.allSatisfy(ASCII.isDigit)
        case "process_limit": isGood = value == "-" || isNumber
        default: isGood = !value.isEmpty
        }
        if !isGood { throw ClassicFailure("invalid \(field) field \"\(value)\" in \"\(whole)\"") }
    }

    private func editParameters() throws(ClassicFailure) -> [UInt8] {
        var edits: [(request: Request, value: String?)] = []
        for word in options.operands {
            let name = options.has("X") ? word : try PostconfCommand.assignment(word).name
            let value = options.has("X") ? nil : try PostconfCommand.assignment(word).value
            if value?.contains(where: \.isWhitespace) == true { throw ClassicFailure("-Pe does not accept whitespace in parameter value") }
            let place = try request(name, parts: 3, "-Pe or -PX requires service_name/type/parameter_name")
            if value != nil, !text.entries.contains(where: place.matches) { session.warn("unmatched service_name/type: \"\(word)\"") }
            edits.append((place, value))
        }
        return text.edited { entry in
            var changed = entry
            for edit in edits where edit.request.matches(entry) {
                let found = changed.parameters.filter { edit.request.has(2, $0.name) }
                if let value = edit.value {
                    let setting = "\(edit.request.parts[2])=\(value)"
                    for parameter in found { changed.words[parameter.index] = setting }
                    if found.isEmpty { changed.words.insert(contentsOf: ["-o", setting], at: changed.optionsEnd) }
                } else {
                    for parameter in found.reversed() { changed.words.removeSubrange((parameter.index - 1)...parameter.index) }
                }
            }
            return changed.words == entry.words ? .keep : .replace(changed)
        }
    }
}
