// The command line of sendmail(1), as Postfix reads it: what local software passes, and nothing that would change its meaning.
//
// Security: every word may come from someone else than the caller's author. Words are bytes; options end at the first operand or `--`.
// Limits: `-bt` (Sendmail's rule test) and Exim's `-M...` are refused.

public import MailModel

/// A parsed command line of sendmail, mailq or newaliases.
public struct SendmailOptions: Hashable, Sendable {
    /// What the command is to do.
    public enum Mode: Hashable, Sendable {
        /// `-bm`: submit the message on standard input.
        case deliver
        /// `-bv`: mail a report about the recipients; deliver nothing.
        case verify
        /// `-bs`: an SMTP session on standard input and output.
        case smtpSession
        /// `-bp`, or called as `mailq`.
        case listQueue
        /// `-bi`, `-I`, or called as `newaliases`.
        case buildAliases
        /// `-bd`, `-bl`: start the mail system.
        case startDaemon
        /// `-q`, `-qIid`, `-qRsite`.
        case flush(Flush)
        /// Accepted for compatibility and done with: `-bh`, `-bH`, `-q5m`.
        case nothing
    }
    /// Which messages to try now.
    public enum Flush: Hashable, Sendable {
        case all
        case message([UInt8])
        case site([UInt8])
    }

    public var mode: Mode = .deliver
    /// `-t`: recipients are in the header, too.
    public var readsRecipientsFromHeader = false
    /// Without `-i` or `-oi` a line that is a single dot ends the message.
    public var dotEndsInput = true
    /// `-f` or `-r`; empty for the null sender; nil where none was given.
    public var sender: [UInt8]?
    /// `-F`; nil where none was given.
    public var fullName: [UInt8]?
    public var notify: DSNNotify = []
    public var returnContent: DSNReturn = .unspecified
    public var envelopeID: [UInt8] = []
    public var body: BodyType = .unspecified
    /// `-O smtputf8=yes`.
    public var isSMTPUTF8 = false
    /// `-G`: the message came from elsewhere; its header is not to be completed.
    public var isGateway = false
    /// How often `-v` was given: once asks for a delivery report.
    public var verbosity = 0
    /// `-C`; nil where none was given.
    public var configurationDirectory: [UInt8]?
    /// `-XV`: the two delimiters of variable envelope return paths, empty for the default; nil where it was not given.
    public var verpDelimiters: [UInt8]?
    /// `-oA`: alias tables for ``Mode/buildAliases``; nil where none was given.
    public var aliasTable: [UInt8]?
    public var recipients: [[UInt8]] = []
    /// What was given but is ignored, for the caller to read.
    public var warnings: [String] = []

    /// - Parameters:
    ///   - program: the name the command was called by, with or without directory: `mailq` and `newaliases` choose the mode.
    ///   - words: the command line after the name.
    /// - Throws: a ``CommandFailure`` with status `usage`.
    public init(program: [UInt8], words: [[UInt8]]) throws(CommandFailure) {
        let name = program.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) } ?? ""
        if name == "mailq" { mode = .listQueue }
        if name == "newaliases" { mode = .buildAliases }
        var scanner = OptionScanner(words, argumentOf: SendmailOptions.argument(of:))
        while let (letter, argument) = try scanner.next() { try apply(letter, argument) }
        recipients = Array(scanner.operands)
        try checkCombination()
    }

    private static func argument(of letter: UInt8) -> OptionArgument? {
        switch letter {
        case UInt8(ascii: "q"), UInt8(ascii: "d"): .attached
        case UInt8(ascii: "A"), UInt8(ascii: "B"), UInt8(ascii: "C"), UInt8(ascii: "F"), UInt8(ascii: "L"), UInt8(ascii: "N"),
            UInt8(ascii: "O"), UInt8(ascii: "R"), UInt8(ascii: "V"), UInt8(ascii: "X"), UInt8(ascii: "b"), UInt8(ascii: "e"),
            UInt8(ascii: "f"), UInt8(ascii: "h"), UInt8(ascii: "o"), UInt8(ascii: "p"), UInt8(ascii: "r"), UInt8(ascii: "D"):
            .required
        case UInt8(ascii: "G"), UInt8(ascii: "I"), UInt8(ascii: "U"), UInt8(ascii: "c"), UInt8(ascii: "i"), UInt8(ascii: "m"),
            UInt8(ascii: "n"), UInt8(ascii: "t"), UInt8(ascii: "v"), UInt8(ascii: "x"), UInt8(ascii: "E"), UInt8(ascii: "J"):
            OptionArgument.none
        default: nil
        }
    }

    private mutating func apply(_ letter: UInt8, _ argument: [UInt8]) throws(CommandFailure) {
        switch letter {
        case UInt8(ascii: "t"): readsRecipientsFromHeader = true
        case UInt8(ascii: "i"): dotEndsInput = false
        case UInt8(ascii: "f"), UInt8(ascii: "r"): sender = argument == Array("<>".utf8) ? [] : argument
        case UInt8(ascii: "F"): fullName = argument
        case UInt8(ascii: "G"): isGateway = true
        case UInt8(ascii: "v"): verbosity += 1
        case UInt8(ascii: "I"): mode = .buildAliases
        case UInt8(ascii: "C"): configurationDirectory = argument
        case UInt8(ascii: "b"): try applyMode(argument)
        case UInt8(ascii: "q"): try applyQueueRun(argument)
        case UInt8(ascii: "o"): try applyOldOption(argument)
        case UInt8(ascii: "O"): try applyNamedOption(argument)
        case UInt8(ascii: "X"):
            // `-X file` is Sendmail's traffic log, ignored.
            if argument.first == UInt8(ascii: "V") { verpDelimiters = Array(argument.dropFirst()) }
        case UInt8(ascii: "B"), UInt8(ascii: "N"), UInt8(ascii: "R"), UInt8(ascii: "V"): try applyDeliveryParameter(letter, argument)
        default: break
        }
    }

    private mutating func applyMode(_ argument: [UInt8]) throws(CommandFailure) {
        switch argument.first {
        case UInt8(ascii: "m"): mode = .deliver
        case UInt8(ascii: "s"): mode = .smtpSession
        case UInt8(ascii: "p"): mode = .listQueue
        case UInt8(ascii: "i"): mode = .buildAliases
        case UInt8(ascii: "v"): mode = .verify
        case UInt8(ascii: "d"), UInt8(ascii: "l"): mode = .startDaemon
        case UInt8(ascii: "h"), UInt8(ascii: "H"): mode = .nothing
        default: throw CommandFailure(.usage, "unsupported: -b\(ASCII.printable(argument, limit: 64))")
        }
    }

    private mutating func applyQueueRun(_ argument: [UInt8]) throws(CommandFailure) {
        // `-bd -q30m` is how init scripts start a daemon; the interval has no meaning here.
        let isDaemon = mode == .startDaemon
        switch argument.first {
        case nil: if !isDaemon { mode = .flush(.all) }
        case let digit? where ASCII.isDigit(digit): if !isDaemon && mode == .deliver { mode = .nothing }
        case UInt8(ascii: "I"):
            guard argument.count > 1 else { throw CommandFailure(.usage, "specify: -qIqueueid") }
            mode = .flush(.message(Array(argument.dropFirst())))
        case UInt8(ascii: "R"):
            guard argument.count > 1 else { throw CommandFailure(.usage, "specify: -qRsitename") }
            mode = .flush(.site(Array(argument.dropFirst())))
        default: throw CommandFailure(.usage, "-q\(ASCII.printable(argument, limit: 64)) is not implemented")
        }
    }

    private mutating func applyOldOption(_ argument: [UInt8]) throws(CommandFailure) {
        switch argument.first {
        case UInt8(ascii: "i"): dotEndsInput = false
        case UInt8(ascii: "7"): body = .sevenBit
        case UInt8(ascii: "8"): body = .eightBitMIME
        case UInt8(ascii: "A"):
            guard argument.count > 1 else { throw CommandFailure(.usage, "-oA requires a path name") }
            aliasTable = Array(argument.dropFirst())
        default: break  // -oem, -odi, -om, ...: how Sendmail delivers and reports, which is not for the caller to say.
        }
    }

    private mutating func applyNamedOption(_ argument: [UInt8]) throws(CommandFailure) {
        let parts = argument.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        let isOn = parts.count < 2 || ASCII.equalsIgnoringCase(parts[1], "yes".utf8)
        if ASCII.equalsIgnoringCase(parts[0], "smtputf8".utf8) { isSMTPUTF8 = isOn }
        // To promise what is not kept would be worse than to refuse (RFC 8689).
        if ASCII.equalsIgnoringCase(parts[0], "requiretls".utf8), isOn { throw CommandFailure(.usage, "unsupported: -O requiretls") }
    }

    private mutating func applyDeliveryParameter(_ letter: UInt8, _ argument: [UInt8]) throws(CommandFailure) {
        switch letter {
        case UInt8(ascii: "B"):
            if ASCII.equalsIgnoringCase(argument, "8BITMIME".utf8) {
                body = .eightBitMIME
            } else if ASCII.equalsIgnoringCase(argument, "7BIT".utf8) {
                body = .sevenBit
            } else {
                throw CommandFailure(.usage, "-B option needs 8BITMIME or 7BIT")
            }
        case UInt8(ascii: "N"):
            if let value = SendmailOptions.notify(argument) {
                notify = value
            } else {
                warnings.append("bad -N option value -- ignored")
            }
        case UInt8(ascii: "R"):
            if ASCII.equalsIgnoringCase(argument, "full".utf8) {
                returnContent = .full
            } else if ASCII.equalsIgnoringCase(argument, "hdrs".utf8) {
                returnContent = .headers
            } else {
                warnings.append("bad -R option value -- ignored")
            }
        default:
            // RFC 3461 section 4.4: at most 100 characters in xtext, printable.
            if argument.count > 100 || !argument.allSatisfy(ASCII.isPrintable) {
                warnings.append("bad -V option value -- ignored")
            } else {
                envelopeID = argument
            }
        }
    }

    /// `never`, or a list of `success`, `failure`, `delay` (RFC 3461 section 4.1); nil where it is neither.
    static func notify(_ text: [UInt8]) -> DSNNotify? {
        var value: DSNNotify = []
        for word in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            if ASCII.equalsIgnoringCase(word, "never".utf8) {
                value.insert(.never)
            } else if ASCII.equalsIgnoringCase(word, "success".utf8) {
                value.insert(.success)
            } else if ASCII.equalsIgnoringCase(word, "failure".utf8) {
                value.insert(.failure)
            } else if ASCII.equalsIgnoringCase(word, "delay".utf8) {
                value.insert(.delay)
            } else {
                return nil
            }
        }
        return value.contains(.never) && value != .never ? nil : value
    }

    private func checkCombination() throws(CommandFailure) {
        switch mode {
        case .deliver, .verify:
            if recipients.isEmpty && !readsRecipientsFromHeader {
                throw CommandFailure(.usage, "Recipient addresses must be specified on the command line or via the -t option")
            }
            if mode == .verify && readsRecipientsFromHeader { throw CommandFailure(.usage, "-t option cannot be used with -bv") }
        default:
            if readsRecipientsFromHeader { throw CommandFailure(.usage, "-t can be used only in delivery mode") }
        }
    }
}
