// Who may submit mail, see the queue, and flush it: `authorized_submit_users`, `authorized_mailq_users`, `authorized_flush_users`.
//
// Security: the real user id is the caller's. Whatever cannot be understood authorizes nobody: these are the only limits on local users.
// Known limits: login names, `!name` and `static:...` only; a `type:table` or `/file` in one of these lists ends the command with status
// 78.

import MailConfiguration
import SystemKit

/// A list of users that may use a command.
struct AuthorizedUsers {
    private let entries: [String]
    private let parameter: String

    init(_ parameter: Parameter<[String]>, _ configuration: Configuration) {
        self.init(entries: configuration[parameter], parameter: parameter.name)
    }

    init(entries: [String], parameter: String) {
        self.entries = entries
        self.parameter = parameter
    }

    /// Ends with status 77 unless the caller is on the list. Root always is (postqueue(1)).
    func requireCaller(to purpose: String) throws(CommandFailure) {
        // The default costs no look-up of the user.
        if entries == ["static:anyone"] { return }
        let id = Privileges.realUser
        if id == 0 { return }
        let name: String
        do throws(SystemError) {
            name = try UserDatabase.user(id: id)?.name ?? "unknown"
        } catch {
            throw CommandFailure(.temporaryFailure, "\(error)")
        }
        guard try matches(name) else { throw CommandFailure(.noPermission, "User \(name)(\(id)) is not allowed to \(purpose)") }
    }

    /// Whether the first entry that matches lets the user in.
    func matches(_ name: String) throws(CommandFailure) -> Bool {
        for entry in entries {
            let isNegated = entry.hasPrefix("!")
            let pattern = isNegated ? String(entry.dropFirst()) : entry
            if pattern.hasPrefix("static:") || pattern == name { return !isNegated }
            guard !pattern.contains(":"), !pattern.hasPrefix("/") else {
                throw CommandFailure(.configuration, "\(parameter): only login names and static: are supported, not \(pattern)")
            }
        }
        return false
    }
}
