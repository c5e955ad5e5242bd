import MailModel
import SystemKit
import Testing

@testable import LocalDelivery

private func isDelivered(_ outcome: RecipientOutcome?) -> Bool {
    outcome?.action == .delivered && outcome?.status == EnhancedStatusCode(2, 0, 0)
}

@Suite struct MailboxDeliveryTests {
    @Test func mboxInTheSpool() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        #expect(try test.deliver("Bob").first?.reason == "delivered to mailbox")
        #expect(isDelivered(try test.deliver("bob").first))
        let message = "Return-Path: <bob@sender>\nX-Original-To: bob@x\nDelivered-To: bob@x\nSubject: test\n\nhello\n>From here\n\n"
        let mailbox = try test.read("spool/bob")
        #expect(mailbox.hasSuffix(message))
        #expect(mailbox.split(separator: "\n").filter { $0.hasPrefix("From bob@sender  ") }.count == 2)
        #expect(try Files.directoryEntries("\(test.directory)/spool") == ["bob"], "the lock file is gone")
    }

    @Test func maildirInTheHome() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.settings.homeMailbox = "Maildir/"
        #expect(try test.deliver("bob").first?.reason == "delivered to maildir")
        #expect(
            try test.maildir("home/bob/Maildir") == [
                "Return-Path: <bob@sender>\nX-Original-To: bob@x\nDelivered-To: bob@x\nSubject: test\n\nhello\nFrom here\n"
            ])
        #expect(try Files.directoryEntries("\(test.directory)/home/bob/Maildir/tmp").isEmpty)
    }

    @Test func lockedMailbox() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.write("spool/bob.lock", "")
        // The test's clock is years behind the lock file: it is not stale.
        let outcome = try #require(try test.deliver("bob").first)
        #expect(outcome.action == .deferred)
        #expect(outcome.status == EnhancedStatusCode(4, 2, 0))
        #expect(try test.read("spool/bob").isEmpty)
    }

    /// SW 0.16.16, Postal: a lock that was never released.
    @Test func staleLockIsRemoved() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.settings.lockAttempts = 2
        test.settings.lockDelay = 0
        try test.write("spool/bob.lock", "")
        try Files.setTimes("\(test.directory)/spool/bob.lock", modified: 1_000_000)
        #expect(isDelivered(try test.deliver("bob").first))
    }

    /// Postfix CVE-2008-2936: mail written through a link in the spool.
    @Test func symbolicAndHardLinksAreRefused() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.write("files/victim", "keep\n")
        try Files.symbolicLink("\(test.directory)/files/victim", at: "\(test.directory)/spool/bob")
        #expect(try test.deliver("bob").first?.action == .deferred)
        try Files.unlink("\(test.directory)/spool/bob")
        try Files.link("\(test.directory)/files/victim", "\(test.directory)/spool/bob")
        #expect(try test.deliver("bob").first?.action == .deferred)
        #expect(try test.read("files/victim") == "keep\n")
    }

    @Test func sizeLimit() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.settings.mailboxSizeLimit = 20
        let outcome = try #require(try test.deliver("bob").first)
        #expect(outcome.action == .bounced)
        #expect(outcome.status == EnhancedStatusCode(5, 2, 2))
    }

    @Test func mailboxWithoutFinalNewline() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.write("spool/bob", "From x\n\nhalf")
        #expect(isDelivered(try test.deliver("bob").first))
        #expect(try test.read("spool/bob").hasPrefix("From x\n\nhalf\nFrom bob@sender  "))
    }

    @Test func unwritableMaildir() throws {
        let test = try TestSurroundings()
        try test.write("files/plain", "")
        test.aliases["bob"] = "\(test.directory)/files/plain/Maildir/"
        #expect(try test.deliver("bob").first?.action == .deferred)
    }

    @Test func truncatedQueueFileIsNotDelivered() throws {
        let test = try TestSurroundings()
        test.aliases["bob"] = "\(test.directory)/files/Maildir/"
        let file = try FileDescriptor.open("\(test.directory)/short", [.readWrite, .create])
        try file.writeAll([1, 2, 3])
        let content = try MessageContent(file: try file.duplicate(), offset: 0, length: 10)
        #expect(throws: SystemError.self) { try content.start(upTo: 10) }
        let identity = DeliveryIdentity(
            UserRecord(name: "", uid: Privileges.realUser, gid: Privileges.realGroup, home: "/", shell: "", gecos: ""), supplementary: [])
        let delivery = MaildirDelivery(path: "\(test.directory)/files/Maildir/", identity: identity, hostName: "h", time: 1)
        #expect(throws: SystemError.self) { try delivery.deliver(content, header: [], form: .maildir, into: MaildirBatch()) }
        #expect(try test.maildir("files/Maildir").isEmpty)
        #expect(try Files.directoryEntries("\(test.directory)/files/Maildir/tmp").isEmpty)
    }
}

@Suite struct RecipientExpansionTests {
    @Test func unknownUser() throws {
        let test = try TestSurroundings()
        let outcome = try #require(try test.deliver("Nobody.Here").first)
        #expect(outcome.action == .bounced)
        #expect(outcome.status == EnhancedStatusCode(5, 1, 1))
        #expect(outcome.reason == "unknown user: \"nobody.here\"")
    }

    @Test func failingLookupsDefer() throws {
        let test = try TestSurroundings()
        test.brokenAliases = ["bob"]
        #expect(try test.deliver("bob").first?.action == .deferred)
        test.brokenAliases = []
        test.isUserDatabaseDown = true
        #expect(try test.deliver("bob").first?.action == .deferred)
    }

    @Test func aliasToEverything() throws {
        let test = try TestSurroundings()
        try test.addUser("carol")
        try test.write("list", "dave@elsewhere, carol\n# none\n", mode: 0o644)
        test.aliases["list"] = "carol, \\carol, \(test.directory)/files/mbox, :include:\(test.directory)/list, other@elsewhere"
        let outcome = try #require(try test.deliver("list").first)
        #expect(outcome.action == .expanded)
        #expect(outcome.reason == "forwarded as 4jYJDg2t5cz1r2")
        // carol is named three times and gets it once.
        #expect(try test.read("spool/carol").split(separator: "\n").filter { $0.hasPrefix("Subject:") }.count == 1)
        #expect(try test.read("files/mbox").contains("Delivered-To: list@x"))
        #expect(test.forwarded.count == 1)
        #expect(test.forwarded.first?.envelope.recipients.map(\.address.logForm) == ["dave@elsewhere", "other@elsewhere"])
        #expect(test.forwarded.first.map { String(decoding: $0.header, as: UTF8.self) } == "Delivered-To: list@x\r\n")
        #expect(test.forwardedContent.first == Array(TestSurroundings.defaultContent.utf8))
        #expect(test.forwarded.first?.envelope.origin == .forward)
        #expect(test.forwarded.first?.envelope.recipients.first?.notify == .failure)
        #expect(test.log.contains { $0.contains("to=<carol@x>, orig_to=<list@x>, relay=local") })
    }

    @Test func ownerTakesTheSendersPlace() throws {
        let test = try TestSurroundings()
        test.aliases = ["list": "a@elsewhere", "owner-list": "boss", "boss": "b@elsewhere"]
        _ = try test.deliver("list")
        #expect(test.forwarded.first?.envelope.sender == MailAddress("owner-list@x"))
        #expect(test.forwarded.first?.envelope.recipients.first?.notify == [])
        _ = try test.deliver("list", sender: "")
        #expect(test.forwarded.last?.envelope.sender == .null)
    }

    @Test func forwardingFailureDefers() throws {
        let test = try TestSurroundings()
        test.aliases["bob"] = "a@elsewhere"
        test.forwardReply = RecipientOutcome(.deferred, EnhancedStatusCode(4, 3, 0), "unable to forward", relay: "local")
        #expect(try test.deliver("bob").first?.action == .deferred)
    }

    @Test func worstOutcomeCounts() throws {
        let test = try TestSurroundings()
        test.aliases = ["list": "\(test.directory)/files/mbox, nosuch", "worse": "nosuch, bad item"]
        #expect(try test.deliver("list").first?.action == .bounced)
        #expect(try test.deliver("worse").first?.action == .deferred)
    }

    @Test func selfInAliasMeansTheMailbox() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.aliases["bob"] = "bob, a@elsewhere"
        #expect(try test.deliver("bob").first?.action == .expanded)
        #expect(try test.read("spool/bob").contains("Subject: test"))
    }

    @Test func cyclesEnd() throws {
        let test = try TestSurroundings()
        test.aliases = ["a": "b, b", "b": "a, c, c", "c": "a, b"]
        #expect(try test.deliver("a").first?.action == .bounced)
    }

    @Test func hugeExpansionsEnd() throws {
        let test = try TestSurroundings()
        test.settings.expansionLimit = 10
        for level in 0..<30 { test.aliases["a\(level)"] = "a\(level + 1), a\(level + 1)" }
        let outcome = try #require(try test.deliver("a0").first)
        #expect(outcome.action == .bounced)
        #expect(test.log.count < 2000)
    }

    @Test(arguments: [0, 100, 1000, 4000]) func loopIsSeenBehindOtherFields(fields: Int) throws {
        let test = try TestSurroundings()
        test.aliases["bob"] = "\(test.directory)/files/Maildir/"
        let others = String(repeating: "X-Field: of forty-eight octets, to fill the header\r\n", count: fields)
        let outcome = try test.deliver("bob", content: others + "Delivered-To: bob@x\r\n\r\nhello\r\n")
        #expect(outcome.first?.reason == "mail forwarding loop for bob@x")
        let body = try test.deliver("bob", content: others + "\r\nDelivered-To: bob@x\r\n\r\n")
        #expect(isDelivered(body.first))
    }

    /// Content is taken in pieces, whose borders must not show; the sizes are around those of the pieces.
    @Test(arguments: [1, 32 << 10, (32 << 10) + 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 128 << 10, 300_001])
    func everyPieceArrives(size: Int) throws {
        let test = try TestSurroundings()
        test.aliases["bob"] = "\(test.directory)/files/Maildir/"
        var content = (0..<size / 16).map { "line \(1_000_000 + $0)..\r\n" }.joined()
        content += String(repeating: "x", count: size - content.utf8.count)
        #expect(isDelivered(try test.deliver("bob", content: content).first))
        let stored = try #require(try test.maildir("files/Maildir").first)
        var expected = content.replacing("\r\n", with: "\n")
        if !expected.hasSuffix("\n") { expected += "\n" }
        #expect(stored == "Return-Path: <bob@sender>\nX-Original-To: bob@x\nDelivered-To: bob@x\n" + expected)
    }

    @Test func deliveredToLoop() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        let outcome = try #require(try test.deliver("bob", content: "Delivered-To: BOB@X\r\n\r\n").first)
        #expect(outcome.status == EnhancedStatusCode(5, 4, 6))
        #expect(outcome.reason == "mail forwarding loop for bob@x")
    }

    @Test func emptyAliasDefers() throws {
        let test = try TestSurroundings()
        test.aliases["bob"] = " , "
        #expect(try test.deliver("bob").first?.action == .deferred)
    }

    @Test func extensionFindsUserAndAlias() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.aliases = ["list+a": "\(test.directory)/files/a", "list": "\(test.directory)/files/plain"]
        _ = try test.deliver("list+A")
        _ = try test.deliver("list+b")
        #expect(isDelivered(try test.deliver("bob+anything").first))
        #expect(try test.read("files/a").contains("X-Original-To: list+A@x"))
        #expect(try test.read("files/plain").contains("X-Original-To: list+b@x"))
    }

    @Test func outcomesInOrderOfRecipients() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        #expect(try test.deliver("nosuch", "bob", "bob").map(\.action) == [.bounced, .delivered, .delivered])
        #expect(try test.read("spool/bob").split(separator: "\n").filter { $0.hasPrefix("Subject:") }.count == 1)
    }

    @Test func restrictions() throws {
        let test = try TestSurroundings()
        try test.write("list", "/tmp/never\n|/bin/true\n", mode: 0o644)
        test.aliases = [
            "list": ":include:\(test.directory)/list", "relative": ":include:list", "world": ":include:\(test.directory)/world",
        ]
        try test.write("world", "a@elsewhere\n", mode: 0o666)
        #expect(try test.deliver("list").first?.status == EnhancedStatusCode(5, 7, 1))
        #expect(try test.deliver("relative").first?.status == EnhancedStatusCode(5, 3, 5))
        #expect(try test.deliver("world").first?.action == .deferred)
        test.aliases["gone"] = ":include:\(test.directory)/gone"
        #expect(try test.deliver("gone").first?.action == .deferred)
        #expect(test.forwarded.isEmpty)
    }

    @Test func luserRelay() throws {
        let test = try TestSurroundings()
        test.settings.luserRelay = "$user+$extension@elsewhere"
        _ = try test.deliver("nosuch+a/b")
        #expect(test.forwarded.first?.envelope.recipients.first?.address == MailAddress("nosuch+a_b@elsewhere"))
        test.settings.luserRelay = "nosuch2@x"
        #expect(try test.deliver("nosuch").first?.action == .bounced)
    }
}

@Suite struct ForwardFileTests {
    @Test func forward() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.write("home/bob/.forward", "\\bob, a@elsewhere\n\(test.directory)/home/bob/copy\n")
        try test.write("home/bob/.forward+list", "\(test.directory)/home/bob/list/\n")
        #expect(try test.deliver("bob").first?.action == .expanded)
        #expect(try test.read("spool/bob").contains("Subject: test"))
        #expect(try test.read("home/bob/copy").contains("Subject: test"))
        #expect(isDelivered(try test.deliver("bob+list").first))
        #expect(try test.maildir("home/bob/list").count == 1)
    }

    @Test func selfInForwardMeansTheMailbox() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.write("home/bob/.forward", "bob\n")
        #expect(isDelivered(try test.deliver("bob").first))
    }

    @Test(arguments: [UInt32(0o602), 0o666]) func worldWritableIsIgnored(_ mode: UInt32) throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.write("home/bob/.forward", "a@elsewhere\n", mode: mode)
        #expect(isDelivered(try test.deliver("bob").first))
        #expect(test.forwarded.isEmpty)
        #expect(test.log.contains { $0.contains("world writable") })
    }

    @Test func linksAndEmptyFilesAreIgnored() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.addUser("eve")
        try test.write("home/bob/.forward", "# nobody\n")
        try test.write("secret", "a@elsewhere\n")
        try Files.symbolicLink("\(test.directory)/secret", at: "\(test.directory)/home/eve/.forward")
        #expect(isDelivered(try test.deliver("bob").first))
        #expect(isDelivered(try test.deliver("eve").first))
        #expect(test.forwarded.isEmpty)
    }

    @Test func extensionIsNoPath() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try Files.makeDirectory("\(test.directory)/home/bob/.forward+..")
        try test.write("evil", "a@elsewhere\n")
        #expect(isDelivered(try test.deliver("bob+../../../evil").first))
        #expect(test.forwarded.isEmpty)
    }

    /// Needs no second user, so it runs where the test is not root: as root the command would run through the installed helper.
    @Test(.enabled(if: !Privileges.isRoot)) func command() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        try test.write("home/bob/.forward", "|cat >out; echo $USER >>out\n")
        #expect(isDelivered(try test.deliver("bob").first))
        #expect(try test.read("home/bob/out").hasSuffix("hello\nFrom here\nbob\n"))
        try test.write("home/bob/.forward", "|exit 75\n")
        #expect(try test.deliver("bob").first?.action == .deferred)
        test.settings.commandTimeLimit = 0
        try test.write("home/bob/.forward", "|sleep 100\n")
        #expect(try test.deliver("bob").first?.reason.hasPrefix("Command time limit exceeded") == true)
    }
}
