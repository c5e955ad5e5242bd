import MailModel
import Testing

@testable import Submission

@Suite struct StandardInputMessageTests {
    /// Input, whether a dot ends it, content.
    static let cases: [(String, Bool, String)] = [
        ("Subject: x\n\nhello\n", true, "Subject: x\r\n\r\nhello\r\n"),
        ("Subject: x\r\n\r\nhello\r\n", true, "Subject: x\r\n\r\nhello\r\n"),
        ("no newline", false, "no newline\r\n"),
        ("a\n.\nb\n", true, "a\r\n"),
        ("a\n.\nb\n", false, "a\r\n.\r\nb\r\n"),
        ("a\r\n.\r\nb\r\n", true, "a\r\n"),
        ("a\n.", true, "a\r\n"),
        ("a\n..\n.x\n", true, "a\r\n..\r\n.x\r\n"),
        (".\n", true, ""),
        ("", true, ""),
        ("\n", true, "\r\n"),
        ("From bob Mon Nov 23\nSubject: x\n\nFrom me\n", true, "Subject: x\r\n\r\nFrom me\r\n"),
        (">From a\n>>From b\nFrom: c\n", true, "From: c\r\n"),
        ("From: c\n\n", true, "From: c\r\n\r\n"),
        ("From", true, "From\r\n"),
        (">\nFrom x\n", true, ">\r\nFrom x\r\n"),
        ("From only", true, ""),
        ("a\rb\r\r\nc\r", true, "a\rb\r\r\nc\r\n"),
        ("a\0b\n", true, "a\0b\r\n"),
    ]

    @Test(arguments: cases) func whole(_ input: String, _ dotEnds: Bool, _ content: String) {
        var message = StandardInputMessage(dotEndsInput: dotEnds)
        var out = message.feed(Array(input.utf8))
        out += message.finish()
        #expect(out == Array(content.utf8))
    }

    @Test(arguments: cases) func byteByByte(_ input: String, _ dotEnds: Bool, _ content: String) {
        var message = StandardInputMessage(dotEndsInput: dotEnds)
        var out: [UInt8] = []
        for byte in input.utf8 { out += message.feed([byte]) }
        out += message.finish()
        #expect(out == Array(content.utf8))
    }
}

@Suite struct HeaderRecipientsTests {
    private func run(_ content: String, pieces: Int = Int.max) throws -> (fields: [String], content: String) {
        var header = HeaderRecipients(maximumHeaderSize: 10_000)
        var out: [UInt8] = []
        var rest = Array(content.utf8)[...]
        while !rest.isEmpty {
            out += try header.feed(Array(rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
        }
        out += header.finish()
        return (header.addressFields.map { String(decoding: $0, as: UTF8.self) }, String(decoding: out, as: UTF8.self))
    }

    static let message = "To: a@x,\r\n b@y\r\nSubject: Bcc: no\r\nBCC: secret@z,\r\n\tmore@z\r\nCc : c@x\r\n\r\nBcc: body\r\n"

    @Test(arguments: [1, 2, 7, 1000]) func recipientsAndBlindCopies(_ pieces: Int) throws {
        let result = try run(Self.message, pieces: pieces)
        #expect(result.fields.count == 3)
        #expect(
            try result.fields.flatMap { try RecipientList.addresses(inField: Array($0.utf8)) }.map(\.logForm)
                == ["a@x", "b@y", "secret@z", "more@z", "c@x"])
        #expect(result.content == "To: a@x,\r\n b@y\r\nSubject: Bcc: no\r\nCc : c@x\r\n\r\nBcc: body\r\n")
    }

    @Test func resentFieldsAlone() throws {
        let result = try run("To: a@x\r\nResent-To: r@x\r\nResent-Bcc: s@x\r\n\r\n")
        #expect(result.fields == [" r@x  ", " s@x  "])
        #expect(result.content == "To: a@x\r\nResent-To: r@x\r\n\r\n")
    }

    @Test func headerOnlyAndNoHeader() throws {
        #expect(try run("Bcc: a@x\r\n").content == "")
        #expect(try run("Bcc: a@x\r\n").fields == [" a@x  "])
        #expect(try run("hello\r\nTo: a@x\r\n").fields.isEmpty)
        #expect(try run("hello\r\nTo: a@x\r\n").content == "hello\r\nTo: a@x\r\n")
    }

    @Test func endlessHeaderIsRefused() {
        var header = HeaderRecipients(maximumHeaderSize: 100)
        #expect(throws: CommandFailure.self) { try header.feed([UInt8](repeating: 0x41, count: 101)) }
    }
}
