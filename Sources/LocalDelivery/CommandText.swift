// Commands of the administrator (`mailbox_command`, aliases) and of users (`.forward`): how they are executed, and what they may learn.
//
// Security: DESIGN.md, section 1.6. The text of a command comes from configuration, an alias or a `.forward`, never from a message. What
// comes from the message reaches the command in environment variables only, filtered to characters that mean nothing to a shell
// (`command_expansion_filter`): a command line `procmail -a "$EXTENSION"` is expanded by the shell from a value that cannot break out.

import MailModel

/// How a command is to be run.
enum CommandText {
    /// The argument vector for a command: `shell` with the command as its last argument where there is one (`local_command_shell`), the
    /// words themselves where no character needs a shell, else `/bin/sh -c`.
    ///
    /// Postfix exec_command.c: a command without shell characters and without a shell built-in at its start is run directly.
    static func argumentVector(_ command: [UInt8], shell: String = "") -> [String]? {
        guard let text = String(validating: command, as: UTF8.self), !command.contains(0) else { return nil }
        let shellWords = shell.split(separator: " ").map(String.init)
        if !shellWords.isEmpty { return shellWords + [text] }
        let words = command.split(whereSeparator: ASCII.isSpace).map { String(decoding: $0, as: UTF8.self) }
        guard let first = words.first else { return nil }
        let plain = Array("1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ".utf8)
        let isPlain = command.allSatisfy { plain.contains($0) || $0 == UInt8(ascii: "\t") }
        // Without a slash the word may be a built-in, and would need a search of PATH.
        let isAssignment = first.utf8.contains(UInt8(ascii: "="))
        if isPlain && first.utf8.first == UInt8(ascii: "/") && !isAssignment { return words }
        return ["/bin/sh", "-c", text]
    }

    /// The value with every character that is not in `allowed` replaced by `_`.
    static func filtered(_ value: [UInt8], allowed: String) -> String {
        let set = Set(allowed.utf8)
        return String(decoding: value.map { set.contains($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
    }
}

/// What a command learns about the message (local(8), "EXTERNAL COMMAND DELIVERY").
struct CommandEnvironment: Sendable {
    var sender: MailAddress
    var recipient: MailAddress
    var originalRecipient: MailAddress
    var localPart: LocalPart
    var client: ClientFacts
    /// Name, home and shell of the user whose command it is; nil for a command in an alias.
    var user: (name: String, home: String, shell: String)?
    var timeZone: String?
    var path: String
    /// What `export_environment` lets through.
    var exported: [(String, String)] = []

    /// - Parameter allowed: `command_expansion_filter`.
    func variables(allowed: String) -> [(String, String)] {
        func safe(_ value: [UInt8]) -> String { CommandText.filtered(value, allowed: allowed) }
        var out = exported
        if !out.contains(where: { $0.0 == "PATH" }) { out.append(("PATH", path)) }
        if let timeZone { out.append(("TZ", timeZone)) }
        if let user {
            out.append(("USER", user.name))
            out.append(("LOGNAME", user.name))
            out.append(("HOME", user.home))
            out.append(("SHELL", user.shell.isEmpty ? "/bin/sh" : user.shell))
        }
        out.append(("SENDER", safe(sender.externalForm)))
        out.append(("RECIPIENT", safe(recipient.externalForm)))
        out.append(("ORIGINAL_RECIPIENT", safe(originalRecipient.externalForm)))
        out.append(("LOCAL", safe(recipient.localPart)))
        out.append(("DOMAIN", safe(recipient.domain)))
        if let part = localPart.extension { out.append(("EXTENSION", safe(part))) }
        if !client.address.isEmpty {
            out.append(("CLIENT_ADDRESS", safe(Array(client.address.utf8))))
            out.append(("CLIENT_HOSTNAME", safe(Array(client.name.utf8))))
            out.append(("CLIENT_HELO", safe(Array(client.helo.utf8))))
            out.append(("CLIENT_PROTOCOL", safe(Array(client.protocolName.utf8))))
        }
        if !client.login.isEmpty { out.append(("SASL_USERNAME", safe(Array(client.login.utf8)))) }
        return out
    }
}
