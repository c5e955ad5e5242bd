// Who owns what, and who may write it: the queue, the programs, the set-group-id commands, the configuration.
//
// As Postfix's post-install and `postfix check` have it; what is there is left as it is, and what is strange is a warning.

import MailConfiguration
import MailModel
import SystemKit

extension ConfigurationCheck {
    /// RFC 952 and RFC 1123 section 2.1: letters, digits, hyphens; not all digits, because it would be read as an address.
    mutating func checkHostName(_ main: Configuration) {
        for parameter in [Parameters.myhostname, Parameters.mydomain] {
            let name = main[parameter]
            let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            func isLabel(_ label: Substring.UTF8View) -> Bool {
                (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                    && label.allSatisfy { ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 >= 0x80 }
            }
            let isNumeric = name.utf8.allSatisfy { ASCII.isDigit($0) || $0 == UInt8(ascii: ".") }
            if labels.isEmpty || isNumeric || name.utf8.count > 255 || !labels.allSatisfy(isLabel) {
                error(parameter.name, "\"\(name)\" is not a host name")
            }
        }
    }

    /// The queue directories that exist: owner, group and mode as master would make them.
    mutating func checkQueueLayout(_ main: Configuration, isRoot: Bool) {
        let queue = main[Parameters.queueDirectory]
        guard let owners = try? QueueLayout.owners(main) else { return }
        for entry in QueueLayout(owners).entries {
            let path = "\(queue)/\(entry.name)"
            guard let status = try? Files.linkStatus(of: path) else { continue }
            if !status.isDirectory {
                error("queue_directory", "\(path) is not a directory")
                continue
            }
            if isRoot && (status.owner != entry.owner || status.group != entry.group) {
                warn(path, "belongs to \(status.owner):\(status.group) instead of \(entry.owner):\(entry.group)")
            }
            // With the sticky bit of maildrop.
            if status.mode & 0o1777 & ~entry.mode != 0 {
                warn(path, "its mode \(Self.octal(status.mode)) gives more rights than \(Self.octal(entry.mode))")
            } else if status.mode & 0o1777 != entry.mode {
                warn(path, "its mode is \(Self.octal(status.mode)) instead of \(Self.octal(entry.mode))")
            }
        }
    }

    /// In an installation of root's: nobody else may change what root runs or reads, and the commands have their group.
    mutating func checkRights(_ main: Configuration) {
        // A private instance of root's has no other accounts, and nothing to protect from them.
        if main[Parameters.mailOwner] == "root" { return }
        let programs = main[Parameters.daemonDirectory]
        var paths = [directory, mainPath, masterPath, programs]
        paths += ((try? Files.directoryEntries(programs)) ?? []).sorted().map { "\(programs)/\($0)" }
        for path in paths {
            guard let status = try? Files.status(of: path) else { continue }
            if status.owner != 0 { warn(path, "does not belong to root") }
            if status.mode & 0o022 != 0 && path != mainPath && path != masterPath { warn(path, "can be written by others than its owner") }
        }
        checkReading(main)
        guard let group = (try? UserDatabase.group(named: main[Parameters.setgidGroup])) ?? nil else { return }
        for name in ["postdrop", "postqueue"] {
            let path = "\(main[Parameters.commandDirectory])/\(name)"
            guard let status = try? Files.status(of: path) else {
                error("command_directory", "there is no \(path)")
                continue
            }
            if status.group != group.gid || status.mode & 0o2000 == 0 {
                warn(path, "is not set-group-id to \(main[Parameters.setgidGroup]): ordinary users cannot use it")
            }
        }
    }

    /// The programs of the mail system have the configuration from master, which root runs; but `sendmail`, `postdrop` and `postqueue` read main.cf as
    /// whoever calls them, and the file that `myorigin` names with it. Nobody but root needs master.cf.
    private mutating func checkReading(_ main: Configuration) {
        let origin = main.explicitText(of: "myorigin").flatMap { $0.hasPrefix("/") ? $0 : nil }
        var needed: [(path: String, bit: UInt32)] = [(directory, 0o001), (mainPath, 0o004)]
        if let origin { needed.append((origin, 0o004)) }
        for (path, bit) in needed {
            guard let status = try? Files.status(of: path), status.mode & bit == 0 else { continue }
            warn(path, "its mode \(Self.octal(status.mode)) keeps ordinary users out: their sendmail and postqueue have no configuration")
        }
    }

    /// The jail, and what programs outside of `private` are told to reach there.
    mutating func checkJail(_ main: Configuration, _ master: MasterFile) {
        if main[Parameters.mailOwner] == "root" { return }
        let jail = main[Parameters.jailDirectory]
        let isUsed = master.entries.contains { $0.isChrooted && $0.canBeJailed }
        // master makes one that is missing.
        if isUsed, (try? Files.exists(jail)) == true {
            do throws(SystemError) {
                if let problem = try JailDirectory.problem(jail) { error("jail_directory", problem) }
            } catch {
                self.error("jail_directory", error.description)
            }
        }
        let privatePrefixes = ["private/", main[Parameters.queueDirectory] + "/private/"]
        for parameter in [
            Parameters.localTransport, Parameters.defaultTransport, Parameters.relayTransport, Parameters.virtualTransport,
            Parameters.mailboxTransport, Parameters.fallbackTransport,
        ] {
            let value = main[parameter]
            let words = value.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard words.count == 3, words[1] == "unix" else { continue }
            let path = String(words[2])
            if privatePrefixes.contains(where: path.hasPrefix) {
                error(
                    parameter.name,
                    "\(main[Parameters.networkOwner]), as whom smtp and lmtp run, cannot enter private; "
                        + "put the socket \(path) elsewhere, such as unix:/run/dovecot/lmtp")
            }
        }
    }

    private static func octal(_ mode: UInt32) -> String { "0" + String(mode & 0o7777, radix: 8) }

    private mutating func warn(_ path: String, _ text: String) {
        addWarning(ConfigurationProblem(file: path, line: 0, text: text))
    }
}
