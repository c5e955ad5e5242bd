// Takes replies from the bytes of a peer server (RFC 5321 section 4.2).
//
// Security: total and bounded. Of a line only ``ClientReplyParser/Limits/line`` octets are kept, of a reply only
// ``ClientReplyParser/Limits/total``; a reply of too many lines is an error. A line that is no reply line ends the conversation: with
// pipelining one lost reply would shift every later one to the wrong recipient.
// Tolerated, as Postfix does: LF without CR, no text after the code, text that is not ASCII.

import MailModel

/// An incremental parser of SMTP and LMTP replies.
public struct ClientReplyParser: Sendable {
    /// What a peer may send.
    public struct Limits: Sendable {
        /// Octets kept of one line; the rest of a longer line is dropped (`line_length_limit`).
        public var line: Int
        /// Lines of one reply.
        public var lines: Int
        /// Octets kept of one reply; the text of further lines is dropped (`header_size_limit`).
        public var total: Int

        public init(line: Int = 2048, lines: Int = 1000, total: Int = 102_400) {
            self.line = line
            self.lines = lines
            self.total = total
        }
    }

    /// What the bytes so far give.
    public enum Result: Hashable, Sendable {
        case needsMore
        case reply(ClientReply)
        /// A line that is no reply line, or a reply without end; the printable beginning of it. The connection is of no more use.
        case malformed(String)
    }

    private let limits: Limits
    private var buffer: [UInt8] = []
    private var position = 0
    private var line: [UInt8] = []
    private var lines: [[UInt8]] = []
    private var lineCount = 0
    private var kept = 0
    private var failure: String?

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// Whether no byte is waiting: nothing was sent that no command asked for.
    public var isEmpty: Bool { position == buffer.count && line.isEmpty && lines.isEmpty && failure == nil }

    /// Adds bytes from the connection.
    public mutating func feed(_ bytes: [UInt8]) {
        if position > 0 {
            buffer.removeFirst(position)
            position = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Forgets everything that was received: what came in clear before TLS must not count after it (CVE-2011-0411).
    public mutating func discard() { self = ClientReplyParser(limits: limits) }

    /// The next whole reply.
    public mutating func next() -> Result {
        if let failure { return .malformed(failure) }
        while position < buffer.count {
            var end = position
            while end < buffer.count, buffer[end] != 0x0A { end += 1 }
            guard end < buffer.count else {
                keep(buffer[position...])
                buffer.removeAll(keepingCapacity: true)
                position = 0
                return .needsMore
            }
            keep(buffer[position..<end])
            position = end + 1
            if line.last == 0x0D { line.removeLast() }
            if let result = endLine() { return result }
        }
        return .needsMore
    }

    private mutating func keep(_ bytes: ArraySlice<UInt8>) {
        let room = limits.line - line.count
        if room > 0 { line.append(contentsOf: bytes.prefix(room)) }
    }

    private mutating func endLine() -> Result? {
        let current = line
        line.removeAll(keepingCapacity: true)
        lineCount += 1
        guard let (code, isLast) = ClientReplyParser.head(of: current) else { return fail(current) }
        // RFC 5321 section 4.2.1: the code is the same on all lines. Where a peer's lines disagree the last one decides, as in Postfix.
        if kept + current.count <= limits.total || lines.isEmpty {
            kept += current.count
            lines.append(current)
        } else if isLast {
            lines.append(Array(current.prefix(4)))
        }
        guard isLast else { return lineCount >= limits.lines ? fail(current) : nil }
        let reply = ClientReply(code: code, enhanced: ClientReplyParser.enhanced(in: current), lines: lines)
        lines = []
        lineCount = 0
        kept = 0
        return .reply(reply)
    }

    private mutating func fail(_ bytes: [UInt8]) -> Result {
        let text = ASCII.printable(bytes, limit: 100)
        failure = text
        return .malformed(text)
    }

    private static func head(of line: [UInt8]) -> (code: UInt16, isLast: Bool)? {
        guard line.count >= 3, let code = ASCII.decimal(line[0..<3]), (200...599).contains(code) else { return nil }
        if line.count == 3 || line[3] == UInt8(ascii: " ") { return (UInt16(code), true) }
        return line[3] == UInt8(ascii: "-") ? (UInt16(code), false) : nil
    }

    // RFC 2034 section 4: a code must be of the class of the reply code; one that is not is ignored, as are codes on 3xx replies.
    private static func enhanced(in line: [UInt8]) -> EnhancedStatusCode? {
        guard line.count > 4 else { return nil }
        let text = line[4...].drop { $0 == UInt8(ascii: " ") }
        guard let (code, _) = EnhancedStatusCode.parse(text), code.statusClass == line[0] - UInt8(ascii: "0") else { return nil }
        return code
    }
}
