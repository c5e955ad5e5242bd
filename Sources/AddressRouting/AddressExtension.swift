// `user+extension`: splitting a local-part at the recipient delimiter.

import MailModel

/// `recipient_delimiter`, with the rule for list names.
struct RecipientDelimiter: Sendable, Hashable {
    /// Each of these characters separates; none for no extensions.
    var characters: [UInt8] = []
    /// `owner_request_special`: with `-` as delimiter `owner-list` and `list-request` are whole names.
    var keepsListNames = true
}

enum AddressExtension {
    /// The user name and the extension with its delimiter; nil where there is none.
    ///
    /// Names of the mail system are never split (Postfix split_addr); with `-` as delimiter neither are `owner-list` and `list-request`.
    static func split(_ localPart: [UInt8], delimiters: RecipientDelimiter) -> (user: [UInt8], extension: [UInt8])? {
        let characters = delimiters.characters
        if characters.isEmpty { return nil }
        for name in ["postmaster", "mailer-daemon", "double-bounce"] where ASCII.equalsIgnoringCase(localPart, name.utf8) { return nil }
        if delimiters.keepsListNames, characters.contains(UInt8(ascii: "-")) {
            if ASCII.equalsIgnoringCase(localPart.prefix(6), "owner-".utf8) { return nil }
            if localPart.count > 8, ASCII.equalsIgnoringCase(localPart.suffix(8), "-request".utf8) { return nil }
        }
        guard let index = localPart.firstIndex(where: characters.contains), index > 0 else { return nil }
        return (Array(localPart[..<index]), Array(localPart[index...]))
    }
}
