// Delays as Postfix's log lines have them (format_tv): log analysers read them.

/// `delay=` and `delays=`.
public enum LogDelay {
    /// Seconds with two significant digits and at most `decimals` decimals (`delay_logging_resolution_limit`), without trailing zeros:
    /// 123, 12, 1.2, 0.12, 0.
    public static func text(_ microseconds: Int64, decimals: Int) -> String {
        let value = max(0, microseconds)
        var digits = min(max(0, decimals), 6)
        // Two significant digits: each digit before the point costs one behind it.
        let wholeDigits = value < 1_000_000 ? 0 : value < 10_000_000 ? 1 : 2
        if wholeDigits > 0 { digits = min(digits, 2 - wholeDigits) }
        var unit: Int64 = 1_000_000
        for _ in 0..<digits { unit /= 10 }
        let rounded = (value + unit / 2) / unit * unit
        let whole = rounded / 1_000_000
        var rest = rounded % 1_000_000
        var out = "\(whole)"
        var place: Int64 = 100_000
        if rest > 0 { out += "." }
        while rest > 0 && place > 0 {
            out += "\(rest / place)"
            rest %= place
            place /= 10
        }
        return out
    }
}
