// Delays of log lines, as Postfix rounds them.

import MailModel
import Testing

@Suite struct LogDelayTests {
    @Test(
        arguments: [
            (0, "0"), (4_000, "0"), (4_999, "0"), (5_000, "0.01"), (14_999, "0.01"), (60_000, "0.06"), (100_000, "0.1"), (123_456, "0.12"),
            (500_000, "0.5"), (994_999, "0.99"), (999_999, "1"), (1_000_000, "1"), (1_050_000, "1.1"), (1_230_000, "1.2"),
            (1_250_000, "1.3"), (9_940_000, "9.9"), (9_960_000, "10"), (12_345_678, "12"), (123_456_789, "123"),
            (3_600_400_000, "3600"), (-5, "0"),
        ] as [(Int64, String)])
    func twoDecimals(microseconds: Int64, text: String) { #expect(LogDelay.text(microseconds, decimals: 2) == text) }

    @Test(
        arguments: [(0, "0"), (1, "0.1"), (3, "0.123"), (6, "0.123456"), (9, "0.123456"), (-1, "0")] as [(Int, String)])
    func otherLimits(decimals: Int, text: String) {
        #expect(LogDelay.text(123_456, decimals: decimals) == text)
        #expect(LogDelay.text(12_345_678, decimals: decimals) == "12", "two digits are significant, whatever the limit")
    }
}
