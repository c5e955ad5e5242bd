// A local-part as `local` reads it: lower case, a user, perhaps an extension (`recipient_delimiter`).

import MailModel

/// The parts of a recipient's local-part.
struct LocalPart: Hashable, Sendable {
    /// The whole, in lower case: names of this host are compared without case, as Postfix does.
    let whole: [UInt8]
    /// The part before the delimiter.
    let user: [UInt8]
    /// The part after it; nil without delimiter.
    let `extension`: [UInt8]?

    /// - Parameters:
    ///   - delimiters: `recipient_delimiter`: each character in it splits; empty for none.
    ///   - ownerIsSpecial: `owner_request_special`: `owner-list` and `list-request` are not split at a minus sign.
    init(_ localPart: [UInt8], delimiters: String, ownerIsSpecial: Bool = true) {
        let lower = localPart.map(ASCII.lowercased)
        whole = lower
        let set = Array(delimiters.utf8)
        // Postfix split_addr: the names of the mail system itself are never split, and there must be a user before the delimiter.
        let isReserved = ["postmaster", "mailer-daemon", "double-bounce"].contains { lower.elementsEqual($0.utf8) }
        let isRequestWithDash =
            ownerIsSpecial && set.contains(UInt8(ascii: "-"))
            && (lower.starts(with: "owner-".utf8) || lower.suffix(8).elementsEqual("-request".utf8))
        if !isReserved, !isRequestWithDash, let at = lower.dropFirst().firstIndex(where: set.contains) {
            user = Array(lower[..<at])
            `extension` = Array(lower[(at + 1)...])
        } else {
            user = lower
            `extension` = nil
        }
    }

    /// The names under which aliases are looked up, in order: the whole, then the user alone.
    var aliasKeys: [[UInt8]] { `extension` == nil ? [whole] : [whole, user] }
}
