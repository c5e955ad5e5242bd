// main.cf of a Postfix installation as Martlet's: the administrator's comments and order stay; what is not carried over stays as a comment.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

/// The conversion of main.cf.
struct ImportMain {
    private(set) var carried = 0
    private(set) var total = 0
    private var out: [String] = []
    private let services: Set<String>
    /// The administrator's own names, with the index of their line.
    private var own: [(index: Int, place: ImportPlace)] = []

    /// Whether a name means something here. Names without an effect are carried over nowhere.
    static func isCarried(_ name: String, services: Set<String>) -> Bool {
        if ImportEffects.ownPlaces.contains(name) || Parameters.withoutEffect.contains(name) { return false }
        if Parameters.byName[name] != nil { return true }
        return TransportParameter.transport(inName: name).map { services.contains($0.transport) } ?? false
    }

    /// Why a value is none for its parameter; nil where it is one. References are taken as they are.
    static func objection(to name: String, _ value: String) -> String? {
        if value.contains("$") { return nil }
        do throws(ConfigurationErrors) {
            _ = try Configuration(text: "\(name) = \(value)\n") { _ in "localhost" }
            return nil
        } catch {
            return error.problems.first { $0.text.hasPrefix(name + ":") }.map { String($0.text.dropFirst(name.utf8.count + 2)) }
        }
    }

    init(_ bytes: [UInt8], file: String, services: ImportServices, values: inout ImportValues) {
        self.services = Set(services.services.filter { $0.type == "unix" }.map(\.name))
        let parsed = MainFile(bytes, file: file)
        for problem in parsed.problems {
            values.note(
                ImportPlace(file: file, line: problem.line, name: "main.cf"), .unsupported, isSerious: true,
                "the line is left out: \(problem.text)")
        }
        var last: [String: Int] = [:]
        for entry in parsed.entries { last[entry.name] = entry.line }
        let entries = Dictionary(parsed.entries.map { ($0.line, $0) }, uniquingKeysWith: { first, _ in first })
        var names: Set<String> = []
        for entry in parsed.entries { names.formUnion(TextExpansion.names(in: entry.value)) }
        var isContinued = false
        for (index, physical) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let text = String(decoding: physical, as: UTF8.self)
            let first = physical.first { !ASCII.isSpace($0) }
            if first == nil || first == UInt8(ascii: "#") {
                out.append(text)
                continue
            }
            if physical.first.map(ASCII.isSpace) ?? false, isContinued { continue }
            isContinued = true
            guard let entry = entries[index + 1] else {
                out.append("#" + text)
                continue
            }
            total += 1
            let place = ImportPlace(file: file, line: entry.line, name: entry.name)
            if last[entry.name] != entry.line {
                values.note(place, .needless, "a later line replaces it")
                out.append("#\(entry.name) = \(entry.value)")
            } else {
                add(entry, place, isReferenced: names.contains(entry.name), services, &values)
            }
        }
        while out.last == "" { out.removeLast() }
        leaveOutUnusedNames(services, &values)
    }

    /// The administrator's own names that only tables referred to, which name their files now, would be unknown parameters.
    private mutating func leaveOutUnusedNames(_ services: ImportServices, _ values: inout ImportValues) {
        for (index, place) in own.reversed() {
            let others = out.enumerated().filter { $0.offset != index && !$0.element.hasPrefix("#") }.map(\.element)
            let options = services.services.flatMap { $0.options.map(\.value) }
            guard !(others + options).contains(where: { TextExpansion.names(in: $0).contains(place.name) }) else { continue }
            out[index] = "#" + out[index]
            carried -= 1
            values.note(place, .needless, "nothing refers to it any more")
        }
    }

    private mutating func add(
        _ entry: MainFileEntry, _ place: ImportPlace, isReferenced: Bool, _ services: ImportServices, _ values: inout ImportValues
    ) {
        let name = entry.name
        func drop(_ out: inout [String]) { out.append("#\(name) = \(entry.value)") }
        if ImportEffects.ownPlaces.contains(name) {
            values.note(place, .needless, "Martlet has its own")
            return drop(&out)
        }
        let isOwnName = Parameters.byName[name] == nil && TransportParameter.transport(inName: name) == nil && isReferenced
        guard Self.isCarried(name, services: self.services) || isOwnName else {
            drop(&out)
            let isDefault = Parameters.byName[name]?.defaultText == entry.value
            if entry.value.isEmpty || isDefault { return values.note(place, .needless, "it is not set to anything") }
            let effect = ImportEffects.of(name)
            let isOff = entry.value == "no" || entry.value == "none"
            return values.note(place, isOff ? .needless : .unsupported, isSerious: effect.isSerious && !isOff, effect.text)
        }
        guard var value = values.convert(entry.value, place) else {
            drop(&out)
            // The default would be tables that may not be there, and lookups that fail for ever.
            if name.hasSuffix("_maps") || name.hasSuffix("_database") { out.append("\(name) =") }
            return
        }
        if let reason = Self.objection(to: name, value) {
            values.note(place, .unsupported, isSerious: true, "the value is not taken, the default holds: \(reason)")
            return drop(&out)
        }
        value = transport(name, value, services, place, &values)
        carried += 1
        if isOwnName { own.append((out.count, place)) }
        out.append("\(name) = \(value)".trimmedOfSpace)
    }

    /// Values that name a transport: by its new name, or `retry:` where there is none, so that mail waits.
    private func transport(
        _ name: String, _ value: String, _ services: ImportServices, _ place: ImportPlace, _ values: inout ImportValues
    ) -> String {
        let names = [
            "local_transport", "default_transport", "relay_transport", "virtual_transport", "mailbox_transport", "fallback_transport",
        ]
        guard names.contains(name), !value.isEmpty else { return value }
        let transport = value.split(separator: ":", omittingEmptySubsequences: false).first.map(String.init) ?? ""
        var result = value
        if let new = services.renamedTransports[transport] { result = new + value.dropFirst(transport.count) }
        if result.contains(":unix:") && !result.contains(":unix:/") {
            values.note(
                place, .changed, isSerious: true,
                "\(value): the socket is looked for below Martlet's queue directory; the program that listens there must make it there")
        } else if result.contains("/var/spool/postfix/") {
            values.note(place, .changed, isSerious: true, "\(value): the socket is in Postfix's queue directory, which goes with Postfix")
        }
        guard services.lostTransports[transport] != nil else { return result }
        values.note(place, .unsupported, isSerious: true, "there is no transport \(transport): mail for it is put off (retry:)")
        return "retry:4.3.5 the transport \(transport) is not there"
    }

    /// What the new main.cf has besides: where mail of a class would have no transport, it waits.
    mutating func complete(_ settings: [String: String], _ services: ImportServices, _ values: inout ImportValues, file: String) {
        let isUsed =
            settings["virtual_mailbox_domains"].map { !$0.isEmpty } ?? settings["virtual_mailbox_maps"].map { !$0.isEmpty } ?? false
        guard isUsed, settings["virtual_transport"] == nil else { return }
        values.note(
            ImportPlace(file: file, line: 0, name: "virtual_transport"), .unsupported, isSerious: true,
            "there is no virtual(8): mail of virtual_mailbox_domains is put off until virtual_transport names another way, perhaps an LMTP server"
        )
        out += [
            "", "# There is no virtual(8): mail of virtual_mailbox_domains is put off.",
            "virtual_transport = retry:4.3.5 virtual mailboxes are not there",
        ]
    }

    func text(comment: String) -> String { comment + out.joined(separator: "\n") + "\n" }
}
