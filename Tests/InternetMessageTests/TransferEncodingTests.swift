import InternetMessage
import Testing

@Suite struct TransferEncodingTests {
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func base64Vectors(plain: String, encoded: String) {
        #expect(Base64.encode(plain.utf8) == Array(encoded.utf8))
        #expect(Base64.decode(encoded.utf8) == Array(plain.utf8))
    }

    @Test(arguments: ["Zg=", "Zg", "Zh==", "Z===", "=Zg=", "Zm9*", "Zg==Zg=="])
    func base64Refuses(text: String) { #expect(Base64.decode(text.utf8) == nil) }

    @Test func base64BodyHasLinesOf76() {
        let bytes = (0..<1000).map { UInt8($0 % 251) }
        var encoder = Base64BodyEncoder()
        var out: [UInt8] = []
        encoder.encode(bytes[..<333], into: &out)
        encoder.encode(bytes[333...], into: &out)
        encoder.finish(into: &out)
        #expect(out.split(separator: 10).allSatisfy { $0.count <= 77 && $0.last == 13 })
        #expect(Base64.decode(out.filter { $0 > 13 }) == bytes)
    }

    @Test(arguments: [
        ("plain\r\n", "plain\r\n"),
        ("a=b\r\n", "a=3Db\r\n"),
        ("trailing \r\n\t\r\nend ", "trailing=20\r\n=09\r\nend=20"),
        (".\r\n", "=2E\r\n"),
        ("From x\r\n", "=46rom x\r\n"),
        ("bare\nlf\rcr\r\n", "bare=0Alf=0Dcr\r\n"),
        ("\u{FC}", "=C3=BC"),
        ("end\r", "end=0D"),
        ("", ""),
    ])
    func quotedPrintable(plain: String, encoded: String) { #expect(QuotedPrintable.encode(plain.utf8) == Array(encoded.utf8)) }

    @Test func quotedPrintableRoundTripsAndKeepsLinesShort() {
        var state: UInt64 = 3
        for _ in 0..<200 {
            let bytes = (0..<400).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let value = UInt8(truncatingIfNeeded: state >> 33)
                return value < 40 ? [13, 10, 32, 9, 61][Int(value) % 5] : value
            }
            let encoded = QuotedPrintable.encode(bytes)
            #expect(decode(encoded) == bytes)
            #expect(encoded.split(separator: 10, omittingEmptySubsequences: false).allSatisfy { $0.count <= 77 })
            #expect(encoded.allSatisfy { $0 < 0x7F })
        }
    }

    private func decode(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "="), index + 2 < bytes.count {
                if bytes[index + 1] != 13 {
                    out.append(UInt8(String(decoding: bytes[(index + 1)...(index + 2)], as: UTF8.self), radix: 16) ?? 0)
                }
                index += 3
            } else {
                out.append(bytes[index])
                index += 1
            }
        }
        return out
    }

    @Test func encodedWordsAreShortAndWhole() {
        let name = String(repeating: "\u{1F426}\u{FC}x ", count: 40)
        let words = String(decoding: EncodedWord.phrase(name.utf8), as: UTF8.self).split(separator: "\r\n ")
        #expect(words.count > 3 && words.allSatisfy { $0.utf8.count <= 75 && $0.hasPrefix("=?utf-8?") && $0.hasSuffix("?=") })
        #expect(EncodedWord.phrase("=?utf-8?Q?x?=".utf8) != Array("=?utf-8?Q?x?=".utf8))
        #expect(
            EncodedWord.phrase([0xFF, 0x41]) == Array("=?unknown-8bit?Q?=FFA?=".utf8)
                || EncodedWord.phrase([0xFF, 0x41]).starts(with: "=?unknown-8bit?B?".utf8))
        #expect(EncodedWord.unstructured("plain text".utf8) == Array("plain text".utf8))
    }
}
