// The scenarios of RFC 5321 appendix D, with our greeting and our texts.

import MailModel
import SMTPProtocol
import Testing

private let ehlo = """
    S: 250-foo.com
    S: 250-SIZE 10240000
    S: 250-8BITMIME
    S: 250 DSN
    """

private func policy(_ host: String) -> SMTPServerPolicy {
    var policy = SMTPServerPolicy(hostName: host, banner: "\(host) Simple Mail Transfer Service Ready")
    policy.features = [.size, .eightBitMIME, .dsn]
    return policy
}

@Suite struct AppendixDTests {
    @Test func typicalTransaction() {
        var driver = DialogueDriver(policy("foo.com"))
        let problems = play(
            """
            S: 220 foo.com Simple Mail Transfer Service Ready
            C: EHLO bar.com
            \(ehlo)
            C: MAIL FROM:<Smith@bar.com>
            S: 250 Ok
            C: RCPT TO:<Jones@foo.com>
            S: 250 Ok
            C: RCPT TO:<Green@foo.com>
            S: 550 No such user here
            C: RCPT TO:<Brown@foo.com>
            S: 250 Ok
            C: DATA
            S: 354 End data with <CR><LF>.<CR><LF>
            C: Blah blah blah...
            C: ...etc. etc. etc.
            C: .
            S: 250 Ok: queued as 4Xz
            C: QUIT
            S: 221 Bye
            """, &driver)
        #expect(problems == [])
        #expect(driver.closed == .quit)
        #expect(driver.accepted.count == 1)
        #expect(driver.accepted.first?.transaction.recipients.map(\.recipient.logForm) == ["Jones@foo.com", "Brown@foo.com"])
        // The client of the RFC does not stuff its dots; the server takes one away all the same.
        #expect(driver.accepted.first?.content == Array("Blah blah blah...\r\n..etc. etc. etc.\r\n".utf8))
        #expect(driver.session.counters.logText == " ehlo=1 mail=1 rcpt=2/3 data=1 quit=1 commands=6/7")
    }

    @Test func abortedTransaction() {
        var driver = DialogueDriver(policy("foo.com"))
        let problems = play(
            """
            S: 220 foo.com Simple Mail Transfer Service Ready
            C: EHLO bar.com
            \(ehlo)
            C: MAIL FROM:<Smith@bar.com>
            S: 250 Ok
            C: RCPT TO:<Jones@foo.com>
            S: 250 Ok
            C: RCPT TO:<Green@foo.com>
            S: 550 No such user here
            C: RSET
            S: 250 Ok
            C: DATA
            S: 503 Error: need RCPT command
            C: QUIT
            S: 221 Bye
            """, &driver)
        #expect(problems == [])
        #expect(driver.accepted.isEmpty)
    }

    @Test func relayedMail() {
        var driver = DialogueDriver(policy("foo.com"))
        let problems = play(
            """
            S: 220 foo.com Simple Mail Transfer Service Ready
            C: EHLO bar.com
            \(ehlo)
            C: MAIL FROM:<JQP@bar.com>
            S: 250 Ok
            C: RCPT TO:<@foo.com:Jones@XYZ.COM>
            S: 250 Ok
            C: DATA
            S: 354 End data with <CR><LF>.<CR><LF>
            C: Received: from bar.com by foo.com ; Thu, 21 May 1998
            C:     05:33:29 -0700
            C: Subject: The Next Meeting of the Board
            C:
            C: Bill:
            C: .
            S: 250 Ok: queued as 4Xz
            C: QUIT
            S: 221 Bye
            """, &driver)
        #expect(problems == [])
        #expect(driver.accepted.first?.transaction.recipients.first?.recipient.logForm == "Jones@XYZ.COM")
        #expect(driver.accepted.first?.transaction.mail.sender.logForm == "JQP@bar.com")
    }

    @Test func verifyingAndSending() {
        var settings = policy("foo.com")
        settings.features.insert(.vrfy)
        var driver = DialogueDriver(settings)
        let problems = play(
            """
            S: 220 foo.com Simple Mail Transfer Service Ready
            C: HELO bar.com
            S: 250 foo.com
            C: VRFY Crispin
            S: 252 Crispin
            C: MAIL FROM:<EAK@bar.com>
            S: 250 Ok
            C: RCPT TO:<Admin.MRC@foo.com>
            S: 250 Ok
            C: DATA
            S: 354 End data with <CR><LF>.<CR><LF>
            C: Blah blah blah...
            C: .
            S: 250 Ok: queued as 4Xz
            C: QUIT
            S: 221 Bye
            """, &driver)
        #expect(problems == [])
        #expect(driver.session.logProtocol == "SMTP")
    }
}
