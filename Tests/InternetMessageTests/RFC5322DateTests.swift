import InternetMessage
import Testing

@Suite struct RFC5322DateTests {
    @Test(
        arguments: [
            (Int64(0), 0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (1_795_465_277, 3600, "Mon, 23 Nov 2026 21:21:17 +0100"),
            (951_782_400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (4_107_542_399, -12_600, "Sun, 28 Feb 2100 20:29:59 -0330"),
            (-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000"),
        ] as [(Int64, Int, String)])
    func formats(seconds: Int64, offset: Int, text: String) {
        #expect(RFC5322Date(seconds: seconds, offset: offset).text() == text)
        #expect(RFC5322Date(parsing: Array(text.utf8)) == RFC5322Date(seconds: seconds, offset: offset))
    }

    @Test func zoneName() {
        #expect(RFC5322Date(seconds: 0, offset: 0).text(zoneName: "UTC").hasSuffix("+0000 (UTC)"))
        #expect(RFC5322Date(seconds: 0, offset: 0).text(zoneName: "a)b").hasSuffix("+0000"))
    }

    @Test func extremesDoNotTrap() {
        #expect(RFC5322Date(seconds: .max, offset: .max).text().contains(" 9999 "))
        #expect(RFC5322Date(seconds: .min, offset: .min).text().contains(" 1899 "))
    }

    @Test func everyDayOfFourCenturiesRoundTrips() {
        for day in stride(from: Int64(-25_567), to: 146_097, by: 13) {
            let date = RFC5322Date(seconds: day * 86_400 + 12_345, offset: 7200)
            #expect(RFC5322Date(parsing: Array(date.text().utf8)) == date)
        }
    }

    @Test(
        arguments: [
            ("23 Nov 2026 20:21 +0000", Int64(1_795_465_260)),
            ("Mon, 23 Nov 26 20:21:17 GMT", 1_795_465_277),
            // Kumo #551: the zone "UTC" in mail of SES.
            ("Mon (day), 23 November 2026 20:21:17 UTC", 1_795_465_277),
            ("Mon, 23 Nov 2026 15:21:17 EST", 1_795_465_277),
            ("Mon, 23 Nov 126 20:21:17 Z", 1_795_465_277),
            ("Mon, 23 Nov 2026 20:21:17", 1_795_465_277),
            ("Mon, 23 Nov 2026 20:21:17 +0000 (UTC)", 1_795_465_277),
            ("Sat, 31 Dec 2016 23:59:60 +0000", 1_483_228_799),
        ] as [(String, Int64)])
    func tolerates(text: String, seconds: Int64) {
        #expect(RFC5322Date(parsing: Array(text.utf8))?.seconds == seconds)
    }

    @Test(arguments: [
        "", "Mon", "32 Jan 2026 00:00:00 +0000", "29 Feb 2026 00:00 +0000", "1 Foo 2026 00:00 +0000", "1 Jan 2026 24:00 +0000",
        "1 Jan 2026 00:60 +0000", "1 Jan 99999 00:00 +0000", "1 Jan 2026 00:00 +00", "0 Jan 2026 00:00 +0000", "1 Jan 2026",
    ])
    func refuses(text: String) { #expect(RFC5322Date(parsing: Array(text.utf8)) == nil) }
}
