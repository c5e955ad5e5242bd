import MailModel
import SMTPProtocol
import Testing

private func driver(_ change: (inout SMTPServerPolicy) -> Void = { _ in }) -> DialogueDriver {
    var policy = SMTPServerPolicy(hostName: "h.example", banner: "h.example ESMTP")
    change(&policy)
    var driver = DialogueDriver(policy)
    #expect(driver.run() == "220 h.example ESMTP\r\n")
    return driver
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct SMTPServerSessionTests {
    static let singleCommands: [(String, String)] = [
        ("", "500 5.5.2 Error: bad syntax"), ("FOO", "500 5.5.2 Error: command not recognized"), ("EHLO", "501 Syntax: EHLO hostname"),
        ("HELO  ", "501 Syntax: HELO hostname"), ("EHLO a\u{0}b", "501 Syntax: EHLO hostname"),
        ("MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:", "501 5.1.7 Bad sender address syntax"), ("MAIL FROM:<a@b", "501 5.1.7 Bad sender address syntax"),
        ("MAIL FROM:<a@b>x", "501 5.5.4 Syntax: MAIL FROM:<address>"), ("MAIL FROM:<a@b> FOO=1", "555 5.5.4 Unsupported option: FOO=1"),
        ("MAIL FROM:<a@b> SIZE=x", "501 5.5.4 Bad message size syntax"),
        ("MAIL FROM:<a@b> SIZE=1 SIZE=2", "501 5.5.4 Error: duplicate parameter SIZE"),
        ("MAIL FROM:<a@b> SIZE=99999999999999999999", "552 5.3.4 Message size exceeds fixed limit"),
        ("MAIL FROM:<a@b> SIZE=10240001", "552 5.3.4 Message size exceeds fixed limit"), ("MAIL FROM:<a@b> SIZE=10240000", "250 2.1.0 Ok"),
        ("MAIL FROM:<a@b> BODY=FOO", "555 5.5.4 Unsupported option: BODY=FOO"), ("MAIL FROM:<a@b> BODY=8bitmime", "250 2.1.0 Ok"),
        ("MAIL FROM:<a@b> RET=ALL", "501 5.5.4 Error: Bad RET parameter syntax"), ("MAIL FROM:<a@b> RET=HDRS ENVID=a+2Bb", "250 2.1.0 Ok"),
        ("MAIL FROM:<a@b> ENVID=a=b", "501 5.5.4 Error: Bad ENVID parameter syntax"),
        ("MAIL FROM:<é@b>", "553 5.6.7 Must declare SMTPUTF8 to send unicode address"),
        ("MAIL FROM:<é@b> SMTPUTF8", "250 2.1.0 Ok"), ("MAIL FROM:<> BODY=7BIT", "250 2.1.0 Ok"), ("mail from: <a@b>", "250 2.1.0 Ok"),
        ("MAIL FROM:<a@blocked.example>", "550 5.7.1 no"), ("RCPT TO:<a@b>", "503 5.5.1 Error: need MAIL command"),
        ("DATA", "503 5.5.1 Error: need RCPT command"), ("DATA x", "501 5.5.4 Syntax: DATA"), ("RSET", "250 2.0.0 Ok"),
        ("RSET x", "501 5.5.4 Syntax: RSET"),
        ("NOOP", "250 2.0.0 Ok"), ("NOOP anything", "250 2.0.0 Ok"), ("VRFY", "501 5.5.4 Syntax: VRFY address [SMTPUTF8]"),
        ("VRFY a@b", "252 2.0.0 a@b"),
        ("VRFY <a b@c>", "501 5.1.3 Bad recipient address syntax"), ("EXPN list", "502 5.5.1 EXPN command is disabled"),
        ("AUTH PLAIN", "503 5.5.1 Error: authentication not enabled"), ("STARTTLS", "502 5.5.1 Error: command not implemented"),
        ("ETRN x", "459 <x>: service unavailable"),
        ("ETRN", "500 5.5.2 Syntax: ETRN domain"), ("ETRN a b", "500 5.5.2 Syntax: ETRN domain"),
        ("ETRN @-", "501 5.5.4 Error: invalid parameter syntax"), ("ETRN @x.example", "459 <x.example>: service unavailable"),
        ("BDAT 0", "503 5.5.1 Error: need MAIL command"),
        ("QUIT", "221 2.0.0 Bye"), ("quit ", "221 2.0.0 Bye"), ("QUIT x", "501 5.5.4 Syntax: QUIT"),
        ("BDAT x", "501 5.5.4 Syntax: BDAT count [LAST]"),
        ("GET / HTTP/1.1", "221 2.7.0 Error: I can break rules, too. Goodbye."),
        ("\u{16}\u{3}\u{1}", "221 2.7.0 Error: I can break rules, too. Goodbye."),
    ]

    @Test(arguments: singleCommands) func firstCommand(_ line: String, _ reply: String) {
        var driver = driver()
        #expect(driver.run(bytes(line + "\r\n")) == reply + "\r\n")
    }

    static let recipients: [(String, String)] = [
        ("RCPT TO:<a@b>", "250 2.1.5 Ok"), ("RCPT TO:<Postmaster>", "250 2.1.5 Ok"),
        ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT <a@b>", "501 5.5.4 Syntax: RCPT TO:<address>"), ("RCPT TO:<a@b> NOTIFY=NEVER", "250 2.1.5 Ok"),
        ("RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4 Error: Bad NOTIFY parameter syntax"),
        ("RCPT TO:<a@b> NOTIFY=success,delay,failure ORCPT=rfc822;a+40b", "250 2.1.5 Ok"),
        ("RCPT TO:<a@b> ORCPT=x", "501 5.5.4 Error: Bad ORCPT parameter syntax"),
        ("RCPT TO:<a@b> NOTIFY=", "501 5.5.4 Error: Bad NOTIFY parameter syntax"),
        ("RCPT TO:<a@b> SIZE=1", "555 5.5.4 Unsupported option: SIZE=1"),
        ("RCPT TO:<é@b>", "553 5.6.7 Must declare SMTPUTF8 to send unicode address"),
        ("MAIL FROM:<c@d>", "503 5.5.1 Error: nested MAIL command"),
    ]

    @Test(arguments: recipients) func afterMail(_ line: String, _ reply: String) {
        var driver = driver()
        _ = driver.run(bytes("MAIL FROM:<x@y>\r\n"))
        #expect(driver.run(bytes(line + "\r\n")) == reply + "\r\n")
    }

    @Test func parametersArriveDecoded() {
        var driver = driver()
        _ = driver.run(bytes("EHLO c\r\n"))
        _ = driver.run(
            bytes(
                "MAIL FROM:<x@y> RET=FULL ENVID=a+3Db SIZE=5 BODY=8BITMIME\r\nRCPT TO:<r@s> NOTIFY=DELAY ORCPT=rfc822;o+2Bx@s\r\nDATA\r\n"))
        _ = driver.run(bytes("x\r\n.\r\n"))
        let mail = driver.accepted.first?.transaction.mail
        #expect(mail?.returnContent == .full && mail?.envelopeID == bytes("a=b") && mail?.declaredSize == 5 && mail?.body == .eightBitMIME)
        let recipient = driver.accepted.first?.transaction.recipients.first
        #expect(recipient?.notify == .delay && recipient?.originalRecipient == bytes("rfc822;o+x@s"))
    }

    @Test func pipelinedGroupAnswersInOrder() {
        var driver = driver()
        let group = "MAIL FROM:<a@b>\r\nRCPT TO:<Green@c>\r\nRCPT TO:<d@e>\r\nDATA\r\n"
        #expect(
            driver.run(bytes(group))
                == "250 2.1.0 Ok\r\n550 5.1.1 No such user here\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n")
        #expect(
            driver.run(bytes("body\r\n.\r\nMAIL FROM:<f@g>\r\nQUIT\r\n"))
                == "250 2.0.0 Ok: queued as 4Xz\r\n250 2.1.0 Ok\r\n221 2.0.0 Bye\r\n")
    }

    @Test func oneByteAtATimeIsTheSame() {
        let script = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nDATA\r\n..x\r\n.\r\nBDAT 3\r\nabcQUIT\r\n"
        var driver = driver()
        var out = ""
        for byte in bytes(script) { out += driver.run([byte]) }
        #expect(out.hasSuffix("250 2.0.0 Ok: queued as 4Xz\r\n503 5.5.1 Error: need MAIL command\r\n221 2.0.0 Bye\r\n"))
        #expect(driver.accepted.first?.content == bytes(".x\r\n"))
    }

    @Test func pipeliningAfterDataEndsTheSessionOrIsNoted() {
        let burst = "MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nDATA\r\nx\r\n.\r\n"
        var strict = driver()
        #expect(strict.run(bytes(burst)).hasSuffix("554 5.5.0 h.example Error: SMTP protocol synchronization\r\n"))
        #expect(strict.closed == .improperPipelining && strict.notes == [.improperPipelining(place: "DATA", text: "x\\r\\n.\\r\\n")])
        var lax = driver { $0.forbidsUnauthorizedPipelining = false }
        #expect(lax.run(bytes(burst)).hasSuffix("250 2.0.0 Ok: queued as 4Xz\r\n"))
        #expect(lax.notes.count == 1)
    }

    @Test func dataAfterOnlyRefusedRecipients() {
        var driver = driver()
        #expect(driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<Green@c>\r\nDATA\r\n")).hasSuffix("554 5.5.1 Error: no valid recipients\r\n"))
    }

    @Test func chunks() {
        var driver = driver()
        _ = driver.run(bytes("EHLO c\r\n"))
        #expect(
            driver.run(bytes("MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<d@e>\r\nDATA\r\n")).hasSuffix(
                "503 5.5.1 Error: BODY=BINARYMIME requires BDAT\r\n"))
        #expect(driver.run(bytes("BDAT 5\r\na\nb\r.BDAT 0 LAST\r\n")) == "250 2.0.0 Ok: 5 bytes\r\n250 2.0.0 Ok: queued as 4Xz\r\n")
        #expect(driver.accepted.first?.content == bytes("a\nb\r."))
        #expect(driver.run(bytes("BDAT 6 LAST\r\nQUIT\r\nRSET\r\n")) == "503 5.5.1 Error: need MAIL command\r\n250 2.0.0 Ok\r\n")
    }

    @Test func chunkErrorsReplaceTheTransaction() {
        var driver = driver { $0.messageSizeLimit = 10 }
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nBDAT 6\r\n123456"))
        #expect(driver.run(bytes("MAIL FROM:<x@y>\r\n")) == "503 5.5.1 Error: nested MAIL command\r\n")
        #expect(
            driver.run(bytes("RCPT TO:<x@y>\r\nDATA\r\n")) == "503 5.5.1 Error: RCPT after BDAT\r\n503 5.5.1 Error: DATA after BDAT\r\n")
        #expect(
            driver.run(bytes("BDAT 6\r\n123456BDAT 1 LAST\r\nx"))
                == "552 5.3.4 Error: message file too big\r\n503 5.5.1 Error: need MAIL command\r\n")
        #expect(driver.abandoned == 1 && driver.accepted.isEmpty)
        #expect(driver.run(bytes("DATA\r\n")) == "503 5.5.1 Error: need RCPT command\r\n")
    }

    @Test func tooLargeData() {
        var driver = driver { $0.messageSizeLimit = 10 }
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nDATA\r\n"))
        #expect(driver.run(bytes("0123456789\r\n.\r\nNOOP\r\n")) == "552 5.3.4 Error: message file too big\r\n250 2.0.0 Ok\r\n")
        #expect(driver.accepted.isEmpty && driver.abandoned == 1)
    }

    @Test func largeContentComesInPieces() {
        var driver = driver { $0.contentChunkSize = 1000 }
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nDATA\r\n"))
        let body = bytes(String(repeating: "The quick brown fox\r\n", count: 5000))
        #expect(driver.run(body + bytes(".\r\n")) == "250 2.0.0 Ok: queued as 4Xz\r\n")
        #expect(driver.accepted.first?.content == body)
    }

    @Test func errorLimits() {
        var driver = driver()
        for number in 1...19 { #expect(driver.run(bytes("FOO\r\n")) == "500 5.5.2 Error: command not recognized\r\n", "\(number)") }
        #expect(driver.delays == 9)
        #expect(driver.run(bytes("FOO\r\n")).hasSuffix("421 4.7.0 h.example Error: too many errors\r\n"))
        #expect(driver.closed == .tooManyErrors && driver.session.logPlace == "UNKNOWN")
        #expect(driver.session.counters.logText == " unknown=0/20 commands=0/20")
    }

    @Test func junkCommands() {
        var driver = driver()
        for _ in 1...119 { _ = driver.run(bytes("NOOP\r\n")) }
        #expect(driver.closed == nil)
        _ = driver.run(bytes("NOOP\r\n"))
        #expect(driver.closed == .tooManyErrors)
    }

    @Test func recipientLimit() {
        var driver = driver { $0.recipientLimit = 2 }
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n"))
        for _ in 1...50 { #expect(driver.run(bytes("RCPT TO:<g@h>\r\n")) == "452 4.5.3 Error: too many recipients\r\n") }
        #expect(driver.closed == nil)
    }

    @Test func overlongLines() {
        var driver = driver()
        let long = bytes(String(repeating: "A", count: 100_000))
        #expect(driver.run(long) == "")
        #expect(driver.run(long + bytes("\r\nNOOP\r\n")) == "500 5.5.2 Error: line too long\r\n250 2.0.0 Ok\r\n")
    }

    @Test func starttlsForgetsEverything() {
        var driver = driver { $0.tls = .required }
        #expect(driver.run(bytes("MAIL FROM:<a@b>\r\n")) == "530 5.7.0 Must issue a STARTTLS command first\r\n")
        #expect(driver.run(bytes("EHLO c\r\n")).contains("250-STARTTLS\r\n"))
        #expect(driver.run(bytes("STARTTLS\r\nMAIL FROM:<injected@b>\r\n")) == "220 2.0.0 Ready to start TLS\r\n")
        #expect(driver.wantsTLS && driver.session.next() == .startTLS)
        driver.session.tlsStarted()
        #expect(driver.run() == "")
        #expect(driver.session.heloName == "")
        #expect(driver.run(bytes("RCPT TO:<a@b>\r\n")) == "503 5.5.1 Error: need MAIL command\r\n")
        #expect(driver.run(bytes("STARTTLS\r\n")) == "554 5.5.1 Error: TLS already active\r\n")
        #expect(!driver.run(bytes("EHLO c\r\n")).contains("STARTTLS"))
        #expect(driver.session.protocolName == "ESMTPS" && driver.session.logProtocol == "ESMTP")
    }

    @Test func ehloReplacesTheTransaction() {
        var driver = driver()
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nBDAT 1\r\nx"))
        _ = driver.run(bytes("EHLO again\r\n"))
        #expect(driver.abandoned == 1)
        #expect(driver.run(bytes("BDAT 1 LAST\r\nx")) == "503 5.5.1 Error: need MAIL command\r\n")
    }

    @Test func bareNewlinePolicies() {
        var reject = driver { $0.bareNewline = .reject }
        #expect(reject.run(bytes("NOOP\n")) == "550 5.5.2 h.example Error: bare <LF> received\r\n")
        var reject2 = driver { $0.bareNewline = .reject }
        _ = reject2.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nDATA\r\n"))
        #expect(reject2.run(bytes("x\ny\r\n.\r\n")) == "550 5.5.2 h.example Error: bare <LF> received\r\n")
        #expect(reject2.accepted.isEmpty && reject2.closed == .bareNewline)
        var normalize = driver()
        #expect(normalize.run(bytes("NOOP\n")) == "250 2.0.0 Ok\r\n")
    }

    @Test func aRefusedMessageIsNoMessage() {
        var driver = driver()
        driver.finalReply = SMTPReply(452, EnhancedStatusCode(4, 3, 1), "Insufficient system storage")
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nDATA\r\n"))
        #expect(driver.run(bytes("x\r\n.\r\n")) == "452 4.3.1 Insufficient system storage\r\n")
        #expect(driver.run(bytes("DATA\r\n")) == "503 5.5.1 Error: need RCPT command\r\n")
        #expect(driver.session.counters.logText == " mail=1 rcpt=1 data=0/2 commands=2/4")
    }

    /// Content goes straight to the decoder where it can: neither the cut of the stream nor the size of chunks changes what is stored, and what
    /// follows the end is the next command.
    @Test(arguments: [1, 2, 63, 64, 65, 1000, 65_535, 65_536, 65_537, 1_000_000], [64, 1000, 65_536])
    func contentDoesNotDependOnHowItCame(size: Int, chunkSize: Int) {
        var lines: [String] = []
        for number in 0..<(size < 64 ? 40 : 3000) {
            lines.append(
                number % 50 == 3
                    ? "..dot" : number % 31 == 5 ? "bare\nlf" : number % 77 == 2 ? "cr\rhere" : String(repeating: "x", count: number % 90))
        }
        let stored = lines.map { line in
            line == "..dot" ? ".dot" : line == "bare\nlf" ? "bare\r\nlf" : line == "cr\rhere" ? "cr here" : line
        }
        var driver = driver { $0.contentChunkSize = chunkSize }
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\nRCPT TO:<d@e>\r\nDATA\r\n"))
        var rest = bytes(lines.joined(separator: "\r\n") + "\r\n.\r\nNOOP\r\n")[...]
        var heard = ""
        while !rest.isEmpty {
            heard += driver.run(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        #expect(heard == "250 2.0.0 Ok: queued as 4Xz\r\n250 2.0.0 Ok\r\n")
        #expect(driver.accepted.map(\.content) == [bytes(stored.joined(separator: "\r\n") + "\r\n")])
    }

    /// What is looked up beforehand, while the first of them is asked about; and how many are accepted in the end.
    @Test(arguments: [
        ("", [], 1),
        ("RCPT TO:<b@e>\r\nrcpt to:<c@e> NOTIFY=NEVER\r\n", ["b@e", "c@e"], 3),
        ("RCPT TO:<b@e>\r\nDATA\r\nRCPT TO:<c@e>\r\n", ["b@e"], 2),
        ("RCPT TO:<b@e>\r\nRCPT TO:<c@", ["b@e"], 2),
        ("RCPT TO:<b@e\r\nRCPT TO:<c@e>\r\n", [], 2),
        ("RCPT TO:<b@e>\r\nRCPT TO:<c@e>\r\nRCPT TO:<d@e>\r\nRCPT TO:<f@e>\r\n", ["b@e", "c@e", "d@e"], 5),
    ])
    func recipientsThatFollow(rest: String, expected: [String], accepted: Int) {
        var driver = driver()
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\n"))
        driver.session.receive(bytes("RCPT TO:<a@e>\r\n" + rest))
        guard case .checkRecipient(let first) = driver.session.next() else { return #expect(Bool(false), "no question") }
        #expect(first.recipient.logForm == "a@e")
        #expect(driver.session.upcomingRecipients(limit: 3).map(\.logForm) == expected)
        driver.session.answer(nil)
        #expect(driver.run().split(separator: "\r\n").filter { $0 == "250 2.1.5 Ok" }.count == accepted, "nothing was taken")
    }

    @Test func whoGuessesHasLittleLookedUpBeforehand() {
        var driver = driver()
        _ = driver.run(bytes("MAIL FROM:<a@b>\r\n"))
        driver.session.receive(bytes((0..<8).map { "RCPT TO:<u\($0)@e>\r\n" }.joined()))
        var seen: [Int] = []
        while case .checkRecipient = driver.session.next() {
            seen.append(driver.session.upcomingRecipients(limit: 4).count)
            driver.session.answer(SMTPReply(550, EnhancedStatusCode(5, 1, 1), "User unknown"))
        }
        #expect(seen == [4, 2, 1, 0, 0, 0, 0, 0])
    }

    @Test func heloRequired() {
        var driver = driver { $0.isHeloRequired = true }
        #expect(driver.run(bytes("MAIL FROM:<a@b>\r\n")) == "503 5.5.1 Error: send HELO/EHLO first\r\n")
    }

    /// Random bytes from a fixed generator, biased towards what matters: no trap, bounded memory.
    @Test func garbage() {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func random() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
        let words = [
            "MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n", ".\r\n", "BDAT 3\r\n", "BDAT 2 LAST\r\n", "RSET\r\n", "EHLO x\r\n",
            "\r", "\n", "\u{0}", "STARTTLS\r\n", "x",
        ]
        for _ in 0..<3000 {
            var driver = driver {
                $0.hardErrorLimit = 1000
                $0.contentChunkSize = 8
                $0.tls = .offered
                $0.forbidsUnauthorizedPipelining = false
            }
            for _ in 0..<20 {
                var chunk: [UInt8] = []
                for _ in 0..<(random() % 6) {
                    chunk += random() % 4 == 0 ? [UInt8(truncatingIfNeeded: random())] : bytes(words[Int(random() % UInt64(words.count))])
                }
                _ = driver.run(chunk)
                if driver.wantsTLS { driver.session.tlsStarted() }
                driver.wantsTLS = false
            }
            #expect(driver.session.logPlace != "")
        }
    }
}
