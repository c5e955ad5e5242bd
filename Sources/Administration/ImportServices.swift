// The services of a Postfix master.cf as Martlet's.
//
// Martlet's programs serve many clients at a time, so that limits of processes are not carried over; the jail comes without a chroot column.
// Every service that Martlet needs is there, whatever the old file had.

import LookupTables
import MailConfiguration
import MailModel
import SystemKit

/// The conversion of master.cf.
struct ImportServices {
    /// A line of the new master.cf.
    struct Service {
        var name: String
        var type: String
        /// private, unpriv, chroot, wakeup, maxproc.
        var columns: [String]
        var command: String
        var options: [(name: String, value: String)] = []

        var text: String {
            func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.utf8.count)) }
            var out = padded(name, 14) + padded(type, 5)
            for (column, width) in zip(columns, [8, 7, 7, 7, 8]) { out += padded(column, width) }
            out += command
            for option in options {
                let setting = "\(option.name)=\(option.value)"
                out += "\n  -o " + (setting.contains(where: \.isWhitespace) ? "{ \(option.name) = \(option.value) }" : setting)
            }
            return out + "\n"
        }
    }

    private(set) var services: [Service] = [
        Service(name: "pickup", type: "unix", columns: ["n", "y", "n", "60", "1"], command: "pickup"),
        Service(name: "cleanup", type: "unix", columns: ["n", "y", "n", "-", "1"], command: "cleanup"),
        Service(name: "qmgr", type: "unix", columns: ["n", "y", "n", "300", "1"], command: "qmgr"),
        Service(name: "bounce", type: "unix", columns: ["-", "y", "n", "-", "1"], command: "bounce"),
        Service(name: "resolver", type: "unix", columns: ["-", "y", "n", "-", "1"], command: "resolver"),
        Service(name: "smtp", type: "unix", columns: ["-", "y", "n", "-", "2"], command: "smtp"),
        Service(name: "relay", type: "unix", columns: ["-", "y", "n", "-", "2"], command: "smtp"),
        Service(name: "lmtp", type: "unix", columns: ["-", "y", "n", "-", "1"], command: "smtp"),
        Service(name: "local", type: "unix", columns: ["-", "n", "n", "-", "-"], command: "local"),
    ]
    /// Transports that are not there any more, with the place of the old one.
    private(set) var lostTransports: [String: ImportPlace] = [:]
    /// Transports that go by another name.
    private(set) var renamedTransports: [String: String] = [:]
    private var listeners: [Service] = []
    private let file: String

    private static let answered: Set<String> = ["error", "retry", "discard", "defer", "trace"]
    private static let needless: Set<String> = [
        "tlsmgr", "trivial-rewrite", "proxymap", "scache", "anvil", "showq", "flush", "verify", "postlogd", "tlsproxy", "dnsblog", "error",
        "discard", "bounce",
    ]

    init(_ text: MasterText, file: String, values: inout ImportValues) {
        self.file = file
        for problem in text.problems {
            values.note(
                ImportPlace(file: file, line: problem.line, name: "master.cf"), .unsupported, isSerious: true,
                "the line is no service: \(problem.text)")
        }
        for entry in text.entries { add(entry, text, &values) }
        services = listeners + services
    }

    private mutating func add(_ entry: MasterText.Entry, _ text: MasterText, _ values: inout ImportValues) {
        let place = ImportPlace(file: file, line: entry.line, name: "\(entry.service)/\(entry.type)")
        let command = entry.words[7]
        switch command {
        case "smtpd" where entry.type == "inet":
            let isMain = entry.service == "smtp" || entry.service == "25"
            listeners.append(
                Service(
                    name: entry.service, type: "inet", columns: ["n", "y", "n", "-", isMain ? "2" : "1"], command: "smtpd",
                    options: options(entry, place, &values)))
        case "postscreen":
            let behind = text.entries.first { $0.type == "pass" && $0.words[7] == "smtpd" }
            listeners.append(
                Service(
                    name: entry.service, type: "inet", columns: ["n", "y", "n", "-", "2"], command: "smtpd",
                    options: behind.map { options($0, place, &values) } ?? []))
            values.note(place, .changed, "smtpd listens in postscreen's place; postscreen's tests and block lists are not there")
        case "smtpd" where entry.type == "pass": break
        case "pickup", "cleanup", "qmgr", "nqmgr", "oqmgr", "local":
            let own = command.hasSuffix("qmgr") ? "qmgr" : command
            if let index = services.firstIndex(where: { $0.name == entry.service }) {
                services[index].options = options(entry, place, &values)
            } else if own == "cleanup" || own == "local" {
                services.append(
                    Service(
                        name: entry.service, type: "unix",
                        columns: [own == "cleanup" ? "n" : "-", own == "cleanup" ? "y" : "n", "n", "-", own == "cleanup" ? "1" : "-"],
                        command: own, options: options(entry, place, &values)))
            } else {
                values.note(place, .unsupported, "a second \(own) is not possible")
            }
        case "smtp", "lmtp":
            let settings = options(entry, place, &values)
            if let index = services.firstIndex(where: { $0.name == entry.service && $0.type == "unix" }) {
                services[index].options = settings
            } else if command == "smtp" {
                services.append(
                    Service(name: entry.service, type: "unix", columns: ["-", "y", "n", "-", "1"], command: "smtp", options: settings))
            } else {
                renamedTransports[entry.service] = "lmtp"
                values.note(
                    place, settings.isEmpty ? .changed : .unsupported,
                    "the transport is named lmtp now\(settings.isEmpty ? "" : "; its options are not carried over")")
            }
        case _ where Self.needless.contains(command):
            if command == "error" || command == "discard" || command == "bounce", !Self.answered.contains(entry.service),
                entry.service != "bounce"
            {
                lose(entry, place, "only the transports error, retry and discard are there", &values)
            } else {
                values.note(place, .needless, "\(command) is not needed")
            }
        case "virtual":
            lostTransports[entry.service] = place
            // It is named in every master.cf. Where it is used, that is said at the parameter.
            values.note(place, .needless, "there is no virtual(8)")
        case "pipe": lose(entry, place, "there is no pipe(8)", &values)
        case "spawn":
            values.note(
                place, .unsupported, isSerious: true, "there is no spawn(8): the command does not run as a service of the mail system")
        default: lose(entry, place, "there is no program \(command)", &values)
        }
    }

    private mutating func lose(_ entry: MasterText.Entry, _ place: ImportPlace, _ text: String, _ values: inout ImportValues) {
        lostTransports[entry.service] = place
        // Debian's master.cf has half a dozen that nobody uses.
        let isNamed = values.settings.values.contains { $0 == entry.service || $0.contains(entry.service + ":") }
        if isNamed {
            values.note(place, .unsupported, "\(text): mail that is routed to \(entry.service): waits in the queue")
        } else {
            values.note(place, .needless, "\(text); no parameter names this transport")
        }
    }

    /// The -o options that have a meaning here.
    private func options(_ entry: MasterText.Entry, _ place: ImportPlace, _ values: inout ImportValues) -> [(name: String, value: String)] {
        var kept: [(name: String, value: String)] = []
        for (_, name, value) in entry.parameters {
            let spot = ImportPlace(file: place.file, line: place.line, name: name)
            guard ImportMain.isCarried(name, services: []) else {
                // To switch something off that is not there is no loss.
                if value.isEmpty || value == "no" || ImportEffects.ownPlaces.contains(name) { continue }
                let effect = ImportEffects.of(name)
                values.note(spot, .unsupported, isSerious: effect.isSerious, "-o \(name)=\(value) of \(place.name): \(effect.text)")
                continue
            }
            guard let new = values.convert(value, spot) else { continue }
            if let reason = ImportMain.objection(to: name, new) {
                values.note(spot, .unsupported, "-o \(name)=\(value) of \(place.name): \(reason)")
            } else {
                kept.append((name, new))
            }
        }
        return kept
    }

    /// The new master.cf.
    func text(comment: String) -> String {
        var out = comment
        out += "# service     type private unpriv chroot wakeup maxproc command + options\n"
        for service in services { out += service.text }
        return out
    }
}
