// Dates as `mailq` prints them.

import InternetMessage

/// Local dates.
enum LocalDate {
    /// `Mon Nov 23 19:38:06`, as asctime(3) has it without the year.
    ///
    /// - Parameters:
    ///   - seconds: since 1970, UTC.
    ///   - offset: seconds east of UTC.
    static func text(seconds: Int64, offset: Int) -> String {
        // `Mon, 23 Nov 2026 19:38:06 +0000` has the same parts in another order.
        let parts = RFC5322Date(seconds: seconds, offset: offset).text().split(separator: " ")
        guard parts.count >= 5 else { return "-" }
        return "\(parts[0].dropLast()) \(parts[2]) \(parts[1].utf8.count < 2 ? " " : "")\(parts[1]) \(parts[4])"
    }
}
