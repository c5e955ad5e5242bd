// Variable envelope return paths: a bounce address that names the recipient, so that list software knows whose mail came back.
//
// The form is Postfix's (VERP_README): prefix@origin for user@domain becomes prefix+user=domain@origin.

/// The two characters around the recipient's local-part.
public struct VERPDelimiters: Hashable, Sendable {
    public let first: UInt8
    public let second: UInt8

    /// nil unless these are two printable characters, none of them a letter, a digit, `@`, or a space.
    public init?(_ text: some Collection<UInt8>) {
        guard text.count == 2, let first = text.first, let second = text.dropFirst().first, Self.isUsable(first), Self.isUsable(second)
        else { return nil }
        self.first = first
        self.second = second
    }

    private static func isUsable(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "@") && !ASCII.isAlphanumeric(byte)
    }

    public var text: [UInt8] { [first, second] }

    /// The bounce address of one recipient. The null sender stays: it has no bounces.
    public func sender(_ sender: MailAddress, for recipient: MailAddress) -> MailAddress {
        guard !sender.isNull else { return sender }
        var out = sender
        out.localPart += [first] + recipient.localPart
        if !recipient.domain.isEmpty { out.localPart += [second] + recipient.domain }
        return out
    }
}
