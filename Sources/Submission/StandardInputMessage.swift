// The message as local software writes it to sendmail's standard input, made into content as it would come over the wire.
//
// Leading `From ` lines of a mailbox are dropped, LF and CRLF end a line (`sendmail_fix_line_endings = always`), a lone dot ends the
// message unless `-i` was given, and an unfinished last line is finished. Everything else passes byte for byte: NULs, bare CRs, 8-bit
// bytes. Bounded: a line is never gathered whole, so that a gigabyte without a line ending costs no memory here.

/// Turns standard input into content with CRLF line endings, in pieces of any size.
struct StandardInputMessage: Sendable {
    private let dotEndsInput: Bool
    /// Still before the first line that is no `From ` line.
    private var isSkippingFromLines = true
    /// The current line is a `From ` line, being dropped.
    private var isDroppingLine = false
    /// The start of the line, kept back until it is known to be neither a `From ` line nor the final dot.
    private var held: [UInt8] = []
    private var isAtLineStart = true
    /// A CR that may turn out to be part of a CRLF.
    private var hasPendingCR = false
    /// The final dot was seen: nothing after it belongs to the message.
    private(set) var isFinished = false

    /// How many `>` may stand before `From ` for a line still to be taken for a mailbox separator.
    private static let maximumQuoting = 64
    private static let fromWord = Array("From ".utf8)

    init(dotEndsInput: Bool) { self.dotEndsInput = dotEndsInput }

    /// Content that the next piece of input makes.
    mutating func feed(_ input: some Collection<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(input.count + input.count / 16 + 2)
        for byte in input {
            if isFinished { break }
            step(byte, into: &out)
        }
        return out
    }

    /// Content that the end of input makes.
    mutating func finish() -> [UInt8] {
        var out: [UInt8] = []
        guard !isFinished else { return out }
        let hasUnfinishedLine = hasPendingCR || !held.isEmpty || !isAtLineStart
        if hasUnfinishedLine && !isDroppingLine { step(UInt8(ascii: "\n"), into: &out) }
        isFinished = true
        return out
    }

    private mutating func step(_ byte: UInt8, into out: inout [UInt8]) {
        if byte == UInt8(ascii: "\n") {
            hasPendingCR = false
            endLine(into: &out)
            return
        }
        if hasPendingCR {
            hasPendingCR = false
            put(UInt8(ascii: "\r"), into: &out)
        }
        if byte == UInt8(ascii: "\r") {
            hasPendingCR = true
        } else {
            put(byte, into: &out)
        }
    }

    private mutating func endLine(into out: inout [UInt8]) {
        defer {
            held.removeAll(keepingCapacity: true)
            isAtLineStart = true
            isDroppingLine = false
        }
        if isDroppingLine { return }
        isSkippingFromLines = false
        if dotEndsInput && isAtLineStart && held == [UInt8(ascii: ".")] {
            isFinished = true
            return
        }
        out.append(contentsOf: held)
        out.append(UInt8(ascii: "\r"))
        out.append(UInt8(ascii: "\n"))
    }

    private mutating func put(_ byte: UInt8, into out: inout [UInt8]) {
        if isDroppingLine { return }
        guard isAtLineStart else {
            out.append(byte)
            return
        }
        held.append(byte)
        if isSkippingFromLines, isFromLinePrefix() {
            if held.last == UInt8(ascii: " ") {
                isDroppingLine = true
                held.removeAll(keepingCapacity: true)
            }
            return
        }
        if dotEndsInput && held == [UInt8(ascii: ".")] { return }
        isSkippingFromLines = false
        isAtLineStart = false
        out.append(contentsOf: held)
        held.removeAll(keepingCapacity: true)
    }

    /// Whether what is held can still become, or is, `>>>From `.
    private func isFromLinePrefix() -> Bool {
        let rest = held.drop { $0 == UInt8(ascii: ">") }
        guard held.count - rest.count <= Self.maximumQuoting else { return false }
        return rest.count <= Self.fromWord.count && Self.fromWord.starts(with: rest)
    }
}
