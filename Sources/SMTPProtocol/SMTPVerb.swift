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
        guard (4...8).contains(word.count), let verb = SMTPVerb.named[SMTPVerb.packed(word)], verb.rawValue.utf8.count == word.count
        else { return nil }
        self = verb
    }

    private static let named = Dictionary(uniqueKeysWithValues: allCases.map { (packed($0.rawValue.utf8), $0) })

    /// A word of eight octets at most as a number, letters as capitals. NULs before it make no difference.
    private static func packed(_ word: some Sequence<UInt8>) -> UInt64 {
        word.reduce(0) { $0 << 8 | UInt64(ASCII.isAlpha($1) ? $1 & 0xDF : $1) }
    }

    /// The place in ``CommandCounters``.
    fileprivate var index: Int {
        switch self {
        case .helo: 0
        case .ehlo: 1
        case .startTLS: 2
        case .auth: 3
        case .mail: 4
        case .rcpt: 5
        case .data: 6
        case .bdat: 7
        case .rset: 8
        case .noop: 9
        case .vrfy: 10
        case .expn: 11
        case .etrn: 12
        case .quit: 13
        case .help: 14
        }
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
    private var total = SIMD16<UInt32>()
    private var succeeded = SIMD16<UInt32>()
    private var unknown: UInt32 = 0

    public init() {}

    mutating func count(_ verb: SMTPVerb?) {
        guard let verb else { return unknown &+= 1 }
        total[verb.index] &+= 1
    }

    mutating func succeed(_ verb: SMTPVerb) { succeeded[verb.index] &+= 1 }

    private static let names = SMTPVerb.allCases.map { (index: $0.index, text: " \($0.rawValue.lowercased())=") }

    /// ` ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4`: succeeded, and the total where it differs.
    public var logText: String {
        var text = ""
        var allSucceeded: UInt32 = 0
        var all = unknown
        for (index, name) in CommandCounters.names where total[index] > 0 {
            let (good, count) = (succeeded[index], total[index])
            all &+= count
            allSucceeded &+= good
            text += name
            text += String(good)
            if good != count { text += "/\(count)" }
        }
        if unknown > 0 { text += " unknown=0/\(unknown)" }
        return text + " commands=\(allSucceeded)" + (allSucceeded == all && all > 0 ? "" : "/\(all)")
    }
}
