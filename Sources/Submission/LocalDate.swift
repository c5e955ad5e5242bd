// Dates as `mailq` prints them.

/// Local dates.
enum LocalDate {
    /// `Mon Nov 23 19:38:06`, as asctime(3) has it without the year.
    ///
    /// - Parameters:
    ///   - seconds: since 1970, UTC.
    ///   - offset: seconds east of UTC.
    static func text(seconds: Int64, offset: Int) -> String {
        let (local, overflow) = seconds.addingReportingOverflow(Int64(offset))
        if overflow { return "-" }
        var days = local / 86_400
        var rest = Int(local % 86_400)
        if rest < 0 {
            days -= 1
            rest += 86_400
        }
        // Years begin in March here, so that the leap day is the last; 719,468 days lie between 0000-03-01 and 1970-01-01.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = Int((5 * dayOfYear + 2) / 153)
        let day = Int(dayOfYear) - (153 * month + 2) / 5 + 1
        let months = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"]
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        func two(_ value: Int, _ pad: String = "0") -> String { value < 10 ? "\(pad)\(value)" : "\(value)" }
        let weekday = weekdays[Int(((days % 7) + 7) % 7)]
        return "\(weekday) \(months[month]) \(two(day, " ")) \(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))"
    }
}
