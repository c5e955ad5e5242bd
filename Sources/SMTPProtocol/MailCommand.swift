// MAIL FROM:<reverse-path> [SP parameters] (RFC 5321 section 4.1.1.2).

public import MailModel

/// A MAIL command whose syntax is right.
public struct MailCommand: Hashable, Sendable {
    public var sender: MailAddress
    /// SIZE in octets (RFC 1870); nil where the client gave none.
    public var declaredSize: Int?
    public var body = BodyType.unspecified
    public var isSMTPUTF8 = false
    public var returnContent = DSNReturn.unspecified
    /// ENVID, decoded; empty without.
    public var envelopeID: [UInt8] = []

    public init(sender: MailAddress) { self.sender = sender }

    /// Reads what follows `MAIL`.
    public init(_ arguments: ArraySlice<UInt8>, grammar: PathGrammar, features: SMTPFeatures) throws(SMTPCommandError) {
        let syntax = "Syntax: MAIL FROM:<address>"
        guard let pathBytes = arguments.afterKeyword("FROM:") else { throw SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), syntax) }
        guard let (address, rest) = grammar.utf8(features.contains(.smtpUTF8)).path(pathBytes, null: .null) else {
            throw SMTPCommandError(501, EnhancedStatusCode(5, 1, 7), "Bad sender address syntax")
        }
        sender = address
        for parameter in try CommandParameter.split(rest, syntax: syntax) { try apply(parameter, features) }
        if sender.isInternationalized && !isSMTPUTF8 {
            // RFC 6531 section 3.5.
            throw SMTPCommandError(553, EnhancedStatusCode(5, 6, 7), "Must declare SMTPUTF8 to send unicode address")
        }
    }

    private mutating func apply(_ parameter: CommandParameter, _ features: SMTPFeatures) throws(SMTPCommandError) {
        switch parameter.keyword {
        case "SIZE" where features.contains(.size):
            guard let value = parameter.value, (1...20).contains(value.count), value.allSatisfy(ASCII.isDigit) else {
                throw SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), "Bad message size syntax")
            }
            // A number that does not fit is larger than every limit.
            declaredSize = ASCII.decimal(value) ?? Int.max
        case "BODY" where features.contains(.eightBitMIME):
            switch parameter.value.map({ String(decoding: $0, as: UTF8.self).uppercased() }) {
            case "7BIT": body = .sevenBit
            case "8BITMIME": body = .eightBitMIME
            case "BINARYMIME" where features.contains(.binaryMIME): body = .binaryMIME
            default: throw parameter.unsupported
            }
        case "SMTPUTF8" where features.contains(.smtpUTF8):
            guard parameter.value == nil else { throw parameter.bad("SMTPUTF8") }
            isSMTPUTF8 = true
        case "RET" where features.contains(.dsn):
            switch parameter.value.map({ String(decoding: $0, as: UTF8.self).uppercased() }) {
            case "FULL": returnContent = .full
            case "HDRS": returnContent = .headers
            default: throw parameter.bad("RET")
            }
        case "ENVID" where features.contains(.dsn):
            // RFC 3461 section 4.4: at most 100 characters of xtext.
            guard let value = parameter.value, (1...100).contains(value.count), let decoded = XText.decode(value) else {
                throw parameter.bad("ENVID")
            }
            envelopeID = decoded
        default:
            throw parameter.unsupported
        }
    }
}

extension ArraySlice<UInt8> {
    /// What follows `keyword` (without regard to case) and spaces; nil where the bytes do not begin with it.
    func afterKeyword(_ keyword: String) -> ArraySlice<UInt8>? {
        guard count >= keyword.utf8.count, ASCII.equalsIgnoringCase(prefix(keyword.utf8.count), keyword.utf8) else { return nil }
        // A space after the colon is against RFC 5321 section 3.3 and common; Postfix takes it.
        return dropFirst(keyword.utf8.count).drop { $0 == 0x20 }
    }
}
