// A message as it is stored in a mailbox or handed to a command: LF line endings, and in front what final delivery adds.
//
// RFC 5321 section 4.4: the system that makes final delivery puts the reverse-path into Return-Path. X-Original-To and Delivered-To are
// Postfix's; the latter is how a forwarding loop is seen. In an mbox file a line `From ` of the message is quoted as `>From `.

import InternetMessage
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
    /// The address before any expansion on this host; nil where X-Original-To is not wanted.
    var originalRecipient: MailAddress?
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
        if let originalRecipient {
            out += Array("X-Original-To: ".utf8) + DeliveryHeader.oneLine(originalRecipient.externalForm) + [UInt8(ascii: "\n")]
        }
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
        // `Mon, 23 Nov 2026 19:38:06 +0000` has the same parts in another order.
        let parts = RFC5322Date(seconds: seconds, offset: offset).text().split(separator: " ")
        guard parts.count >= 5 else { return "Thu Jan  1 00:00:00 1970" }
        return "\(parts[0].dropLast()) \(parts[2]) \(parts[1].utf8.count < 2 ? " " : "")\(parts[1]) \(parts[4]) \(parts[3])"
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

    mutating func feed(_ content: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(content.count + 64)
        feed(content, into: &out)
        return out
    }

    /// Text goes out in runs of whole lines; byte by byte only what is kept back: a CR, and the start of a line that may need its quote.
    mutating func feed(_ content: [UInt8], into out: inout [UInt8]) {
        content.withUnsafeBytes { bytes in
            var index = 0
            while index < bytes.count {
                if hasPendingCR || (isAtLineStart && form.contains(.quoting)) {
                    take(bytes[index], into: &out)
                    index += 1
                    continue
                }
                let end = ByteScanner.firstLineBreak(bytes, from: index, to: bytes.count)
                if end > index {
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[index..<end]))
                    isAtLineStart = false
                    index = end
                } else if bytes[index] == UInt8(ascii: "\r") && index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: "\n") {
                    out.append(UInt8(ascii: "\n"))
                    isAtLineStart = true
                    index += 2
                } else {
                    take(bytes[index], into: &out)
                    index += 1
                }
            }
        }
    }

    private mutating func take(_ byte: UInt8, into out: inout [UInt8]) {
        if hasPendingCR {
            hasPendingCR = false
            if byte != UInt8(ascii: "\n") { put(UInt8(ascii: "\r"), into: &out) }
        }
        if byte == UInt8(ascii: "\r") { hasPendingCR = true } else { put(byte, into: &out) }
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
