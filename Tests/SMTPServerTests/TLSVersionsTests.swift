import Testing

@testable import TLS

@Suite struct TLSVersionsTests {
    static let cases: [(String, String)] = [
        ("", "2...3"), (">=TLSv1.2", "2...3"), (">=TLSv1.3", "3...3"), (">=TLSv1", "0...3"), (">=tlsv1.1 <=TLSv1.2", "1...2"),
        // RFC 8996: what was written before 2021 does not bring the old versions back.
        ("!SSLv2 !SSLv3", "2...3"), ("!SSLv2:!SSLv3:!TLSv1:!TLSv1.1", "2...3"), ("TLSv1.2", "2...2"), ("TLSv1.2 TLSv1.3 !TLSv1.3", "2...2"),
        (">=TLSv1 !TLSv1.1", "2...3"), (">=SSLv3", "0...3"), ("<=SSLv3", "none"), ("!TLSv1.2 !TLSv1.3", "none"), ("TLSv1.4", "none"),
        (">=TLSv1.3 <=TLSv1.2", "none"),
    ]

    @Test(arguments: cases) func ranges(_ text: String, _ expected: String) {
        let versions = try? TLSVersions(text.split(separator: " ").map(String.init))
        #expect(versions.map { "\($0.lowest)...\($0.highest)" } ?? "none" == expected)
    }

    @Test func theFirstKeyOfChainFilesWithItsCertificates() {
        func block(_ label: String, _ text: String) -> String { "-----BEGIN \(label)-----\n\(text)\n-----END \(label)-----\n" }
        let text =
            "a comment\n" + block("CERTIFICATE", "before") + block("EC PRIVATE KEY", "key") + "Bag attributes\r\n"
            + block("CERTIFICATE", "own")
            + block("CERTIFICATE", "issuer") + block("PRIVATE KEY", "second") + block("CERTIFICATE", "other")
        let (key, chain) = TLSIdentity.firstIdentity(Array(text.utf8))
        #expect(String(decoding: key, as: UTF8.self) == block("EC PRIVATE KEY", "key"))
        #expect(String(decoding: chain, as: UTF8.self) == block("CERTIFICATE", "own") + block("CERTIFICATE", "issuer"))
    }
}
