// Addresses, ids, replies and status codes.

import MailModel
import Testing

@Suite struct MailModelTests {
    @Test(arguments: [
        ("phil@sender.test", "phil@sender.test"), ("a b@x", "\"a b\"@x"), ("a\"b@x", "\"a\\\"b\"@x"), (".a@x", "\".a\"@x"),
        ("a..b@x", "\"a..b\"@x"), ("a@b@x", "\"a@b\"@x"), ("", ""), ("postmaster", "postmaster"), ("ü@x", "ü@x"),
    ])
    func externalFormQuotesWhatMustBe(internalForm: String, external: String) {
        #expect(MailAddress(internalForm).externalForm == Array(external.utf8))
    }

    @Test func localPartsAreCompared() {
        #expect(MailAddress("Phil@x") != MailAddress("phil@x"))
        // The same text to Unicode, other bytes: not the same mailbox.
        #expect(MailAddress("e\u{301}@x") != MailAddress("\u{e9}@x"))
        #expect(MailAddress("a@EXAMPLE.org").domainKey == MailAddress("a@example.ORG").domainKey)
    }

    @Test(arguments: ["5.1.1", "4.4.316", "2.0.0"]) func statusCodesRoundTrip(text: String) {
        #expect(EnhancedStatusCode(text)?.description == text)
    }

    @Test(arguments: ["", "5", "5.1", "5.1.", "3.1.1", "5.1.1.1", "5.1111.1", "5.1.1x", "-5.1.1"]) func badStatusCodes(text: String) {
        #expect(EnhancedStatusCode(text) == nil)
    }

    @Test func repliesCannotBeForgedByTheirText() {
        let reply = SMTPReply(550, EnhancedStatusCode(5, 1, 1), lines: ["no\r\n250 ok", "end"])
        #expect(String(decoding: reply.wire, as: UTF8.self) == "550-5.1.1 no??250 ok\r\n550 5.1.1 end\r\n")
    }

    @Test func queueIDsSortByTimeAndAreFileNames() throws {
        var previous = QueueID(microseconds: 1_600_000_000_000_000, unique: .max)
        for step in 1..<1000 {
            let next = QueueID(microseconds: 1_600_000_000_000_000 + Int64(step) * 777_777, unique: UInt64(step))
            #expect(previous < next)
            #expect(QueueID(next.text) == next)
            previous = next
        }
        for bad in ["", "abc", "../../etc/passwd", "abcdef/", "abcdef.tmp", String(repeating: "a", count: 41)] {
            #expect(QueueID(bad) == nil)
        }
    }

    @Test(arguments: [("a\tb", "a?b"), ("a\r\nb", "a??b"), ("\u{9b}x", "?x"), ("ü", "ü"), ("\u{2028}", "?")])
    func logTextIsPrintable(text: String, printable: String) {
        #expect(ASCII.printable(Array(text.utf8)) == printable)
    }
}

@Suite struct VERPTests {
    @Test(arguments: [
        ("list@x.test", "bob@y.test", "+=", "list+bob=y.test@x.test"),
        ("list@x.test", "bob", "-=", "list-bob@x.test"),
        ("list", "bob@y", "+=", "list+bob=y"),
        ("", "bob@y", "+=", ""),
    ])
    func senders(sender: String, recipient: String, delimiters: String, expected: String) throws {
        let verp = try #require(VERPDelimiters(delimiters.utf8))
        #expect(verp.sender(MailAddress(sender), for: MailAddress(recipient)) == MailAddress(expected))
    }

    @Test(arguments: ["", "+", "+=+", "+@", "a=", "= ", "\u{7f}="]) func badDelimiters(text: String) {
        #expect(VERPDelimiters(text.utf8) == nil)
    }
}
