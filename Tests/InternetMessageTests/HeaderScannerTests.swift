import InternetMessage
import Testing

@Suite struct HeaderScannerTests {
    /// Scans `text` cut into chunks of `size`.
    private func scan(
        _ text: String, size: Int, limit: Int = 102_400, mailboxLine: HeaderScanner.MailboxLine = .keptAsField
    ) -> (fields: [String], body: String, scanner: HeaderScanner) {
        scan(Array(text.utf8), size: size, limit: limit, mailboxLine: mailboxLine)
    }

    private func scan(
        _ bytes: [UInt8], size: Int, limit: Int = 102_400, mailboxLine: HeaderScanner.MailboxLine = .keptAsField
    ) -> (fields: [String], body: String, scanner: HeaderScanner) {
        var scanner = HeaderScanner(headerSizeLimit: limit, mailboxLine: mailboxLine)
        var fields: [HeaderField] = []
        var body: [UInt8] = []
        var start = 0
        while start < bytes.count {
            let end = min(start + size, bytes.count)
            body += scanner.consume(bytes[start..<end], fields: &fields)
            start = end
        }
        body += scanner.finish(fields: &fields)
        return (fields.map { String(decoding: $0.raw, as: UTF8.self) }, String(decoding: body, as: UTF8.self), scanner)
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func splitsFieldsFromBody(size: Int) {
        let result = scan("From: a@b\r\nSubject: one\r\n\ttwo\r\n three\r\nX:\r\n\r\nbody: x\r\n\r\nmore", size: size)
        #expect(result.fields == ["From: a@b\r\n", "Subject: one\r\n\ttwo\r\n three\r\n", "X:\r\n"])
        #expect(result.body == "body: x\r\n\r\nmore")
        #expect(result.scanner.ending == .emptyLine)
    }

    @Test(arguments: [1, 5, 1000])
    func aLineThatIsNoFieldIsBody(size: Int) {
        let result = scan("From: a@b\r\nthis is text\r\nTo: c@d\r\n", size: size)
        #expect(result.fields == ["From: a@b\r\n"])
        #expect(result.body == "this is text\r\nTo: c@d\r\n")
        #expect(result.scanner.ending == .bodyLine)
    }

    @Test(
        arguments: [
            ("", [], "", .endOfContent),
            ("\r\nhello\r\n", [], "hello\r\n", .emptyLine),
            ("A: b", ["A: b\r\n"], "", .endOfContent),
            ("A: b\r\n", ["A: b\r\n"], "", .endOfContent),
            ("no field", [], "no field", .bodyLine),
            (" leading space\r\nA: b\r\n", [], " leading space\r\nA: b\r\n", .bodyLine),
            ("A: b\nC: d\n\nbody\n", ["A: b\r\n", "C: d\r\n"], "body\n", .emptyLine),
            ("A : b\r\n\r\n", ["A : b\r\n"], "", .emptyLine),
            (": b\r\n", [], ": b\r\n", .bodyLine),
            ("A: b\r\n \r\n\r\nx", ["A: b\r\n \r\n"], "x", .emptyLine),
        ] as [(String, [String], String, HeaderScanner.Ending)])
    func edges(text: String, fields: [String], body: String, ending: HeaderScanner.Ending) {
        for size in [1, 2, 100] {
            let result = scan(text, size: size)
            #expect(result.fields == fields)
            #expect(result.body == body)
            #expect(result.scanner.ending == ending)
        }
    }

    @Test func mailboxLine() {
        #expect(scan("From x Mon\r\nA: b\r\n\r\n", size: 4).fields == ["X-Mailbox-Line: From x Mon\r\n", "A: b\r\n"])
        #expect(scan(">From x Mon\r\nA: b\r\n\r\n", size: 4, mailboxLine: .dropped).fields == ["A: b\r\n"])
    }

    @Test func aLongLineSurvivesUpToTheLimit() {
        let long = "X: " + String(repeating: "y", count: 5000) + "\r\n"
        #expect(scan(long + "\r\nbody", size: 100).fields == [long])
        let cut = scan(long + "A: b\r\n\r\nbody", size: 100, limit: 2000)
        #expect(cut.fields.map(\.utf8.count) == [2002, 6])
        #expect(cut.body == "body")
        #expect(cut.scanner.isTruncated)
    }

    @Test func manyContinuationsAreBounded() {
        let text = "X: a\r\n" + String(repeating: " continued line\r\n", count: 1000) + "B: c\r\n\r\nbody"
        let result = scan(text, size: 777, limit: 3000)
        #expect(result.fields.count == 2)
        #expect(result.fields[0].utf8.count <= 3000)
        #expect(result.fields[1] == "B: c\r\n")
        #expect(result.body == "body")
    }

    @Test func anEndlessBodyLineIsPassedOnAndNotKept() {
        let text = String(repeating: "z", count: 300_000)
        #expect(scan(text, size: 4096, limit: 2000).body == text)
    }

    @Test func anyBytesInAnyCutGiveTheSame() {
        var state: UInt64 = 42
        let alphabet: [UInt8] = [13, 10, 32, 9, 58, 65, 66, 0, 200, 62]
        for _ in 0..<300 {
            let bytes = (0..<60).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return alphabet[Int(state >> 33) % alphabet.count]
            }
            let whole = scan(bytes, size: 1000)
            for size in [1, 2, 3, 11] {
                let cut = scan(bytes, size: size)
                #expect(cut.fields == whole.fields)
                #expect(cut.body == whole.body)
            }
        }
    }
}

@Suite struct HeaderFieldTests {
    @Test func valueIsUnfolded() throws {
        let field = try #require(HeaderField(raw: Array("Subject: a\r\n\tb  \r\n c \r\n".utf8)))
        #expect(String(decoding: field.value, as: UTF8.self) == "a\tb   c")
        #expect(field.isNamed("SUBJECT") && !field.isNamed("subjec") && field.nameKey == "subject")
    }

    @Test func noValueCanEndAFieldOfOurs() {
        let field = HeaderField(name: "X", value: "a\r\nBcc: evil\r\n\r\nbody\rq\nr\r\n folded\0")
        #expect(String(decoding: field.raw, as: UTF8.self) == "X: a Bcc: evil  body q r\r\n folded?\r\n")
    }
}
