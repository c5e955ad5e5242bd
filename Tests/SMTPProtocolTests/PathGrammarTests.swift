import Glibc
import MailModel
import SMTPProtocol
import Testing

/// The vectors, read through the package's resource bundle without Foundation's Bundle.
private func vectors() -> [AddressVector] {
    var directory = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    directory += "/Vectors/tests.xml"
    guard let file = fopen(directory, "r") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        if count == 0 { break }
        bytes += buffer[..<count]
    }
    return AddressVector.parse(String(decoding: bytes, as: UTF8.self))
}

@Suite struct PathGrammarTests {
    @Test func allVectorsAreThere() {
        #expect(vectors().count == 164)
        #expect(vectors().filter(\.isMailbox).count == 38)
    }

    @Test(arguments: vectors()) func vector(_ vector: AddressVector) {
        #expect((PathGrammar.strict.mailbox(vector.address[...]) != nil) == vector.isMailbox)
        let path = [UInt8(ascii: "<")] + vector.address + [UInt8(ascii: ">")]
        let parsed = PathGrammar.strict.path(path[...], null: nil)
        #expect((parsed != nil && parsed?.rest.isEmpty == true) == vector.isMailbox)
    }

    @Test(arguments: [
        ("<a@b.example> SIZE=1", "a@b.example", " SIZE=1"), ("<@x.example,@[192.0.2.1]:a@b.example>", "a@b.example", ""),
        ("<\"a>b\"@c>x", "a>b@c", "x"), ("<\"a\\\"b c\"@d>", "a\"b c@d", ""), ("a@b SIZE=1", "a@b", " SIZE=1"),
        ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", ""), ("<\"\"@d>", "@d", ""),
    ])
    func paths(_ text: String, _ address: String, _ rest: String) throws {
        let parsed = try #require(PathGrammar.strict.path(Array(text.utf8)[...], null: .null))
        #expect(String(decoding: parsed.address.internalForm, as: UTF8.self) == address)
        #expect(String(decoding: parsed.rest, as: UTF8.self) == rest)
    }

    @Test(arguments: [
        "", "<", ">", "<a@b", "<a@b\\>", "<\"a@b>", "<a>", "<@x:>", "<@x,a@b>", "<x,@y:a@b>", "<a@b@c>", "<a b@c>", "<a@b c>", "< a@b>",
        "<a@[general:x]>", "<a@[::1]>", "<a@b.>", "<a@.b>", "\"", "\"\\", "<\u{0}@b>", "<é@b>", "<a@é>", "<a@b:25>", "<a@[IPv6:1::2::3]>",
    ])
    func noPaths(_ text: String) { #expect(PathGrammar.strict.path(Array(text.utf8)[...], null: .null) == nil) }

    @Test func nullPath() {
        #expect(PathGrammar.strict.path(Array("<>".utf8)[...], null: .null)?.address == .null)
        #expect(PathGrammar.strict.path(Array("<>".utf8)[...], null: nil) == nil)
    }

    @Test(arguments: ["<a..b@c>", "<.a@c>", "<a.@c>", "<user>", "<a@b_c.example>"]) func leniency(_ text: String) {
        #expect(PathGrammar.lenient.path(Array(text.utf8)[...], null: nil) != nil)
    }

    @Test func limits() {
        let local64 = String(repeating: "a", count: 64)
        #expect(PathGrammar.strict.mailbox(Array("\(local64)@b".utf8)[...]) != nil)
        #expect(PathGrammar.strict.mailbox(Array("a\(local64)@b".utf8)[...]) == nil)
        #expect(PathGrammar.lenient.mailbox(Array("a\(local64)@b".utf8)[...]) != nil)
        let long = String(repeating: "a", count: 100_000)
        #expect(PathGrammar.lenient.mailbox(Array("\(long)@b".utf8)[...]) == nil)
        #expect(PathGrammar.lenient.mailbox(Array("a@\(long)".utf8)[...]) == nil)
    }

    @Test func utf8NeedsItsFlagAndMustBeWellFormed() {
        let grammar = PathGrammar.strict.utf8(true)
        #expect(grammar.mailbox(Array("δοκιμή@παράδειγμα.example".utf8)[...]) != nil)
        #expect(grammar.mailbox([0xC3, 0x28, 0x40, 0x62]) == nil)
        #expect(grammar.mailbox([0x61, 0x40, 0xC0, 0x80]) == nil)
        #expect(grammar.mailbox([0x22, 0xED, 0xA0, 0x80, 0x22, 0x40, 0x62]) == nil)
    }

    @Test func everyPrefixOfAGarbledPathIsHandled() {
        let text = Array("<@a,@[IPv6:1::2]:\"q\\\"\u{7F}é\"@[1.2.3.4]> X=Y <".utf8)
        for start in text.indices {
            for end in start...text.count {
                _ = PathGrammar.lenient.utf8(true).path(text[start..<end], null: .null)
                _ = AddressLiteral(text[start..<end])
                _ = XText.decode(text[start..<end])
                _ = XText.decodeUTF8Address(text[start..<end])
            }
        }
    }

    @Test func xtext() {
        #expect(XText.decode(Array("a+2Bb+3D+20".utf8)[...]) == Array("a+b= ".utf8))
        #expect(XText.encode(Array("a+b= é".utf8)) == Array("a+2Bb+3D+20+C3+A9".utf8))
        for bad in ["a=b", "a b", "+", "+2", "+2b", "+0A", "+7F", "\u{7F}"] { #expect(XText.decode(Array(bad.utf8)[...]) == nil) }
        #expect(XText.decodeUTF8Address(Array("\\x{3B4}@d".utf8)[...]) == Array("δ@d".utf8))
        for bad in ["\\x{}", "\\x{D800}", "\\x{A}", "\\x{110000}", "\\x{41", "\\y"] {
            #expect(XText.decodeUTF8Address(Array(bad.utf8)[...]) == nil)
        }
    }
}
