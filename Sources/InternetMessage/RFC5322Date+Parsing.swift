// Reads dates as they occur: RFC 5322 section 3.3, the obsolete forms of section 4.3, and the slips that are common in real mail.

import MailModel

extension RFC5322Date {
    /// Reads a date-time; nil where it names no moment.
    ///
    /// Taken besides the strict form: no day name, no seconds, comments, years of two or three digits (section 4.3), zones by name, no zone
    /// at all (UTC), full month names. A day name that does not fit the date is ignored. A day that its month does not have is refused.
    public init?(parsing bytes: some Collection<UInt8>) {
        var words = RFC5322Date.words(of: bytes)[...]
        if let first = words.first, first.allSatisfy(ASCII.isAlpha) { words.removeFirst() }
        guard words.count >= 4, let day = ASCII.decimal(words[words.startIndex], maximum: 31), day >= 1,
            let month = RFC5322Date.month(named: words[words.startIndex + 1]),
            let year = RFC5322Date.year(words[words.startIndex + 2]), day <= RFC5322Date.daysInMonth(year: year, month: month),
            let secondOfDay = RFC5322Date.secondOfDay(words[words.startIndex + 3])
        else { return nil }
        var offset = 0
        if words.count > 4 {
            guard let zone = RFC5322Date.zoneOffset(words[words.startIndex + 4]) else { return nil }
            offset = zone
        }
        let local = RFC5322Date.days(year: year, month: month, day: day) * 86_400 + Int64(secondOfDay)
        self.init(seconds: local - Int64(offset), offset: offset)
    }

    /// Words between white space and commas, comments left out; at most eight, none longer than 32 bytes.
    private static func words(of bytes: some Collection<UInt8>) -> [[UInt8]] {
        var words: [[UInt8]] = []
        var word: [UInt8] = []
        var depth = 0
        for byte in bytes.prefix(1000) {
            if byte == UInt8(ascii: "(") { depth += 1 }
            if depth == 0, !ASCII.isSpace(byte), byte != UInt8(ascii: ",") {
                if word.count < 32 { word.append(byte) }
            } else if !word.isEmpty {
                words.append(word)
                word = []
            }
            if byte == UInt8(ascii: ")"), depth > 0 { depth -= 1 }
            if words.count == 8 { break }
        }
        if !word.isEmpty { words.append(word) }
        return words
    }

    private static func year(_ word: [UInt8]) -> Int? {
        guard let number = ASCII.decimal(word, maximum: 9999) else { return nil }
        switch word.count {
        case 2: return number < 50 ? number + 2000 : number + 1900  // RFC 5322 section 4.3
        case 3: return number + 1900
        default: return number >= 1900 ? number : nil
        }
    }

    private static func secondOfDay(_ word: [UInt8]) -> Int? {
        let parts = word.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2 || parts.count == 3, let hour = ASCII.decimal(parts[0], maximum: 23),
            let minute = ASCII.decimal(parts[1], maximum: 59)
        else { return nil }
        guard parts.count == 3 else { return hour * 3600 + minute * 60 }
        guard let second = ASCII.decimal(parts[2], maximum: 60) else { return nil }
        return hour * 3600 + minute * 60 + min(second, 59)
    }

    /// Seconds east of UTC for `+0100`, `GMT`, `EST`, `Z`. Military and unknown names mean UTC (RFC 5322 section 4.3), as does `UTC`.
    private static func zoneOffset(_ word: [UInt8]) -> Int? {
        if let sign = word.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
            let digits = word.dropFirst().filter { $0 != UInt8(ascii: ":") }
            guard digits.count == 4, let number = ASCII.decimal(digits), number % 100 < 60, number / 100 < 24 else { return nil }
            let seconds = number / 100 * 3600 + number % 100 * 60
            return sign == UInt8(ascii: "-") ? -seconds : seconds
        }
        guard word.allSatisfy({ ASCII.isAlphanumeric($0) || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "_") }) else { return nil }
        switch String(decoding: word.map(ASCII.lowercased), as: UTF8.self) {
        case "edt": return -4 * 3600
        case "est", "cdt": return -5 * 3600
        case "cst", "mdt": return -6 * 3600
        case "mst", "pdt": return -7 * 3600
        case "pst": return -8 * 3600
        default: return 0
        }
    }
}
