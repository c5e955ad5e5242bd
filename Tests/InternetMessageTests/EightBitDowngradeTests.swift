import InternetMessage
import Testing

@Suite struct EightBitDowngradeTests {
    private func examine(
        _ bytes: [UInt8], _ target: EightBitExamination.Target = .sevenBit, size: Int = 1000, longLines: Bool = false
    ) -> EightBitExamination.Verdict {
        var examination = EightBitExamination(target: target, convertsLongLines: longLines)
        for start in stride(from: 0, to: bytes.count, by: size) { examination.consume(bytes[start..<min(start + size, bytes.count)]) }
        return examination.finish()
    }

    private func convert(
        _ text: String, _ target: EightBitExamination.Target = .sevenBit, size: Int = 1000, longLines: Bool = false
    ) -> String? { convert(Array(text.utf8), target, size: size, longLines: longLines) }

    private func convert(
        _ bytes: [UInt8], _ target: EightBitExamination.Target = .sevenBit, size: Int = 1000, longLines: Bool = false
    ) -> String? {
        guard case .convertible(let plan) = examine(bytes, target, size: size, longLines: longLines) else { return nil }
        var downgrade = EightBitDowngrade(plan)
        var out: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            downgrade.consume(bytes[start..<min(start + size, bytes.count)], into: &out)
        }
        downgrade.finish(into: &out)
        return String(decoding: out, as: UTF8.self)
    }

    @Test func aMessageWithoutMIMEFieldsGetsThem() {
        #expect(
            convert("Subject: x\r\n\r\ngr\u{FC}n\r\n")
                == "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                + "Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BCn\r\n")
    }

    /// SW CVE-2026-26312: nested parts took all memory. Beyond the limit of nesting the answer is a value.
    @Test func deepNestingEnds() {
        var text = "Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
        for level in 0..<20_000 { text += "--b\(level)\r\nContent-Type: multipart/mixed; boundary=b\(level + 1)\r\n\r\n" }
        if case .convertible = examine(Array((text + "gr\u{FC}n\r\n").utf8)) { Issue.record("20,000 levels were followed") }
    }

    @Test func plainMessagesNeedNothing() {
        #expect(examine(Array("Subject: x\r\n\r\nhello\r\n".utf8)) == .unneeded)
        #expect(examine(Array("Subject: gr\u{FC}n\r\n\r\nhello\r\n".utf8)) == .unneeded)
        #expect(examine(Array("Subject: x\r\n\r\ngr\u{FC}n\r\n".utf8), .eightBit) == .unneeded)
        #expect(examine([]) == .unneeded)
    }

    private let nested = """
        MIME-Version: 1.0\r
        Content-Type: multipart/mixed; boundary="out er"\r
        Content-Transfer-Encoding: 8bit\r
        \r
        preamble\r
        --out er\r
        Content-Type: text/plain; charset=utf-8\r
        Content-Transfer-Encoding: 8bit\r
        \r
        gr\u{FC}n\r
        --out er\r
        Content-Type: message/rfc822\r
        Content-Transfer-Encoding: 8bit\r
        \r
        Subject: inner\r
        Content-Type: multipart/alternative; boundary=out\r
        \r
        --out\r
        \r
        plain text\r
        --out\r
        Content-Type: text/html; charset=utf-8\r
        \r
        <b>\u{FC}</b>\r
        --out--\r
        --out er\r
        Content-Type: application/octet-stream\r
        Content-Transfer-Encoding: base64\r
        \r
        AAAA\r
        --out er--\r
        epilogue \u{FC}\r

        """

    @Test(arguments: [1, 3, 17, 4096])
    func recursesThroughMultipartsAndMessages(size: Int) {
        let expected = """
            MIME-Version: 1.0\r
            Content-Type: multipart/mixed; boundary="out er"\r
            Content-Transfer-Encoding: 7bit\r
            \r
            preamble\r
            --out er\r
            Content-Type: text/plain; charset=utf-8\r
            Content-Transfer-Encoding: quoted-printable\r
            \r
            gr=C3=BCn\r
            --out er\r
            Content-Type: message/rfc822\r
            Content-Transfer-Encoding: 7bit\r
            \r
            Subject: inner\r
            Content-Type: multipart/alternative; boundary=out\r
            \r
            --out\r
            \r
            plain text\r
            --out\r
            Content-Type: text/html; charset=utf-8\r
            Content-Transfer-Encoding: quoted-printable\r
            \r
            <b>=C3=BC</b>\r
            --out--\r
            --out er\r
            Content-Type: application/octet-stream\r
            Content-Transfer-Encoding: base64\r
            \r
            AAAA\r
            --out er--\r
            epilogue ??\r

            """
        #expect(convert(nested, size: size) == expected)
    }

    @Test func binaryBecomesBase64EvenForAnEightBitHost() {
        let head = "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        #expect(
            convert(Array(head.utf8) + [0, 10, 255], .eightBit)
                == "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAr/\r\n")
    }

    @Test func longLinesOnRequest() {
        let text = "Subject: x\r\n\r\n" + String(repeating: "y", count: 2000) + "\r\n"
        #expect(examine(Array(text.utf8)) == .unneeded)
        let lines = convert(text, .eightBit, longLines: true)?.utf8.split(separator: 10) ?? []
        #expect(lines.count > 20 && lines.allSatisfy { $0.count < 78 })
    }

    @Test(
        arguments: [
            ("Content-Type: message/partial; id=x\r\n\r\nSubject: \u{FC}\r\n", EightBitExamination.Obstacle.unconvertibleMessage),
            ("Content-Type: multipart/mixed\r\n\r\n\u{FC}\r\n", .unreadableMultipart),
            ("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n\u{FC}\r\n", .mislabelledPart),
            ("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSubject: \u{FC}\r\n", .mislabelledPart),
        ] as [(String, EightBitExamination.Obstacle)])
    func impossibilityIsAValue(text: String, obstacle: EightBitExamination.Obstacle) {
        #expect(examine(Array(text.utf8)) == .impossible(obstacle))
    }

    @Test func nestingIsBounded() {
        var text = ""
        for level in 0..<150 { text += "Content-Type: multipart/mixed; boundary=b\(level)\r\n\r\n--b\(level)\r\n" }
        #expect(examine(Array((text + "\r\n\u{FC}\r\n").utf8)) == .impossible(.nestingTooDeep))
        let messages = String(repeating: "Content-Type: message/rfc822\r\n\r\n", count: 150)
        #expect(examine(Array((messages + "\r\n\u{FC}\r\n").utf8)) == .impossible(.nestingTooDeep))
        #expect(examine(Array((messages + "\r\nplain\r\n").utf8)) == .unneeded)
    }

    @Test func aDigestHoldsMessages() {
        let text = "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: a\r\n\r\n\u{FC}\r\n--d--\r\n"
        #expect(
            convert(text) == "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: a\r\nMIME-Version: 1.0\r\n"
                + "Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--d--\r\n"
        )
    }

    @Test func theResultIsSevenBitWhateverTheInput() {
        var state: UInt64 = 11
        let pieces = [
            "--b\r\n", "--b--\r\n", "--c\r\n", "\r\n", "Content-Type: multipart/mixed; boundary=b\r\n",
            "Content-Type: multipart/mixed; boundary=\"c\"\r\n", "Content-Type: message/rfc822\r\n", "text \u{FC}\r\n", "\n", "\r", "plain",
            "Content-Transfer-Encoding: 8bit\r\n", "Content-Transfer-Encoding: binary\r\n",
        ]
        for _ in 0..<500 {
            let text = (0..<25).map { _ -> String in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return pieces[Int(state >> 33) % pieces.count]
            }.joined()
            let verdict = examine(Array(text.utf8))
            for size in [1, 5] { #expect(examine(Array(text.utf8), size: size) == verdict) }
            guard let converted = convert(text) else { continue }
            #expect(converted.utf8.allSatisfy { $0 < 0x80 })
            #expect(convert(text, size: 3) == converted)
        }
    }
}
