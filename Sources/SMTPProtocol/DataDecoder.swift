// The bytes after DATA, or within BDAT, made into the bytes of the message: end of data found, dots unstuffed, line ends made CRLF.
//
// Security: this is where SMTP smuggling (CVE-2023-51764) is decided. Only <CR><LF>.<CR><LF> ends the data, whatever line ends the client
// mixes, unless the policy is `no`. A bare LF becomes CRLF, so that no later program sees a line end that this one did not see.
// A bare CR becomes a space and CRs before CRLF are dropped, as Postfix does (cleanup_replace_stray_cr_lf), for the same reason.
// NUL passes through. Nothing is buffered here but a count of CRs that wait for what follows them.
// The decoder is total: any split of the input into chunks gives the same output (Tests hold it to that).

import MailModel

/// What happens to a line that ends in LF without CR (`smtpd_forbid_bare_newline`).
public enum BareNewlinePolicy: String, Hashable, Sendable, CaseIterable {
    /// As Postfix before 3.9: it is a line end like any other, and `<LF>.<LF>` ends the data.
    case no
    /// It becomes CRLF; only <CR><LF>.<CR><LF> ends the data.
    case normalize
    /// The same, and it is logged.
    case note
    /// The message is refused and the session closed.
    case reject
}

/// Turns content as it comes over the wire into content as it is stored.
public struct DataDecoder: Hashable, Sendable {
    /// How content is framed.
    public enum Framing: Hashable, Sendable {
        /// After DATA: dot-stuffed, ended by a lone dot (RFC 5321 section 4.5.2).
        case dotStuffed
        /// Within BDAT: neither dots nor an end (RFC 3030 section 2).
        case counted
        /// Within BDAT after BODY=BINARYMIME: every byte as it is.
        case binary
    }

    private enum State: Hashable, Sendable {
        /// At the start of a line; `strict` when the line before ended in CRLF (or there was none).
        case lineStart(strict: Bool)
        /// After a dot at the start of a line; the dot is not yet, and will not be, put out.
        case dot(strict: Bool)
        case dotCR(strict: Bool)
        case text
        /// After some CRs that were not yet put out.
        case carriageReturns(Int)
    }

    /// Octets of the message so far, also those over the limit.
    public private(set) var count = 0
    /// Some line ended in a bare LF.
    public private(set) var sawBareNewline = false
    /// The message exceeds the limit; further content is counted and thrown away.
    public var isTooLarge: Bool { sizeLimit > 0 && count > sizeLimit }

    private let framing: Framing
    private let policy: BareNewlinePolicy
    private let sizeLimit: Int
    private var state = State.lineStart(strict: true)
    private var isDiscarding = false

    /// - Parameter sizeLimit: in octets; 0 is none.
    public init(_ framing: Framing, policy: BareNewlinePolicy = .normalize, sizeLimit: Int = 0) {
        self.framing = framing
        self.policy = policy
        self.sizeLimit = sizeLimit
    }

    /// Puts out nothing from here on; the end is still found.
    public mutating func discard() { isDiscarding = true }

    /// Takes `input` and appends what it means to `output`.
    ///
    /// - Returns: how many bytes were taken, all of them unless the end of data was found, and whether it was. What follows the end of
    ///   data is not touched.
    public mutating func decode(_ input: ArraySlice<UInt8>, into output: inout [UInt8]) -> (consumed: Int, isEnd: Bool) {
        input.withUnsafeBytes { decode($0, into: &output) }
    }

    mutating func decode(_ input: UnsafeRawBufferPointer, into output: inout [UInt8]) -> (consumed: Int, isEnd: Bool) {
        if framing == .binary {
            append(input, 0, input.count, to: &output)
            return (input.count, false)
        }
        return scan(input, &output)
    }

    /// The content is over (the last BDAT chunk): CRs that waited for an LF are stray.
    public mutating func finish(into output: inout [UInt8]) {
        if case .carriageReturns(let waiting) = state { appendSpaces(waiting, to: &output) }
        state = .text
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer, _ output: inout [UInt8]) -> (consumed: Int, isEnd: Bool) {
        let end = bytes.count
        // bytes[runStart..<index] goes out as it is; a run spans many lines where every line end is CRLF and no line begins with a dot.
        var runStart = 0
        var index = 0
        while index < end {
            switch state {
            case .lineStart(let strict):
                if framing == .dotStuffed && bytes[index] == UInt8(ascii: ".") {
                    append(bytes, runStart, index, to: &output)
                    index += 1
                    runStart = index
                    state = .dot(strict: strict)
                } else {
                    state = .text
                }
            case .text:
                index = ByteScanner.firstLineBreak(bytes, from: index, to: end)
                guard index < end else { break }
                if bytes[index] == 0x0A {
                    append(bytes, runStart, index, to: &output)
                    endLineBare(&output)
                    index += 1
                    runStart = index
                } else if index + 1 < end && bytes[index + 1] == 0x0A {
                    index += 2
                    // Most lines: what follows begins with no dot, and is text like this.
                    if index == end || bytes[index] == UInt8(ascii: ".") { state = .lineStart(strict: true) }
                } else {
                    append(bytes, runStart, index, to: &output)
                    index += 1
                    runStart = index
                    state = .carriageReturns(1)
                }
            case .carriageReturns(let waiting):
                switch bytes[index] {
                case 0x0A:
                    appendLineEnd(to: &output)
                    index += 1
                    runStart = index
                    state = .lineStart(strict: true)
                case 0x0D:
                    index += 1
                    runStart = index
                    state = .carriageReturns(waiting &+ 1)
                default:
                    appendSpaces(waiting, to: &output)
                    runStart = index
                    state = .text
                }
            case .dot(let strict):
                switch bytes[index] {
                case 0x0D:
                    index += 1
                    runStart = index
                    state = .dotCR(strict: strict)
                case 0x0A:
                    index += 1
                    runStart = index
                    sawBareNewline = true
                    if policy == .no { return (index, true) }
                    endLineBare(&output)
                default:
                    runStart = index
                    state = .text
                }
            case .dotCR(let strict):
                if bytes[index] == 0x0A {
                    index += 1
                    runStart = index
                    if strict || policy == .no { return (index, true) }
                    // <LF>.<CR><LF> is a line with a dot, not the end.
                    appendLineEnd(to: &output)
                    state = .lineStart(strict: true)
                } else {
                    runStart = index
                    state = .carriageReturns(1)
                }
            }
        }
        append(bytes, runStart, index, to: &output)
        return (end, false)
    }

    private mutating func endLineBare(_ output: inout [UInt8]) {
        sawBareNewline = true
        appendLineEnd(to: &output)
        state = .lineStart(strict: policy == .no)
    }

    private mutating func append(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int, to output: inout [UInt8]) {
        guard start < end else { return }
        count &+= end - start
        guard !isTooLarge, !isDiscarding else { return }
        output.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
    }

    private mutating func appendLineEnd(to output: inout [UInt8]) {
        count &+= 2
        guard !isTooLarge, !isDiscarding else { return }
        output.append(0x0D)
        output.append(0x0A)
    }

    private mutating func appendSpaces(_ number: Int, to output: inout [UInt8]) {
        count &+= number
        guard !isTooLarge, !isDiscarding else { return }
        output.append(contentsOf: repeatElement(0x20, count: number))
    }
}
