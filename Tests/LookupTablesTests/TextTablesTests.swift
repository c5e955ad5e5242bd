import MailConfiguration
import SystemKit
import Testing

@testable import LookupTables

@Suite struct TextTablesTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func table(_ type: String, _ text: String, substitution: Bool = true) throws -> TableSet {
        TableSet(specifications: ["\(type):\(try directory.write(text, to: type))"], allowsSubstitution: substitution)
    }

    @Test func texthashIsReadAgainWhenChanged() throws {
        let set = try table("texthash", "Key value\n")
        #expect(try set.lookup("KEY") == "value")
        // In its place, and maybe not whole yet.
        let path = try directory.write("", to: "texthash")
        #expect(try set.lookup("key") == "value")
        try directory.write("key other value\n", to: "texthash")
        #expect(try set.lookup("key") == "value")
        let past = SystemClock.now() - 2_000_000
        try Files.setTimes(path, modified: past)
        #expect(try set.lookup("key") == "other value")
        // Another file is believed at once.
        try Files.rename(directory.write("key third\n", to: "new"), path)
        #expect(try set.lookup("key") == "third")
        try directory.write("key\n", to: "texthash")
        try Files.setTimes(path, modified: past)
        #expect(throws: LookupError.self) { try set.lookup("key") }
    }

    @Test func pcre() throws {
        let set = try table(
            "pcre",
            """
            /^(.*)-outgoing@(.*)$/ 550 Use ${1}@$(2), costs $$5
            !/@example\\.org$/ foreign
            if /^a/
            /b@/ ab
            /c@/i ac
            endif
            /^D@/i upper
            %/slash% slash
            """)
        #expect(try set.lookup("List-outgoing@Example.org") == "550 Use List@Example.org, costs $5")
        #expect(try set.lookup("x@example.net") == "foreign")
        #expect(try set.lookup("ab@example.org") == "ab")
        #expect(try set.lookup("xb@example.org") == nil)
        #expect(try set.lookup("AC@example.org") == nil, "the flag i turns case folding off")
        #expect(try set.lookup("d@example.org") == nil)
        #expect(try set.lookup("D@example.org") == "upper")
        #expect(try set.lookup("/slash@example.org") == "slash")
        #expect(try set.lookup("ab", isPart: true) == nil)
    }

    @Test(arguments: ["regexp", "pcre"]) func aDotMatchesALineBreak(_ type: String) throws {
        let set = try table(type, "/^Subject: (.*)$/ REJECT $1\n")
        #expect(try set.lookup("Subject: one\n two") == "REJECT one\n two")
    }

    @Test func regexp() throws {
        let set = try table("regexp", "/^(a|b)+$/ letters\n/x{2}/x two\n/^Foo$/i foo\n")
        #expect(try set.lookup("abba") == "letters")
        #expect(try set.lookup("axxb") == "two")
        #expect(try set.lookup("foo") == nil)
    }

    @Test func aGroupThatTookNoPartIsEmpty() throws {
        let set = try table("pcre", "/^a(b)?(c)?d$/ <$1$2>\n/^x(@.*)?$/ plain\n")
        #expect(try set.lookup("ad") == "<>")
        #expect(try set.lookup("acd") == "<c>")
        #expect(try set.lookup("x") == "plain")
    }

    @Test(arguments: [
        "/(/ x", "/a/ $1", "/a", "/a/", "/a/q x", "x/a/ y", "!/(a)/ $1", "if /a/\n/b/ c", "endif", "// x", "/(a)/ $x", "/(a)/ ${1",
    ])
    func aRuleThatIsNotUnderstoodFailsTheTable(_ text: String) throws {
        let set = try table("pcre", "/first/ found\n" + text)
        #expect(throws: LookupError.self) { try set.lookup("first") }
    }

    @Test func substitutionCanBeForbidden() throws {
        #expect(throws: LookupError.self) { try table("pcre", "/^(.*)$/ |$1", substitution: false).lookup("x") }
    }

    @Test func aMatchIsBounded() throws {
        let set = try table("pcre", "/^(a+)+$/ evil\n")
        #expect(throws: LookupError.self) { try set.lookup(String(repeating: "a", count: 60) + "b") }
        #expect(try set.lookup("aaaa") == "evil", "the table works on after a match that was given up")
    }

    @Test func cidr() throws {
        let set = try table(
            "cidr",
            """
            192.0.2.1 one
            192.0.2.0/24 net
            2001:db8::/32 six
            if 10.0.0.0/8
            !10.1.0.0/16 ten
            10.1.2.3 exact
            endif
            0.0.0.0/0 rest
            """)
        for (key, value) in [
            ("192.0.2.1", "one"), ("192.0.2.2", "net"), ("2001:db8:1::1", "six"), ("10.2.0.1", "ten"), ("10.1.2.3", "exact"),
            ("10.1.0.1", "rest"), ("198.51.100.1", "rest"),
        ] { #expect(try set.lookup(key) == value, "\(key)") }
        #expect(try set.lookup("2001:db9::1") == nil)
        #expect(try set.lookup("example.org") == nil)
        for text in ["192.0.2.1/24 x", "10.0.0.0/33 x", "10.0.0.0", "name x", "if 10.0.0.0/8"] {
            #expect(throws: LookupError.self, "\(text)") { try table("cidr", text).lookup("10.0.0.1") }
        }
    }

    @Test func tablesWithinParameters() throws {
        #expect(try TableSet(specifications: ["static:OK"]).lookup("x") == "OK")
        #expect(try TableSet(specifications: ["static:{ two words }"]).lookup("x") == "two words")
        let inline = TableSet(specifications: ["inline:{A=1, { b = x, y }}"])
        #expect(try inline.lookup("a") == "1")
        #expect(try inline.lookup("B") == "x, y")
        #expect(try inline.lookup("c") == nil)
        #expect(try TableSet(specifications: ["regexp:{{/^[^A-Z]/ Bogus}}"]).lookup("\u{16}\u{3}") == "Bogus")
        #expect(try TableSet(specifications: ["cidr:{ {10.0.0.0/8 ten}, {192.0.2.0/24 doc} }"]).lookup("192.0.2.7") == "doc")
        for name in ["inline:x", "inline:{}", "inline:{ax}", "ldap:x", "novalue", "fail:off", "pcre:{{/a/ x}", "unix:shadow"] {
            #expect(throws: LookupError.self, "\(name)") { try TableSet(specifications: [name]).lookup("x") }
        }
    }

    @Test func users() throws {
        let set = TableSet(specifications: ["proxy:unix:passwd.byname"])
        #expect(try set.lookup("root")?.hasPrefix("root:*:0:0:") == true)
        #expect(try set.lookup("no-such-user-here") == nil)
        #expect(try set.lookup("") == nil)
        #expect(try set.lookup("a:b") == nil)
        #expect(try TableSet(specifications: ["unix:group.byname"]).lookup("root") != nil)
    }

    @Test func theFirstTableWinsAndAFailureEndsTheSearch() throws {
        let two = TableSet(specifications: ["inline:{a=1}", "inline:{a=2, b=3}"])
        #expect(try two.lookup("a") == "1")
        #expect(try two.lookup("b") == "3")
        let failing = TableSet(specifications: ["inline:{a=1}", "fail:x", "inline:{b=3}"])
        #expect(try failing.lookup("a") == "1")
        #expect(throws: LookupError.self) { try failing.lookup("b") }
    }
}

@Suite struct MatchListTests {
    @Test(arguments: [
        ("example.org", "example.org", true), ("example.org", "EXAMPLE.org", true), ("example.org", "a.example.org", false),
        (".example.org", "a.example.org", true), (".example.org", "example.org", false),
        ("!a.example.org .example.org", "a.example.org", false),
        ("!a.example.org .example.org", "b.example.org", true), ("inline:{example.org=x}", "example.org", true),
        ("inline:{.example.org=x}", "a.b.example.org", true), ("inline:{example.org=x}", "a.example.org", false),
        ("static:all", "x", true), ("", "x", false), ("[192.0.2.1]", "[192.0.2.1]", true),
    ])
    func domains(_ words: String, _ domain: String, _ isMatch: Bool) throws {
        #expect(try MatchList(WordList.split(words)).matches(domain: Array(domain.utf8)) == isMatch)
    }

    @Test func parentDomains() throws {
        #expect(try MatchList(["example.org"], matchesParentDomains: true).matches(domain: Array("a.example.org".utf8)))
        #expect(try MatchList(["inline:{example.org=x}"], matchesParentDomains: true).matches(domain: Array("a.example.org".utf8)))
        #expect(try !MatchList(["example.org"], matchesParentDomains: true).matches(domain: Array("badexample.org".utf8)))
    }

    @Test(arguments: [
        ("127.0.0.0/8", "127.0.0.1", true), ("127.0.0.0/8", "128.0.0.1", false), ("[::1]/128", "::1", true), ("[::1]", "::1", true),
        ("!192.0.2.7 192.0.2.0/24", "192.0.2.7", false), ("!192.0.2.7, 192.0.2.0/24", "192.0.2.8", true),
        ("2001:db8::/32", "2001:db8::5", true),
        ("127.0.0.0/8", "::ffff:127.0.0.1", false), ("127.0.0.0/8", "unknown", false), ("cidr:{{10.0.0.0/8 x}}", "10.9.9.9", true),
    ])
    func addresses(_ words: String, _ address: String, _ isMatch: Bool) throws {
        #expect(try MatchList(WordList.split(words)).matches(address: address) == isMatch)
    }

    @Test func namesOfClients() throws {
        #expect(try MatchList([".example.org"]).matches(address: "192.0.2.1", name: "mx.example.org"))
        #expect(try !MatchList([".example.org"]).matches(address: "192.0.2.1"))
    }

    @Test func whatCannotBeReadFails() {
        for word in ["/nonexistent/file", "lmdb:/nonexistent/table", "10.0.0.1/8", "[zz]"] {
            #expect(throws: LookupError.self, "\(word)") { try MatchList([word]).matches(address: "192.0.2.1") }
            #expect(MatchList([word]).problems().count == 1)
        }
    }

    @Test func wordsFromAFile() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("# ours\nexample.org\nexample.net, 10.0.0.0/8\n", to: "list")
        #expect(try MatchList([path]).matches(domain: Array("example.net".utf8)))
        #expect(try MatchList(["!" + path, "static:x"]).matches(domain: Array("example.net".utf8)) == false)
        #expect(try MatchList([path]).matches(address: "10.1.1.1"))
    }
}

@Suite struct IPNetworkTests {
    @Test(arguments: [
        "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2::8", "::ffff:192.0.2.1", "[::1]", "2001:DB8::a", "0.0.0.0", "255.255.255.255",
        "1::3:4:5:6:7:8",
    ])
    func valid(_ text: String) { #expect(IPAddressBits(text.utf8) != nil) }

    @Test(arguments: [
        "", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "12345::", "g::", "1.2.3",
        "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.", "[::1", "[]", "[:]", "::1%eth0", "1.2.3.4:", "::1.2.3", "1:2:3:4:5:6:7::8.8.8.8",
    ])
    func invalid(_ text: String) { #expect(IPAddressBits(text.utf8) == nil) }

    @Test func anyBytesAreRead() {
        var state: UInt64 = 7
        for _ in 0..<5000 {
            var bytes: [UInt8] = []
            for _ in 0..<12 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(Array("0123456789abf:::...[]/".utf8)[Int(state >> 33) % 22])
            }
            if let network = IPNetwork(bytes) { #expect(network.contains(network.address)) }
        }
    }
}
