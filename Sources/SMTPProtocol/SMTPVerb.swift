// The commands of SMTP by name, in the order in which Postfix counts them in its `disconnect` line.

import MailModel

/// A command verb that the server knows.
public enum SMTPVerb: String, CaseIterable, Hashable, Sendable {
    case helo = "HELO"
    case ehlo = "EHLO"
    case startTLS = "STARTTLS"
    case auth = "AUTH"
    case mail = "MAIL"
    case rcpt = "RCPT"
    case data = "DATA"
    case bdat = "BDAT"
    case rset = "RSET"
    case noop = "NOOP"
    case vrfy = "VRFY"
    case expn = "EXPN"
    case etrn = "ETRN"
    case quit = "QUIT"
    case help = "HELP"

    /// The verb that `word` is, without regard to case (RFC 5321 section 2.4).
    public init?(_ word: ArraySlice<UInt8>) {
        guard (4...8).contains(word.count) else { return nil }
        for verb in SMTPVerb.allCases where ASCII.equalsIgnoringCase(word, verb.rawValue.utf8) {
            self = verb
            return
        }
        return nil
    }

    /// Whether a client must wait for the reply before it sends more (RFC 2920 section 3.1, as Postfix enforces it).
    var endsPipeline: Bool {
        switch self {
        case .helo, .ehlo, .startTLS, .auth, .data, .noop, .vrfy, .expn, .etrn, .help: true
        case .mail, .rcpt, .bdat, .rset, .quit: false
        }
    }

    /// Whether the command does nothing for the delivery of mail (`smtpd_junk_command_limit`).
    var isJunk: Bool {
        switch self {
        case .rset, .noop, .vrfy, .expn, .etrn, .help, .helo, .ehlo: true
        default: false
        }
    }

    /// Whether the command is served before TLS where TLS is required (RFC 3207 section 4).
    var isAllowedBeforeTLS: Bool {
        switch self {
        case .helo, .ehlo, .startTLS, .noop, .quit, .help: true
        default: false
        }
    }
}

/// How many of each command came and how many succeeded, for the `disconnect` line.
public struct CommandCounters: Hashable, Sendable {
    private var total: [SMTPVerb: Int] = [:]
    private var succeeded: [SMTPVerb: Int] = [:]
    private var unknown = 0

    public init() {}

    mutating func count(_ verb: SMTPVerb?) {
        guard let verb else { unknown += 1; return }
        total[verb, default: 0] += 1
    }

    mutating func succeed(_ verb: SMTPVerb) { succeeded[verb, default: 0] += 1 }

    /// ` ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4`: succeeded, and the total where it differs.
    public var logText: String {
        var text = ""
        var allSucceeded = 0
        var all = unknown
        for verb in SMTPVerb.allCases {
            guard let count = total[verb] else { continue }
            let good = succeeded[verb] ?? 0
            all += count
            allSucceeded += good
            text += " \(verb.rawValue.lowercased())=\(good)" + (good == count ? "" : "/\(count)")
        }
        if unknown > 0 { text += " unknown=0/\(unknown)" }
        return text + " commands=\(allSucceeded)" + (allSucceeded == all && all > 0 ? "" : "/\(all)")
    }
}
