// `forward_path`, `luser_relay` and `command_execution_directory`: text of the administrator with `$home`, `$user`, `$extension` and their like in it.
//
// Security: the values come from the address, so they are filtered (`forward_expansion_filter`), and a slash in an extension is none of a
// path.

import MailConfiguration
import MailModel
import SystemKit

enum ForwardPath {
    /// The files in which a user's forwarding is looked for, in order. One that needs an extension is left out where there is none.
    static func candidates(_ settings: LocalSettings, user: UserRecord, part: LocalPart, address: MailAddress) -> [String] {
        settings.forwardPath.compactMap { template in
            if part.extension == nil, template.contains("extension") || template.contains("recipient_delimiter") { return nil }
            let values = values(settings, user: user, part: part, address: address)
            // A text that cannot be expanded is a mistake in main.cf, which the check of the configuration reports.
            guard let path = try? TextExpansion.expand(template, values: { values[$0] }), path.hasPrefix("/") else { return nil }
            return path
        }
    }

    /// The address that `luser_relay` gives.
    static func luserRelay(_ settings: LocalSettings, part: LocalPart, address: MailAddress) -> MailAddress? {
        let values = values(settings, user: nil, part: part, address: address)
        guard let text = try? TextExpansion.expand(settings.luserRelay, values: { values[$0] }), !text.isEmpty else { return nil }
        return MailAddress(text)
    }

    /// Where a command runs (`command_execution_directory`); nil where the parameter is empty or cannot be expanded.
    static func commandDirectory(_ settings: LocalSettings, user: UserRecord?, part: LocalPart, address: MailAddress) -> String? {
        guard !settings.commandDirectory.isEmpty else { return nil }
        let values = values(settings, user: user, part: part, address: address)
        guard let path = try? TextExpansion.expand(settings.commandDirectory, values: { values[$0] }), path.hasPrefix("/") else {
            return nil
        }
        return path
    }

    private static func values(_ settings: LocalSettings, user: UserRecord?, part: LocalPart, address: MailAddress) -> [String: String] {
        func safe(_ bytes: [UInt8]) -> String { CommandText.filtered(bytes, allowed: LocalSettings.safeCharacters) }
        func name(_ bytes: [UInt8]) -> String { String(safe(bytes).map { $0 == "/" ? "_" : $0 }) }
        var values = [
            "user": name(part.user), "local": name(part.whole), "domain": name(address.domain), "recipient": name(address.internalForm),
            "home": user?.home ?? "", "shell": user?.shell ?? "",
        ]
        if let part = part.extension {
            values["extension"] = name(part)
            values["recipient_delimiter"] = settings.recipientDelimiter.utf8.first.map { String(decoding: [$0], as: UTF8.self) } ?? ""
        }
        return values
    }
}
