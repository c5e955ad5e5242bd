// Greeting, EHLO and its fallback, loops, STARTTLS.

import MailModel
import SMTPProtocol
import Testing

@Suite struct ClientHandshakeTests {
    static let refusals: [(greeting: String, ehlo: String, helo: String, failure: String?)] = [
        ("421 4.3.2 busy", "", "", "4.3.2 host mx.example[192.0.2.1] refused to talk to me: 421 4.3.2 busy"),
        ("450 later", "", "", "4.0.0 host mx.example[192.0.2.1] refused to talk to me: 450 later"),
        // smtp_skip_5xx_greeting (ZoneMTA #496: a 5xx greeting of one host bounced the mail).
        ("554 5.7.1 no", "", "", "4.7.1 host mx.example[192.0.2.1] refused to talk to me: 554 5.7.1 no"),
        ("220 hi", "500 what", "250 hi", nil),
        ("220 hi", "421 4.3.2 closing", "250 hi", "4.3.2 host mx.example[192.0.2.1] refused to talk to me: 421 4.3.2 closing"),
        ("220 hi", "502 what", "550 5.7.1 no", "5.7.1 host mx.example[192.0.2.1] refused to talk to me: 550 5.7.1 no"),
        ("hello", "", "", "4.5.0 malformed response from mx.example[192.0.2.1] while receiving the initial server greeting: hello"),
    ]

    @Test(arguments: refusals.indices) func greetings(_ index: Int) {
        let (greeting, ehlo, helo, failure) = Self.refusals[index]
        var dialogue = ClientDialogue(clientOptions(), greeting: greeting, ehlo: ehlo, replies: ["HELO": [helo]])
        dialogue.run()
        #expect(dialogue.session.failure.map { "\($0.status) \($0.reason)" } == failure)
        #expect(dialogue.session.isReusable == (failure == nil))
        #expect(dialogue.session.failure?.allowsAnotherHost ?? true)
    }

    @Test func a5xxGreetingIsFinalIfSoConfigured() {
        var dialogue = ClientDialogue(clientOptions { $0.skips5xxGreeting = false }, greeting: "554 no")
        dialogue.run()
        #expect(dialogue.session.failure?.isSoft == false)
    }

    @Test func noGreetingAtAll() {
        var dialogue = ClientDialogue(clientOptions(), greeting: "220-and then silence")
        dialogue.run()
        #expect(
            dialogue.session.failure?.reason == "lost connection with mx.example[192.0.2.1] while receiving the initial server greeting")
    }

    @Test func capabilitiesAreRead() throws {
        let reply = ClientReply(
            code: 250, enhanced: nil,
            lines: [
                "250-mx.example hello", "250-size 52428800", "250-Pipelining", "250-AUTH=PLAIN", "250-X-ODD \u{1}", "250-SMTPUTF8",
                "250 8BITMIME",
            ]
            .map { Array($0.utf8) })
        let all = ClientCapabilities(reply: reply, isExtended: true)
        #expect(all.extensions == [.size, .pipelining, .smtpUTF8, .eightBitMIME])
        #expect(all.sizeLimit == 52_428_800)
        #expect(all.serverName == Array("mx.example".utf8))
        #expect(
            ClientCapabilities(reply: reply, isExtended: true, discarding: ["PIPELINING", "Size"]).extensions == [.smtpUTF8, .eightBitMIME])
        #expect(ClientCapabilities(reply: reply, isExtended: false).extensions == [])
    }

    @Test(arguments: [
        ("250-h\r\n250 SIZE", nil), ("250-h\r\n250 SIZE 0", nil), ("250-h\r\n250 SIZE 99999999999999999999", nil),
        ("250-h\r\n250 SIZE 7", 7),
    ])
    func sizes(_ ehlo: String, _ limit: Int?) {
        var dialogue = ClientDialogue(clientOptions(), ehlo: ehlo)
        dialogue.run()
        #expect(dialogue.session.capabilities.offers(.size))
        #expect(dialogue.session.capabilities.sizeLimit == limit)
    }

    @Test(arguments: [(true, "5.4.6"), (false, "4.4.6")]) func loopToMyself(_ isBest: Bool, _ status: String) {
        let options = clientOptions {
            $0.ownName = "MX.example"
            $0.isBestHost = isBest
        }
        var dialogue = ClientDialogue(options)
        dialogue.run()
        #expect(dialogue.session.failure.map { "\($0.status) \($0.reason)" } == "\(status) mail for example loops back to myself")
        #expect(dialogue.session.sawOwnName)
    }

    // MARK: STARTTLS

    static let withTLS = "250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS"

    @Test func tlsBeginsTheSessionAnew() {
        var dialogue = ClientDialogue(
            clientOptions { $0.tls = .may }, ehlo: Self.withTLS, replies: ["EHLO": [Self.withTLS, "250 mx.example"]])
        dialogue.run()
        #expect(dialogue.said == ["EHLO sender.example", "STARTTLS", "EHLO sender.example"])
        #expect(dialogue.session.isEncrypted)
        // Offered in clear, not offered under TLS: gone.
        #expect(!dialogue.session.capabilities.offers(.pipelining))
    }

    @Test func whatWasBufferedInClearIsDropped() {
        // The attacker appends a reply to EHLO to the reply to STARTTLS (CVE-2011-0411, from the server's side).
        var dialogue = ClientDialogue(
            clientOptions { $0.tls = .may }, ehlo: Self.withTLS,
            replies: ["STARTTLS": ["220 go\r\n250-evil\r\n250 SIZE 1"], "EHLO": [Self.withTLS, "250 mx.example"]])
        dialogue.run()
        #expect(dialogue.session.capabilities.serverName == Array("mx.example".utf8))
        #expect(dialogue.session.capabilities.sizeLimit == nil)
    }

    @Test(arguments: [
        (ClientSession.TLSPolicy.none, withTLS, "220 go", "ready plain"), (.may, "250 mx.example", "220 go", "ready plain"),
        (.may, withTLS, "454 4.7.0 no", "ready plain"), (.may, withTLS, "220 go", "ready encrypted"),
        (.encrypt, withTLS, "220 go", "ready encrypted"),
        (.encrypt, "250 mx.example", "220 go", "4.7.4 TLS is required, but was not offered by host mx.example[192.0.2.1]"),
        (.encrypt, withTLS, "454 4.7.0 no", "4.7.0 TLS is required, but host mx.example[192.0.2.1] refused to start TLS: 454 4.7.0 no"),
    ])
    func policies(_ policy: ClientSession.TLSPolicy, _ ehlo: String, _ reply: String, _ expected: String) {
        var dialogue = ClientDialogue(clientOptions { $0.tls = policy }, ehlo: ehlo, replies: ["STARTTLS": [reply]])
        dialogue.run()
        let seen =
            dialogue.session.failure.map { "\($0.status) \($0.reason)" }
            ?? (dialogue.session.isEncrypted ? "ready encrypted" : "ready plain")
        #expect(seen == expected)
    }

    @Test func aFailedHandshakeIsToldApart() {
        var session = ClientSession(options: clientOptions { $0.tls = .may })
        session.received(Array("220 hi\r\n".utf8))
        _ = session.nextAction()
        session.received(Array("\(Self.withTLS)\r\n".utf8))
        _ = session.nextAction()
        session.received(Array("220 go\r\n".utf8))
        #expect(session.nextAction() == .startTLS)
        session.tlsFailed()
        #expect(session.tlsHandshakeFailed)
        #expect(session.failure.map { "\($0.status) \($0.reason)" } == "4.7.5 Cannot start TLS: handshake failure")
        #expect(session.nextAction() == .close)
    }
}
