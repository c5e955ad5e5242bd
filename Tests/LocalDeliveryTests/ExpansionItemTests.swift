import MailModel
import Testing

@testable import LocalDelivery

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
private func address(_ text: String) -> ExpansionItem { .address(MailAddress(text)) }

@Suite struct ExpansionItemTests {
    static let aliasValues: [(String, [ExpansionItem])] = [
        ("bob", [address("bob")]),
        ("bob, alice@example.org", [address("bob"), address("alice@example.org")]),
        (" bob ,, \n\talice ", [address("bob"), address("alice")]),
        ("", []),
        (" , ", []),
        ("\\bob", [.mailbox(of: bytes("bob"))]),
        ("/var/mail/list", [.file(bytes("/var/mail/list"))]),
        ("/var/mail/list/", [.file(bytes("/var/mail/list/"))]),
        ("|/usr/bin/prog", [.command(bytes("/usr/bin/prog"))]),
        ("\"|/usr/bin/prog -a, -b\"", [.command(bytes("/usr/bin/prog -a, -b"))]),
        ("|\"/usr/bin/prog a\"", [.command(bytes("/usr/bin/prog a"))]),
        ("|/usr/bin/prog arg (x), bob", [.command(bytes("/usr/bin/prog arg (x)")), address("bob")]),
        ("\"|echo \\\"hi\\\"\"", [.command(bytes("echo \"hi\""))]),
        (":include:/etc/list", [.include(bytes("/etc/list"))]),
        (":INCLUDE: /etc/list", [.include(bytes("/etc/list"))]),
        ("\":include:/etc/my list\"", [.include(bytes("/etc/my list"))]),
        ("\"a b\"@example.org", [.address(MailAddress(localPart: bytes("a b"), domain: bytes("example.org")))]),
        ("\"a,b\"", [.address(MailAddress(localPart: bytes("a,b"), domain: []))]),
        ("Bob Smith <bob@x> (the boss)", [address("bob@x")]),
        ("bob@x (a, b)", [address("bob@x")]),
        ("bob@[192.0.2.1]", [address("bob@[192.0.2.1]")]),
        ("bob smith", [.malformed(bytes("bob smith"))]),
        ("bob@", [.malformed(bytes("bob@"))]),
        ("\"open", [.malformed(bytes("\"open"))]),
        ("bob (open", [.malformed(bytes("bob (open"))]),
        ("bob\u{0}", [.malformed(bytes("bob\u{0}"))]),
    ]

    @Test(arguments: aliasValues) func aliasValue(_ text: String, _ items: [ExpansionItem]) {
        #expect(ExpansionItem.list(aliasValue: bytes(text)) == items)
    }

    @Test func file() {
        let text = "# a comment, bob\n\nbob\n\\carol, /home/carol/x\n  |/usr/bin/vacation carol  \r\n#end"
        #expect(
            ExpansionItem.list(file: bytes(text)) == [
                address("bob"), .mailbox(of: bytes("carol")), .file(bytes("/home/carol/x")), .command(bytes("/usr/bin/vacation carol")),
            ])
    }

    @Test func anyBytes() {
        var state: UInt64 = 42
        for _ in 0..<2000 {
            var text: [UInt8] = []
            for _ in 0..<20 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text.append("\"\\,()<>@|/: a\n#;.".utf8.randomByte(state))
            }
            // Total: whatever comes, it ends, and no item is empty.
            for item in ExpansionItem.list(aliasValue: text) + ExpansionItem.list(file: text) {
                if case .address(let address) = item { #expect(!address.localPart.isEmpty) }
            }
        }
    }
}

extension String.UTF8View {
    fileprivate func randomByte(_ state: UInt64) -> UInt8 { Array(self)[Int((state >> 33) % UInt64(count))] }
}

@Suite struct LocalPartTests {
    @Test(
        arguments: [
            ("Bob", "+", "bob", nil), ("bob+x", "+", "bob", "x"), ("bob+x+y", "+", "bob", "x+y"), ("bob-x", "+-", "bob", "x"),
            ("+x", "+", "+x", nil),
            ("bob+", "+", "bob", ""), ("bob+x", "", "bob+x", nil), ("owner-list", "-", "owner-list", nil),
            ("list-request", "-", "list-request", nil),
            ("postmaster", "-", "postmaster", nil), ("list-request", "+", "list-request", nil),
        ] as [(String, String, String, String?)])
    func split(_ text: String, _ delimiters: String, _ user: String, _ extension: String?) {
        let part = LocalPart(bytes(text), delimiters: delimiters)
        #expect(part.user == bytes(user))
        #expect(part.extension == `extension`.map(bytes))
    }
}
