import MailModel
import Testing

@testable import LocalDelivery

@Suite struct MailboxContentTests {
    static let bodies: [(String, MailboxForm, String)] = [
        ("Subject: x\r\n\r\nhello\r\n", .maildir, "Subject: x\n\nhello\n"),
        ("a\r\nFrom b\r\nFromb\r\n From c\r\n>From d\r\nFrom: e\r\n", .mbox, "a\n>From b\nFromb\n From c\n>From d\nFrom: e\n\n"),
        ("a\r\nFrom b\r\n", .maildir, "a\nFrom b\n"),
        ("no end", .maildir, "no end\n"),
        ("a\r\nFro", .mbox, "a\nFro\n\n"),
        ("a\rb\nc\r\r\n\0\r", .maildir, "a\rb\nc\r\n\0\r\n"),
        ("", .mbox, "\n"),
        ("FFrom x\r\nFrFrom y\r\nFrom z", .mbox, "FFrom x\nFrFrom y\n>From z\n\n"),
    ]

    @Test(arguments: bodies) func whole(_ content: String, _ form: MailboxForm, _ stored: String) {
        var body = MailboxBody(form)
        #expect(String(decoding: body.feed(Array(content.utf8)) + body.finish(), as: UTF8.self) == stored)
    }

    @Test(arguments: bodies) func byteByByte(_ content: String, _ form: MailboxForm, _ stored: String) {
        var body = MailboxBody(form)
        var out: [UInt8] = []
        for byte in content.utf8 { out += body.feed([byte]) }
        #expect(String(decoding: out + body.finish(), as: UTF8.self) == stored)
    }

    @Test func header() {
        let header = DeliveryHeader(sender: MailAddress("bob@x"), originalRecipient: MailAddress("root@y"), recipient: MailAddress("a b@y"))
        #expect(
            String(decoding: header.bytes(.mbox, date: "Thu Jan  1 00:00:00 1970"), as: UTF8.self) == """
                From bob@x  Thu Jan  1 00:00:00 1970
                Return-Path: <bob@x>
                X-Original-To: root@y
                Delivered-To: "a b"@y

                """)
        let null = DeliveryHeader(sender: .null, originalRecipient: MailAddress("r\nX: y@z"), recipient: MailAddress("r@z"))
        #expect(
            String(decoding: null.bytes([.fromLine], date: "D"), as: UTF8.self)
                == "From MAILER-DAEMON  D\nReturn-Path: <>\nX-Original-To: \"r?X: y\"@z\n")
    }

    @Test(arguments: [
        (0, 0, "Thu Jan  1 00:00:00 1970"), (951_782_399, 3600, "Tue Feb 29 00:59:59 2000"), (1_795_467_475, 0, "Mon Nov 23 20:57:55 2026"),
        (0, -3600, "Wed Dec 31 23:00:00 1969"),
    ])
    func date(_ seconds: Int64, _ offset: Int, _ text: String) { #expect(DeliveryHeader.asctime(seconds: seconds, offset: offset) == text) }

    @Test func trail() {
        let content =
            "Received: x\r\nDelivered-To: Bob@Example.org\r\ndelivered-to:\t\"a b\"@y \r\nSubject: s\r\n\r\nDelivered-To: body@x\r\n"
        let trail = DeliveryTrail(contentStart: Array(content.utf8))
        #expect(trail.contains(MailAddress("bob@example.ORG")))
        #expect(trail.contains(MailAddress("a b@y")))
        #expect(!trail.contains(MailAddress("body@x")))
        #expect(!DeliveryTrail(contentStart: []).contains(MailAddress("bob@x")))
    }
}

@Suite struct DeliveryLogLineTests {
    @Test func line() throws {
        let times = DeliveryTimes(arrival: 0, activated: 40_000, received: 50_000, finished: 60_000)
        let outcome = RecipientOutcome(.delivered, EnhancedStatusCode(2, 0, 0), "delivered to maildir", relay: "local")
        let id = try #require(QueueID("4jYJDg2t5cz1r2"))
        #expect(
            DeliveryLogLine.text(
                queueID: id, recipient: MailAddress("a@x"), originalRecipient: MailAddress("b@x"), outcome: outcome, times: times,
                decimals: 2)
                == "4jYJDg2t5cz1r2: to=<a@x>, orig_to=<b@x>, relay=local, delay=0.06, delays=0.04/0.01/0/0.01, dsn=2.0.0, "
                + "status=sent (delivered to maildir)")
        let failed = RecipientOutcome(.bounced, EnhancedStatusCode(5, 3, 0), "a\nb", relay: "local")
        #expect(
            DeliveryLogLine.text(
                queueID: id, recipient: MailAddress("a@x"), originalRecipient: MailAddress("a@x"), outcome: failed, times: times,
                decimals: 1
            )
            .hasSuffix("to=<a@x>, relay=local, delay=0.1, delays=0/0/0/0, dsn=5.3.0, status=bounced (a?b)"))
    }
}

@Suite struct CommandTests {
    @Test(arguments: [
        ("/usr/bin/procmail -a x", ["/usr/bin/procmail", "-a", "x"]), ("  /bin/cat\t-n ", ["/bin/cat", "-n"]),
        ("procmail", ["/bin/sh", "-c", "procmail"]), ("/bin/cat >x", ["/bin/sh", "-c", "/bin/cat >x"]),
        ("/bin/echo $HOME", ["/bin/sh", "-c", "/bin/echo $HOME"]), ("A=b /bin/x", ["/bin/sh", "-c", "A=b /bin/x"]),
        ("/bin/a;b", ["/bin/sh", "-c", "/bin/a;b"]), ("/bin/a*", ["/bin/sh", "-c", "/bin/a*"]),
    ])
    func arguments(_ command: String, _ vector: [String]) { #expect(CommandText.argumentVector(Array(command.utf8)) == vector) }

    @Test func unusable() {
        #expect(CommandText.argumentVector([]) == nil)
        #expect(CommandText.argumentVector([0xFF]) == nil)
        #expect(CommandText.argumentVector(Array("/bin/a\0b".utf8)) == nil)
    }

    @Test func environmentIsFiltered() {
        let environment = CommandEnvironment(
            sender: MailAddress("$(id)`x`@y"), recipient: MailAddress("bob+a;b c@x"), originalRecipient: MailAddress("bob@x"),
            localPart: LocalPart(Array("bob+a;b c".utf8), delimiters: "+"),
            client: ClientFacts(helo: "h\"|", name: "n", address: "192.0.2.1"),
            user: ("bob", "/home/bob", ""), timeZone: nil, path: "/bin")
        let variables = environment.variables(allowed: LocalSettings.safeCharacters)
        func value(_ name: String) -> String? { variables.first { $0.0 == name }?.1 }
        #expect(value("EXTENSION") == "a_b_c")
        #expect(value("CLIENT_HELO") == "h__")
        #expect(value("HOME") == "/home/bob")
        #expect(value("SHELL") == "/bin/sh")
        for (_, text) in variables { #expect(!text.contains { "$`;|\"'\\<>& \n()".contains($0) }) }
    }

    @Test(arguments: [
        (CommandOutcome.End.exited(0), RecipientOutcome.Action.delivered, "2.0.0", "delivered to command: /bin/x"),
        (.exited(75), .deferred, "4.3.0", "temporary failure. Command output: oh no"),
        (.exited(67), .bounced, "5.1.1", "user unknown. Command output: oh no"),
        (.exited(1), .bounced, "5.3.0", "Command died with status 1: \"/bin/x\". Command output: oh no"),
        (.killed(signal: 9), .deferred, "4.3.0", "Command died with signal 9: \"/bin/x\". Command output: oh no"),
        (.timedOut, .bounced, "5.3.0", "Command time limit exceeded: \"/bin/x\". Command output: oh no"),
    ])
    func outcome(_ end: CommandOutcome.End, _ action: RecipientOutcome.Action, _ code: String, _ reason: String) {
        let outcome = CommandOutcome.outcome(end, command: Array("/bin/x".utf8), output: Array(" oh no\n".utf8))
        #expect(outcome.action == action)
        #expect(outcome.status.description == code)
        #expect(outcome.reason == reason)
        #expect(outcome.relay == "local")
    }
}
