// What an administrator may change of a session: footers, commands that do nothing, a filter, HELO that is asked about, a client that is
// not welcome.

import MailModel
import SMTPProtocol
import Testing

@Suite struct ServerPolicyTests {
    private func driver(_ change: (inout SMTPServerPolicy) -> Void) -> DialogueDriver {
        var policy = SMTPServerPolicy(hostName: "h.example")
        change(&policy)
        return DialogueDriver(policy)
    }

    static let footers: [(String, String)] = [
        ("", "550 5.1.1 No such user here"),
        ("\\c. Call us", "550 5.1.1 No such user here. Call us"),
        ("Call us", "550-5.1.1 No such user here|550 5.1.1 Call us"),
        ("Call us\\nor do not", "550-5.1.1 No such user here|550-5.1.1 Call us|550 5.1.1 or do not"),
        ("\\c!\\nCall us", "550-5.1.1 No such user here!|550 5.1.1 Call us"),
    ]

    @Test(arguments: footers) func footersEndRefusals(_ footer: String, _ expected: String) {
        var driver = driver { $0.rejectFooter = { _ in footer } }
        _ = driver.run()
        _ = driver.run(Array("EHLO c\r\n".utf8))
        _ = driver.run(Array("MAIL FROM:<a@b>\r\n".utf8))
        #expect(driver.run(Array("RCPT TO:<Green@x>\r\n".utf8)).replies.joined(separator: "|") == expected)
        #expect(driver.run(Array("RCPT TO:<ok@x>\r\n".utf8)) == "250 2.1.5 Ok\r\n", "an acceptance has no footer")
    }

    @Test func footersKnowTheTransaction() {
        var driver = driver {
            $0.rejectFooter = { "\($0.heloName) \($0.sender?.logForm ?? "-") \($0.recipient?.logForm ?? "-")" }
        }
        _ = driver.run()
        _ = driver.run(Array("EHLO c\r\n".utf8))
        #expect(driver.run(Array("RCPT TO:<Green@x>\r\n".utf8)).replies.last == "503 5.5.1 c - -")
        _ = driver.run(Array("MAIL FROM:<a@b>\r\n".utf8))
        #expect(driver.run(Array("RCPT TO:<Green@x>\r\n".utf8)).replies.last == "550 5.1.1 c a@b Green@x")
        _ = driver.run(Array("RSET\r\n".utf8))
        #expect(driver.run(Array("DATA\r\n".utf8)).replies.last == "503 5.5.1 c - -", "RSET forgets what was named")
    }

    @Test func noopCommandsDoNothing() {
        var driver = driver { $0.noopCommands = ["XTHING", "VRFY"] }
        _ = driver.run()
        #expect(driver.run(Array("xthing a b\r\n".utf8)) == "250 2.0.0 Ok\r\n")
        #expect(driver.run(Array("VRFY x\r\n".utf8)) == "250 2.0.0 Ok\r\n")
        #expect(driver.run(Array("XOTHER\r\n".utf8)).hasPrefix("500 5.5.2"))
    }

    @Test func aFilterReplacesCommands() {
        var driver = driver {
            $0.commandFilter = { line in
                switch String(decoding: line, as: UTF8.self) {
                case "HELLO you": .replaced(Array("EHLO you".utf8))
                case "FAIL": .failed
                default: .unchanged
                }
            }
        }
        _ = driver.run()
        #expect(driver.run(Array("HELLO you\r\n".utf8)).hasPrefix("250-h.example"))
        #expect(driver.session.heloName == "you")
        #expect(driver.run(Array("FAIL\r\n".utf8)).hasPrefix("421 4.3.0 "))
        #expect(driver.closed == .terminated)
    }

    @Test func helloIsAskedAboutWhereWanted() {
        var driver = driver { $0.asksAboutHello = true }
        _ = driver.run()
        #expect(driver.run(Array("EHLO blocked.example\r\n".utf8)) == "550 5.7.1 no\r\n")
        #expect(driver.session.heloName == "", "who was refused has not said hello")
        #expect(driver.run(Array("HELO fine.example\r\n".utf8)) == "250 h.example\r\n")
    }

    @Test func anUnwelcomeClientCanOnlyQuit() {
        var session = SMTPServerSession(policy: SMTPServerPolicy(hostName: "h.example"))
        session.deny(SMTPReply(554, EnhancedStatusCode(5, 7, 1), "no"), client: "c[192.0.2.1]")
        session.receive(Array("EHLO c\r\nMAIL FROM:<a@b>\r\nBDAT 5 LAST\r\nQUIT\rQUIT\r\n".utf8))
        var ended = false
        while !ended {
            switch session.next() {
            case .needsInput, .close: ended = true
            default: break
            }
        }
        let denied = "503 5.7.0 Error: access denied for c[192.0.2.1]"
        let replies = String(decoding: session.takeOutput(), as: UTF8.self).replies
        #expect(replies == ["554 5.7.1 no", denied, denied, denied, "221 2.0.0 Bye"], "the chunk is no command")
    }
}
