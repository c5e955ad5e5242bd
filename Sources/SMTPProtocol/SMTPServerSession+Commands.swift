// Command lines: splitting, order, and the replies that Postfix gives.

import MailModel

extension SMTPServerSession {
    private static let ok = SMTPReply(250, EnhancedStatusCode(2, 0, 0), "Ok")
    static func outOfOrder(_ text: String) -> SMTPReply { SMTPReply(503, EnhancedStatusCode(5, 5, 1), "Error: \(text)") }
    static func syntax(_ text: String) -> SMTPReply { SMTPReply(501, EnhancedStatusCode(5, 5, 4), "Syntax: \(text)") }

    /// Takes one command line and serves it; false where no whole line is there.
    mutating func readCommand() -> Bool {
        guard let end = input[position...].firstIndex(of: 0x0A) else {
            if input.count - position > policy.lineLengthLimit {
                position = input.count
                phase = .skippingLine
                return true
            }
            return false
        }
        var line = input[position..<end]
        position = end + 1
        let hasCR = line.last == 0x0D
        while line.last == 0x0D { line = line.dropLast() }
        if !hasCR && !checkBareNewline() { return true }
        if line.count > policy.lineLengthLimit {
            countCommand(nil)
            respond(SMTPReply(500, EnhancedStatusCode(5, 5, 2), "Error: line too long"))
            return true
        }
        serve(line)
        return true
    }

    private mutating func serve(_ given: ArraySlice<UInt8>) {
        var line = given
        if let filter = policy.commandFilter {
            switch filter(Array(given)) {
            case .unchanged: break
            case .replaced(let other): line = other[...]
            case .failed:
                countCommand(nil)
                // Whatever the command was, a chunk may follow it that is none.
                respond(SMTPReply(421, EnhancedStatusCode(4, 3, 0), "\(policy.hostName) Error: temporary lookup failure"))
                return close(.terminated)
            }
        }
        let trimmed = line.drop { $0 == 0x20 || $0 == 0x09 }
        let word = trimmed.prefix { $0 != 0x20 && $0 != 0x09 }
        guard let first = word.first else {
            countCommand(nil)
            return respond(SMTPReply(500, EnhancedStatusCode(5, 5, 2), "Error: bad syntax"))
        }
        var arguments = trimmed[word.endIndex...].drop { $0 == 0x20 || $0 == 0x09 }
        while let last = arguments.last, last == 0x20 || last == 0x09 { arguments = arguments.dropLast() }
        let verb = SMTPVerb(word)
        if let deniedClient, verb != .quit {
            countCommand(verb)
            let reply = SMTPReply(503, EnhancedStatusCode(5, 7, 0), "Error: access denied for \(deniedClient)")
            if verb == .bdat { return chunk(arguments, refusal: reply) }
            return respond(reply)
        }
        if !policy.noopCommands.isEmpty, policy.noopCommands.contains(String(decoding: word, as: UTF8.self).uppercased()) {
            countCommand(verb)
            countJunk()
            return respond(Self.ok)
        }
        guard let verb else {
            countCommand(nil)
            if !ASCII.isAlpha(first) || policy.forbiddenCommands.contains(String(decoding: word, as: UTF8.self).uppercased()) {
                pending.append(.note(.nonSMTPCommand(ASCII.printable(line, limit: 100))))
                put(SMTPReply(221, EnhancedStatusCode(2, 7, 0), "Error: I can break rules, too. Goodbye."))
                return close(.nonSMTP)
            }
            return respond(SMTPReply(500, EnhancedStatusCode(5, 5, 2), "Error: command not recognized"))
        }
        countCommand(verb)
        guard checkPipelining(verb) else { return }
        if verb.isJunk { countJunk() }
        if policy.tls == .required && !isTLSActive && !verb.isAllowedBeforeTLS {
            let reply = SMTPReply(530, EnhancedStatusCode(5, 7, 0), "Must issue a STARTTLS command first")
            // The chunk follows its command whatever the reply is.
            if verb == .bdat { return chunk(arguments, refusal: reply) }
            return respond(reply)
        }
        serve(verb, arguments)
    }

    private mutating func countJunk() {
        junkCount += 1
        if junkCount > policy.junkCommandLimit { errorCount += 1 }
    }

    private mutating func serve(_ verb: SMTPVerb, _ arguments: ArraySlice<UInt8>) {
        switch verb {
        case .helo, .ehlo: hello(verb, arguments)
        case .startTLS: startTLS(arguments)
        case .auth: respond(Self.outOfOrder("authentication not enabled"))
        case .mail: mail(arguments)
        case .rcpt: recipient(arguments)
        case .data: data(arguments)
        case .bdat: chunk(arguments, refusal: nil)
        case .rset:
            guard arguments.isEmpty else { return respond(Self.syntax("RSET")) }
            dropTransaction()
            respond(Self.ok)
        case .noop: respond(Self.ok)
        case .vrfy: verify(arguments)
        case .expn: respond(SMTPReply(502, EnhancedStatusCode(5, 5, 1), "EXPN command is disabled"))
        case .etrn: turn(arguments)
        case .quit:
            guard arguments.isEmpty else { return respond(Self.syntax("QUIT")) }
            respond(SMTPReply(221, EnhancedStatusCode(2, 0, 0), "Bye"))
            close(.quit)
        case .help:
            respond(SMTPReply(214, EnhancedStatusCode(2, 0, 0), "Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"))
        }
    }

    private mutating func hello(_ verb: SMTPVerb, _ arguments: ArraySlice<UInt8>) {
        // RFC 2034 section 4: no enhanced code here.
        guard !arguments.isEmpty, arguments.count <= 512, !arguments.contains(where: { $0 < 0x20 || $0 == 0x7F }),
            UTF8Validation.isValid(arguments)
        else { return respond(SMTPReply(501, nil, "Syntax: \(verb.rawValue) hostname")) }
        let name = ASCII.printable(arguments)
        guard policy.asksAboutHello else { return greetBack(verb, name) }
        phase = .asking(.hello(verb, name: name))
        pending.append(.checkHello(verb: verb, name: name))
    }

    /// The client is welcome under this name.
    mutating func greetBack(_ verb: SMTPVerb, _ name: String) {
        // RFC 5321 section 4.1.4: HELO and EHLO in the middle are RSET, too.
        dropTransaction()
        heloName = name
        isExtended = verb == .ehlo
        respond(isExtended ? policy.ehloReply(isTLSActive: isTLSActive) : SMTPReply(250, nil, policy.hostName))
    }

    /// ETRN (RFC 1985 section 5.3): there is no site for which mail is kept to be asked for, so each is refused with 459, as by Postfix.
    private mutating func turn(_ arguments: ArraySlice<UInt8>) {
        if policy.isHeloRequired && heloName.isEmpty { return respond(Self.outOfOrder("send HELO/EHLO first")) }
        if transaction != nil { return respond(Self.outOfOrder("MAIL transaction in progress")) }
        guard !arguments.isEmpty, !arguments.contains(where: { $0 == 0x20 || $0 == 0x09 }) else {
            return respond(SMTPReply(500, EnhancedStatusCode(5, 5, 2), "Syntax: ETRN domain"))
        }
        // `@domain` asks for its subdomains too, `#` for a queue.
        let first = arguments.first
        let name = first == UInt8(ascii: "@") || first == UInt8(ascii: "#") ? arguments.dropFirst() : arguments
        guard policy.grammar.isDomain(name) || AddressLiteral(name) != nil else {
            return respond(SMTPReply(501, EnhancedStatusCode(5, 5, 4), "Error: invalid parameter syntax"))
        }
        let reply = SMTPReply(459, nil, "<\(ASCII.printable(name))>: service unavailable")
        pending.append(.note(.rejected(verb: .etrn, reply: reply)))
        respond(reply)
    }

    private mutating func startTLS(_ arguments: ArraySlice<UInt8>) {
        guard arguments.isEmpty else { return respond(Self.syntax("STARTTLS")) }
        guard policy.tls != .none || isTLSActive else {
            return respond(SMTPReply(502, EnhancedStatusCode(5, 5, 1), "Error: command not implemented"))
        }
        guard !isTLSActive else { return respond(SMTPReply(554, EnhancedStatusCode(5, 5, 1), "Error: TLS already active")) }
        respond(SMTPReply(220, EnhancedStatusCode(2, 0, 0), "Ready to start TLS"))
        // Plain text behind the command could be an attacker's, injected to be executed within the session (CVE-2011-0411).
        forgetClient()
        phase = .startingTLS
    }

    private mutating func verify(_ arguments: ArraySlice<UInt8>) {
        guard policy.features.contains(.vrfy) else {
            return respond(SMTPReply(502, EnhancedStatusCode(5, 5, 1), "VRFY command is disabled"))
        }
        var words = arguments
        var isSMTPUTF8 = false
        if let space = arguments.lastIndex(of: 0x20), policy.features.contains(.smtpUTF8),
            ASCII.equalsIgnoringCase(arguments[(space + 1)...], "SMTPUTF8".utf8)
        {
            isSMTPUTF8 = true
            words = arguments[..<space]
        }
        guard !words.isEmpty else {
            return respond(Self.syntax("VRFY address" + (policy.features.contains(.smtpUTF8) ? " [SMTPUTF8]" : "")))
        }
        guard let (address, rest) = policy.grammar.utf8(isSMTPUTF8).path(words, null: nil), rest.isEmpty else {
            return respond(SMTPReply(501, EnhancedStatusCode(5, 1, 3), "Bad recipient address syntax"))
        }
        let command = RcptCommand(recipient: address)
        phase = .asking(.verify(command))
        pending.append(.verify(command))
    }
}
