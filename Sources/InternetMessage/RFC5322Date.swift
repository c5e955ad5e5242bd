// The date-time of RFC 5322 section 3.3, written and read, with calendar arithmetic of our own: no clock, no locale, no time zone database.
//
// Security: the parser is total; numbers are bounded before they are used. Limits: years 1900...9999; leap seconds read as :59.

import MailModel

/// A date-time with its offset from UTC.
public struct RFC5322Date: Hashable, Sendable {
    /// Seconds since 1970-01-01T00:00:00Z.
    public var seconds: Int64
    /// Seconds east of UTC; written in whole minutes.
    public var offset: Int

    public init(seconds: Int64, offset: Int = 0) {
        self.seconds = seconds
        self.offset = offset
    }

    private static let dayNames = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Mon, 23 Nov 2026 20:21:17 +0100`; with a zone name `... +0100 (CET)` as Postfix writes it.
    ///
    /// - Parameter zoneName: name of the zone for the comment, or nil; ignored unless it is 1...8 ASCII letters or digits.
    public func text(zoneName: String? = nil) -> String {
        // Year 9999 and year 1900 in seconds: anything outside is clamped, so that the arithmetic and the width of the year hold.
        let local = min(max(seconds, -2_208_988_800), 253_402_214_400) + Int64(min(max(offset, -86_399), 86_399))
        let days = local.flooringQuotient(by: 86_400)
        let secondOfDay = Int(local - days * 86_400)
        let (year, month, day) = RFC5322Date.civil(days: days)
        let weekday = Int(days - days.flooringQuotient(by: 7) * 7)
        let minutes = abs(min(max(offset, -86_399), 86_399)) / 60
        var text = "\(RFC5322Date.dayNames[weekday]), \(day) \(RFC5322Date.monthNames[month - 1]) \(year) "
        text += "\(two(secondOfDay / 3600)):\(two(secondOfDay / 60 % 60)):\(two(secondOfDay % 60)) "
        text += "\(offset < 0 ? "-" : "+")\(two(minutes / 60))\(two(minutes % 60))"
        if let zoneName, (1...8).contains(zoneName.utf8.count), zoneName.utf8.allSatisfy(ASCII.isAlphanumeric) { text += " (\(zoneName))" }
        return text
    }

    private func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// Days since 1970-01-01 to year, month (1...12) and day of the proleptic Gregorian calendar.
    static func civil(days: Int64) -> (year: Int, month: Int, day: Int) {
        // Years run from March here, so that the leap day is the last of its year; eras are 400 years of 146,097 days.
        let shifted = days + 719_468
        let era = shifted.flooringQuotient(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (Int(yearOfEra + era * 400 + (month <= 2 ? 1 : 0)), Int(month), Int(day))
    }

    /// Year, month and day to days since 1970-01-01.
    static func days(year: Int, month: Int, day: Int) -> Int64 {
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let era = shiftedYear.flooringQuotient(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    static func daysInMonth(year: Int, month: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    static func month(named word: some Collection<UInt8>) -> Int? {
        guard word.count >= 3 else { return nil }
        return monthNames.firstIndex { ASCII.equalsIgnoringCase($0.utf8, word.prefix(3)) }.map { $0 + 1 }
    }
}

extension Int64 {
    fileprivate func flooringQuotient(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
