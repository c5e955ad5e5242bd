// The form of a line for each destination. Pure: time, offset, host and process id are passed in.

/// The form of log lines.
enum LogLine {
    /// The longest text of one line; the rest is cut. Classic loggers cut at about this length, on a less careful boundary.
    static let textLimit = 2000

    /// `postfix/qmgr`, the tag of a line without the process id.
    static func tag(syslogName: String, program: String) -> String { "\(syslogName)/\(program)" }

    /// The text with control characters and damaged UTF-8 as `?`, and not longer than `textLimit` bytes: one line stays one line.
    static func safe(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        if isPlain && text.utf8.count <= textLimit { return text }
        var result = String()
        var count = 0
        for scalar in text.unicodeScalars {
            count += UTF8.width(scalar)
            if count > textLimit { break }
            result.unicodeScalars.append(isUnsafe(scalar.value) ? "?" : scalar)
        }
        return result
    }

    private static func isUnsafe(_ value: UInt32) -> Bool {
        value < 0x20 || (value >= 0x7F && value < 0xA0) || value == 0xFFFD || value == 0x2028 || value == 0x2029
    }

    /// `Nov 23 19:38:06`, as RFC 3164 section 4.1.2 has it: the day padded with a space.
    static func timestamp(_ microseconds: Int64, offset: Int) -> String {
        let seconds = floorDivide(microseconds, 1_000_000) &+ Int64(offset)
        let days = floorDivide(seconds, 86400)
        let second = Int(seconds - days * 86400)
        let (_, month, day) = date(days)
        let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let dayText = day < 10 ? " \(day)" : "\(day)"
        return "\(names[month - 1]) \(dayText) \(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))"
    }

    /// A line of a log file: `Nov 23 19:38:06 host martlet/qmgr[123]: TEXT`.
    ///
    /// - Parameter prefix: time and host, with the space behind them.
    static func file(prefix: String, tag: String, processID: Int32, text: String) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(prefix.utf8.count + tag.utf8.count + text.utf8.count + 16)
        line += prefix.utf8
        line += tag.utf8
        line += "[\(processID)]: ".utf8
        line += text.utf8
        line.append(0x0A)
        return line
    }

    /// A datagram for `/dev/log`: `<22>Nov 23 19:38:06 martlet/qmgr[123]: TEXT`. The host is the logger's business on a local socket.
    ///
    /// - Parameter facility: RFC 3164 section 4.1.1; mail is 2.
    static func syslog(
        severity: Int, facility: Int, timestamp: String, tag: String, processID: Int32, text: String
    ) -> [UInt8] {
        Array("<\(facility << 3 | severity)>\(timestamp) \(tag)[\(processID)]: \(text)".utf8)
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    /// Year, month (1-12) and day (1-31) of a day counted from 1 January 1970, in the Gregorian calendar.
    ///
    /// Years are counted from 1 March, so that the leap day is the last day of a year and months follow one formula.
    static func date(_ days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = Int(shifted - era * 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}
