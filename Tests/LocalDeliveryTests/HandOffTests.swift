// mailbox_transport and fallback_transport; owners of lists; commands in a shell or directory of the administrator's choice.

import MailIPC
import MailModel
import SystemKit
import Testing

@testable import LocalDelivery

@Suite struct HandOffTests {
    @Test(
        arguments: [
            ("", nil, nil), (" ", nil, nil), ("lmtp:unix:private/dovecot-lmtp", "lmtp", "unix:private/dovecot-lmtp"),
            ("virtual", "virtual", ""),
            ("virtual:", "virtual", ""),
        ] as [(String, String?, String?)]) func targets(_ text: String, _ transport: String?, _ nextHop: String?)
    {
        let target = HandOffTarget(text)
        #expect(target?.transport == transport)
        #expect(target?.nextHop == nextHop)
    }

    @Test func anotherAgentHasTheMailboxes() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.settings.mailboxTransport = "lmtp:unix:private/lmtp"
        test.aliases = ["list": "bob, ghost"]
        test.mailboxTransports = ["ghost": "other:hop"]
        // Aliases come first; names without an account are the other agent's, too.
        #expect(try test.deliver("list").map(\.action) == [.expanded])
        #expect(test.handedOver.map(\.target) == [HandOffTarget("lmtp:unix:private/lmtp"), HandOffTarget("other:hop")])
        #expect(test.handedOver.map(\.recipient.address) == [MailAddress("bob@x"), MailAddress("ghost@x")])
        #expect(test.handedOver.first?.recipient.originalAddress == MailAddress("list@x"))
        #expect(test.handedOver.first?.recipient.notify == [.success, .failure])
        #expect(test.log.isEmpty, "the other agent logs its deliveries")
        #expect(try Files.directoryEntries("\(test.directory)/spool").isEmpty)
        test.handOverReply = RecipientOutcome(.deferred, EnhancedStatusCode(4, 4, 1), "down", relay: "none")
        #expect(try test.deliver("bob").first?.action == .deferred)
    }

    @Test func unknownNamesFallBack() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.settings.fallbackTransport = "smtp:[old.host]"
        test.settings.luserRelay = "nobody@elsewhere"
        test.fallbackTransports = ["gone": "error:"]
        #expect(try test.deliver("bob").first?.reason == "delivered to mailbox")
        _ = try test.deliver("nosuch", "gone")
        #expect(test.handedOver.map(\.target) == [HandOffTarget("smtp:[old.host]"), HandOffTarget("error:")])
        #expect(test.forwarded.isEmpty, "the transport comes before luser_relay")
    }

    @Test func anAgentDoesNotHandOverToItself() throws {
        let request = DeliveryRequest.forTest(transport: "local")
        let client = HandOffClient(request: request, socket: { "/nonexistent/\($0)" }, timeout: 1)
        for name in ["local", "", "../x", ".."] {
            let handOff = HandOff(
                target: try #require(HandOffTarget("\(name):x")), sender: .null, recipient: EnvelopeRecipient(MailAddress("a@x")))
            let content = try MessageContent(file: FileDescriptor.open("/dev/null", .readOnly), offset: 0, length: 0)
            #expect(client.deliver(handOff, content).status == EnhancedStatusCode(4, 3, 5))
        }
        let handOff = HandOff(
            target: try #require(HandOffTarget("lmtp:x")), sender: .null, recipient: EnvelopeRecipient(MailAddress("a@x")))
        let content = try MessageContent(file: FileDescriptor.open("/dev/null", .readOnly), offset: 0, length: 0)
        #expect(client.deliver(handOff, content).action == .deferred, "nobody listens")
    }
}

@Suite struct OwnerTests {
    @Test func theOwnerMayBeExpanded() throws {
        let test = try TestSurroundings()
        test.aliases = ["list": "a@elsewhere", "owner-list": "boss@elsewhere, other@elsewhere"]
        _ = try test.deliver("list")
        test.settings.expandsOwnerAlias = true
        _ = try test.deliver("list")
        test.settings.ownerIsSpecial = false
        _ = try test.deliver("list")
        #expect(
            test.forwarded.map(\.envelope.sender) == [
                MailAddress("owner-list@x"), MailAddress("boss@elsewhere"), MailAddress("bob@sender"),
            ])
    }

    @Test(arguments: [(false, "owner-list@x"), (true, "bob@sender")])
    func anAliasBelowMayResetTheOwner(_ resets: Bool, _ expected: String) throws {
        let test = try TestSurroundings()
        test.settings.resetsOwnerAlias = resets
        test.aliases = ["list": "sub", "owner-list": "boss@elsewhere", "sub": "a@elsewhere"]
        _ = try test.deliver("list")
        #expect(test.forwarded.map(\.envelope.sender) == [MailAddress(expected)])
    }

    @Test func listNamesAreSplitWhereTheyAreNotSpecial() {
        #expect(LocalPart(Array("owner-list".utf8), delimiters: "-").extension == nil)
        #expect(LocalPart(Array("owner-list".utf8), delimiters: "-", ownerIsSpecial: false).extension == Array("list".utf8))
    }
}

@Suite struct CommandSettingsTests {
    @Test func aShellGetsTheCommandAsOneArgument() {
        let command = Array("procmail -a \"$EXTENSION\"".utf8)
        #expect(CommandText.argumentVector(command, shell: "/usr/bin/smrsh -c") == ["/usr/bin/smrsh", "-c", "procmail -a \"$EXTENSION\""])
    }

    @Test(
        arguments: [
            ("", nil), ("$home/work", "/home/bob/work"), ("/srv/$domain/$extension", "/srv/x/a_b"), ("relative", nil), ("${broken", nil),
        ] as [(String, String?)]) func theDirectoryIsExpanded(_ text: String, _ expected: String?)
    {
        var settings = LocalSettings()
        settings.commandDirectory = text
        let user = UserRecord(name: "bob", uid: 1000, gid: 1000, home: "/home/bob", shell: "", gecos: "")
        let address = MailAddress("bob+a/b@x")
        let directory = ForwardPath.commandDirectory(
            settings, user: user, part: LocalPart(address.localPart, delimiters: "+"), address: address)
        #expect(directory == expected)
    }

    @Test func noOriginalRecipientWhereItIsNotWanted() throws {
        let test = try TestSurroundings()
        try test.addUser("bob")
        test.settings.showsOriginalRecipient = false
        _ = try test.deliver("bob")
        #expect(!(try test.read("spool/bob")).contains("X-Original-To"))
    }
}

extension DeliveryRequest {
    static func forTest(transport: String) -> DeliveryRequest {
        DeliveryRequest(
            queueID: QueueID(microseconds: 1_795_465_277_000_000, unique: 5), transport: transport, nextHop: "x",
            envelope: Envelope(sender: .null, recipients: [], origin: .remoteSMTP, arrival: 0), contentFacts: [], contentOffset: 0,
            contentLength: 0, activated: 0)
    }
}
