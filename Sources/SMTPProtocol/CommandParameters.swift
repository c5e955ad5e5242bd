// The parameters of MAIL and RCPT (RFC 5321 section 4.1.2: esmtp-keyword ["=" esmtp-value]).
//
// Security: a parameter that stands twice or that nobody knows refuses the command: a guess about what the client meant would be silent
// loss.

public import MailModel

/// A command that cannot be served, and the reply that says so.
public struct SMTPCommandError: Error, Hashable, Sendable {
    public let reply: SMTPReply
    init(_ code: UInt16, _ enhanced: EnhancedStatusCode, _ text: String) { reply = SMTPReply(code, enhanced, text) }
}

/// Which parameters of MAIL and RCPT the server offers.
public struct SMTPFeatures: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public static let pipelining = SMTPFeatures(rawValue: 1)
    public static let size = SMTPFeatures(rawValue: 2)
    public static let eightBitMIME = SMTPFeatures(rawValue: 4)
    public static let enhancedStatusCodes = SMTPFeatures(rawValue: 8)
    public static let dsn = SMTPFeatures(rawValue: 16)
    public static let smtpUTF8 = SMTPFeatures(rawValue: 32)
    public static let chunking = SMTPFeatures(rawValue: 64)
    public static let binaryMIME = SMTPFeatures(rawValue: 128)
    public static let vrfy = SMTPFeatures(rawValue: 256)
    public static let all: SMTPFeatures = [
        .pipelining, .size, .eightBitMIME, .enhancedStatusCodes, .dsn, .smtpUTF8, .chunking, .binaryMIME, .vrfy,
    ]
}

/// One `keyword=value`.
struct CommandParameter {
    /// In upper case.
    let keyword: String
    /// nil without `=`.
    let value: ArraySlice<UInt8>?
    /// As the client wrote it, made safe for a reply.
    let text: String

    /// Splits what follows a path.
    static func split(_ bytes: ArraySlice<UInt8>, syntax: String) throws(SMTPCommandError) -> [CommandParameter] {
        guard let first = bytes.first else { return [] }
        guard first == UInt8(ascii: " ") || first == UInt8(ascii: "\t") else {
            throw SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), syntax)
        }
        var out: [CommandParameter] = []
        for word in bytes.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 }) {
            let keywordBytes = word.prefix { $0 != UInt8(ascii: "=") }
            guard let initial = keywordBytes.first, ASCII.isAlphanumeric(initial), keywordBytes.count <= 64,
                keywordBytes.allSatisfy({ ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "-") }),
                word.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
            else { throw SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), syntax) }
            let value = keywordBytes.count < word.count ? word[(keywordBytes.endIndex + 1)...] : nil
            let keyword = String(decoding: keywordBytes, as: UTF8.self).uppercased()
            guard !out.contains(where: { $0.keyword == keyword }) else {
                throw SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), "Error: duplicate parameter \(keyword)")
            }
            out.append(CommandParameter(keyword: keyword, value: value, text: ASCII.printable(word, limit: 100)))
        }
        return out
    }

    var unsupported: SMTPCommandError { SMTPCommandError(555, EnhancedStatusCode(5, 5, 4), "Unsupported option: \(text)") }
    func bad(_ what: String) -> SMTPCommandError {
        SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), "Error: Bad \(what) parameter syntax")
    }
}
