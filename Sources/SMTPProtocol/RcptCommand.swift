// RCPT TO:<forward-path> [SP parameters] (RFC 5321 section 4.1.1.3).

public import MailModel

/// A RCPT command whose syntax is right.
public struct RcptCommand: Hashable, Sendable {
    public var recipient: MailAddress
    public var notify: DSNNotify = []
    /// ORCPT as `type;address`, the address decoded; empty without.
    public var originalRecipient: [UInt8] = []

    public init(recipient: MailAddress) { self.recipient = recipient }

    /// Reads what follows `RCPT`.
    ///
    /// - Parameter isSMTPUTF8: whether MAIL declared it.
    public init(
        _ arguments: ArraySlice<UInt8>, grammar: PathGrammar, features: SMTPFeatures, isSMTPUTF8: Bool
    ) throws(SMTPCommandError) {
        let syntax = "Syntax: RCPT TO:<address>"
        guard let pathBytes = arguments.afterKeyword("TO:") else { throw SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), syntax) }
        guard let (address, rest) = RcptCommand.path(pathBytes, grammar.utf8(features.contains(.smtpUTF8))) else {
            throw SMTPCommandError(501, EnhancedStatusCode(5, 1, 3), "Bad recipient address syntax")
        }
        recipient = address
        for parameter in try CommandParameter.split(rest, syntax: syntax) { try apply(parameter, features, isSMTPUTF8) }
        if recipient.isInternationalized && !isSMTPUTF8 {
            throw SMTPCommandError(553, EnhancedStatusCode(5, 6, 7), "Must declare SMTPUTF8 to send unicode address")
        }
    }

    private static func path(_ bytes: ArraySlice<UInt8>, _ grammar: PathGrammar) -> (MailAddress, ArraySlice<UInt8>)? {
        // RFC 5321 section 4.5.1: <postmaster>, without domain and in any case, is always a recipient.
        let postmaster = "<postmaster>"
        if bytes.count >= postmaster.utf8.count, ASCII.equalsIgnoringCase(bytes.prefix(postmaster.utf8.count), postmaster.utf8) {
            return (MailAddress(localPart: Array(bytes.dropFirst().prefix(10)), domain: []), bytes.dropFirst(postmaster.utf8.count))
        }
        return grammar.path(bytes, null: nil).map { ($0.address, $0.rest) }
    }

    private mutating func apply(
        _ parameter: CommandParameter, _ features: SMTPFeatures, _ isSMTPUTF8: Bool
    ) throws(SMTPCommandError) {
        guard features.contains(.dsn) else { throw parameter.unsupported }
        switch parameter.keyword {
        case "NOTIFY":
            guard let value = parameter.value, let decoded = RcptCommand.notify(value) else { throw parameter.bad("NOTIFY") }
            notify = decoded
        case "ORCPT":
            guard let value = parameter.value, let decoded = RcptCommand.originalRecipient(value, isSMTPUTF8) else {
                throw parameter.bad("ORCPT")
            }
            originalRecipient = decoded
        default:
            throw parameter.unsupported
        }
    }

    /// NEVER alone, or a list of SUCCESS, FAILURE, DELAY (RFC 3461 section 4.1).
    private static func notify(_ value: ArraySlice<UInt8>) -> DSNNotify? {
        var out: DSNNotify = []
        let words = value.split(separator: UInt8(ascii: ","), maxSplits: 4, omittingEmptySubsequences: false)
        for word in words {
            let flag: DSNNotify
            switch String(decoding: word, as: UTF8.self).uppercased() {
            case "NEVER": flag = .never
            case "SUCCESS": flag = .success
            case "FAILURE": flag = .failure
            case "DELAY": flag = .delay
            default: return nil
            }
            guard out.isDisjoint(with: flag) else { return nil }
            out.insert(flag)
        }
        return out.contains(.never) && out != .never ? nil : out
    }

    /// `type;address` (RFC 3461 section 4.2: at most 500 characters).
    private static func originalRecipient(_ value: ArraySlice<UInt8>, _ isSMTPUTF8: Bool) -> [UInt8]? {
        guard value.count <= 500, let semicolon = value.firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let type = value[..<semicolon]
        let address = value[(semicolon + 1)...]
        guard !type.isEmpty, !address.isEmpty, type.allSatisfy({ ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }) else { return nil }
        let isUTF8 = ASCII.equalsIgnoringCase(type, "utf-8".utf8)
        guard let decoded = isUTF8 ? XText.decodeUTF8Address(address) : XText.decode(address) else { return nil }
        guard isSMTPUTF8 || !address.contains(where: { $0 >= 0x80 }) else { return nil }
        return Array(type) + [UInt8(ascii: ";")] + decoded
    }
}
