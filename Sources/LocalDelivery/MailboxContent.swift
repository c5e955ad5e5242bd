// A message as it is stored in a mailbox or handed to a command: LF line endings, and in front what final delivery adds.
//
// RFC 5321 section 4.4: the system that makes final delivery puts the reverse-path into Return-Path. X-Original-To and Delivered-To are
// Postfix's; the latter is how a forwarding loop is seen. In an mbox file a line `From ` of the message is quoted as `>From `.

import MailModel

/// What goes in front of the message, and how the message is quoted.
struct MailboxForm: OptionSet, Sendable, Hashable {
    let rawValue: UInt8
    /// A `From sender date` line.
    static let fromLine = MailboxForm(rawValue: 1)
    /// `From ` at the start of a line becomes `>From `.
    static let quoting = MailboxForm(rawValue: 2)
    /// An empty line at the end.
    static let finalBlank = MailboxForm(rawValue: 4)
    static let deliveredTo = MailboxForm(rawValue: 8)

    static let mbox: MailboxForm = [.fromLine, .quoting, .finalBlank, .deliveredTo]
    static let maildir: MailboxForm = [.deliveredTo]
    static let command: MailboxForm = [.fromLine, .deliveredTo]
}

/// The fields in front of a delivered message.
struct DeliveryHeader: Sendable, Hashable {
    var sender: MailAddress
    /// The address before any expansion on this host.
    var originalRecipient: MailAddress
    /// The address that was given to the delivery agent.
    var recipient: MailAddress

    /// - Parameter date: as asctime(3) has it: `Mon Nov 23 19:38:06 2026`.
    func bytes(_ form: MailboxForm, date: String) -> [UInt8] {
        var out: [UInt8] = []
        if form.contains(.fromLine) {
            let from = sender.isNull ? Array("MAILER-DAEMON".utf8) : DeliveryHeader.oneLine(sender.externalForm)
            // A blank would end the address for every reader of mbox files; a quoted local-part may have one.
            out += Array("From ".utf8) + from.map { $0 == 0x20 ? UInt8(ascii: "_") : $0 } + Array("  \(date)\n".utf8)
        }
        out += Array("Return-Path: <".utf8) + DeliveryHeader.oneLine(sender.externalForm) + Array(">\n".utf8)
        out += Array("X-Original-To: ".utf8) + DeliveryHeader.oneLine(originalRecipient.externalForm) + [UInt8(ascii: "\n")]
        if form.contains(.deliveredTo) {
            out += Array("Delivered-To: ".utf8) + DeliveryHeader.oneLine(recipient.externalForm) + [UInt8(ascii: "\n")]
        }
        return out
    }

    /// Addresses are checked where they come in; a control byte that got through must still not make a line of its own.
    static func oneLine(_ bytes: [UInt8]) -> [UInt8] { bytes.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 } }

    /// asctime(3) of a local time.
    ///
    /// - Parameters:
    ///   - seconds: since 1970, UTC.
    ///   - offset: seconds east of UTC.
    static func asctime(seconds: Int64, offset: Int) -> String {
        let local = seconds + Int64(offset)
        let days = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
        let inDay = Int(local - days * 86_400)
        let (year, month, day) = civil(days: days)
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(((days % 7) + 7) % 7)]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: Int, _ pad: String = "0") -> String { value < 10 ? "\(pad)\(value)" : "\(value)" }
        let time = "\(two(inDay / 3600)):\(two(inDay / 60 % 60)):\(two(inDay % 60))"
        return "\(weekday) \(months[month - 1]) \(two(day, " ")) \(time) \(year)"
    }

    /// Days since 1970 as year, month 1...12, day 1...31 of the Gregorian calendar.
    private static func civil(days: Int64) -> (Int64, Int, Int) {
        // Years begin in March here, so that the leap day is the last; 719,468 days lie between 0000-03-01 and 1970-01-01.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        let month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

/// Turns content from the queue (CRLF) into stored form (LF), in pieces of any size.
struct MailboxBody: Sendable {
    private let form: MailboxForm
    private var hasPendingCR = false
    private var isAtLineStart = true
    /// How much of `From ` the current line has begun with so far.
    private var matched = 0
    private static let fromWord = Array("From ".utf8)

    init(_ form: MailboxForm) { self.form = form }

    mutating func feed(_ content: some Collection<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(content.count + 64)
        feed(content, into: &out)
        return out
    }

    mutating func feed(_ content: some Collection<UInt8>, into out: inout [UInt8]) {
        for byte in content {
            if hasPendingCR {
                hasPendingCR = false
                if byte != UInt8(ascii: "\n") { put(UInt8(ascii: "\r"), into: &out) }
            }
            if byte == UInt8(ascii: "\r") { hasPendingCR = true } else { put(byte, into: &out) }
        }
    }

    /// The end of the message: a last line without end is ended.
    mutating func finish() -> [UInt8] {
        var out: [UInt8] = []
        if hasPendingCR { put(UInt8(ascii: "\r"), into: &out) }
        hasPendingCR = false
        if !isAtLineStart || matched > 0 { put(UInt8(ascii: "\n"), into: &out) }
        if form.contains(.finalBlank) { out.append(UInt8(ascii: "\n")) }
        return out
    }

    private mutating func put(_ byte: UInt8, into out: inout [UInt8]) {
        if form.contains(.quoting) && isAtLineStart {
            // The start of the line is kept back until it is known whether it needs the quote.
            if byte == Self.fromWord[matched] {
                matched += 1
                guard matched == Self.fromWord.count else { return }
                out.append(UInt8(ascii: ">"))
                out += Self.fromWord
                matched = 0
                isAtLineStart = false
                return
            }
            out += Self.fromWord.prefix(matched)
            matched = 0
        }
        out.append(byte)
        isAtLineStart = byte == UInt8(ascii: "\n")
    }
}
