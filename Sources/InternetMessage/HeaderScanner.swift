// Splits a message into the fields of its header and its body while the bytes arrive.
//
// A header ends at the first empty line, or at the first line that neither begins a field nor continues one; the latter line is already
// body (the writer of the message then supplies the empty line, as Postfix does). A line end is CRLF; a bare LF ends a line too and is written
// as CRLF, so that no two readers of the header can disagree.
//
// Security: total for any bytes and any cut into chunks; memory is bounded by the limit plus one chunk, even for a line without an end.
// Limits: of a field longer than the limit the excess is discarded (header_size_limit of Postfix), and `isTruncated` says so.

/// An incremental scanner for the header section of a message.
///
///     var scanner = HeaderScanner()
///     for chunk in content { body += scanner.consume(chunk, fields: &fields) }
///     body += scanner.finish(fields: &fields)
public struct HeaderScanner: Sendable {
    /// How the header ended.
    public enum Ending: Sendable, Hashable {
        /// By an empty line, which is neither a field nor part of the body.
        case emptyLine
        /// By a line that is no header line; it is the first of the body, and an empty line is missing before it.
        case bodyLine
        /// The content ended within the header.
        case endOfContent
    }

    /// What a line `From ` or `>From ` at the very start of the content is (the separator of mbox files).
    public enum MailboxLine: Sendable, Hashable {
        /// Dropped: `pickup` and `sendmail`.
        case dropped
        /// Kept as a field `X-Mailbox-Line`: `smtpd` of Postfix.
        case keptAsField
        /// Nothing special: for messages that are already in the queue, and for parts within a message.
        case notRecognized
    }

    private let limit: Int
    private let mailboxLine: MailboxLine
    /// Bytes of the header that are not yet part of a whole line.
    private var line: [UInt8] = []
    /// The field that may still be continued.
    private var field: [UInt8] = []
    private var isFirstLine = true
    /// The rest of the current line is over the limit and goes.
    private var isDiscardingLine = false

    /// nil while the header lasts.
    public private(set) var ending: Ending?
    /// Some field was longer than the limit and lost its excess.
    public private(set) var isTruncated = false

    /// - Parameters:
    ///   - headerSizeLimit: octets that one field may have (`header_size_limit`); the excess is discarded.
    ///   - mailboxLine: what to do with a mbox separator at the start.
    public init(headerSizeLimit: Int = 102_400, mailboxLine: MailboxLine = .keptAsField) {
        limit = max(1000, headerSizeLimit)
        self.mailboxLine = mailboxLine
    }

    /// Whether the header is over, so that all further bytes are body.
    public var isInBody: Bool { ending != nil }

    /// Takes the next bytes of the content, appends the fields they complete to `fields`, and returns the bytes that belong to the body.
    public mutating func consume(_ chunk: ArraySlice<UInt8>, fields: inout [HeaderField]) -> ArraySlice<UInt8> {
        var rest = chunk
        while ending == nil, !rest.isEmpty {
            guard let lf = rest.firstIndex(of: MailBytes.lf) else {
                append(rest)
                rest = rest[rest.endIndex...]
                if let body = decideOverlongLine(fields: &fields) { return body[...] }
                break
            }
            append(rest[rest.startIndex...lf])
            rest = rest[(lf + 1)...]
            if let body = endLine(fields: &fields) { return body.isEmpty ? rest : ArraySlice(body + rest) }
        }
        return ending == nil ? [] : rest
    }

    /// The content is over. Returns what turns out to be body.
    public mutating func finish(fields: inout [HeaderField]) -> ArraySlice<UInt8> {
        guard ending == nil else { return [] }
        var body: [UInt8] = []
        if !line.isEmpty { body = endLine(fields: &fields) ?? [] }
        if ending == nil {
            endField(fields: &fields)
            ending = .endOfContent
        }
        return body[...]
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        if isDiscardingLine {
            isTruncated = true
            if bytes.last == MailBytes.lf { line += MailBytes.crlf }
        } else {
            line += bytes
        }
    }

    /// A line that grows over the limit before it ends: whether it is body is known from its start, and if it is header the rest goes.
    private mutating func decideOverlongLine(fields: inout [HeaderField]) -> [UInt8]? {
        guard !isDiscardingLine, line.count > limit else { return nil }
        let continues = MailBytes.isBlank(line[0]) && !field.isEmpty
        if continues || HeaderField.split(line[...]) != nil || isMailboxLine {
            isDiscardingLine = true
            isTruncated = true
            line.removeSubrange(limit...)
            return nil
        }
        return endHeader(.bodyLine, fields: &fields)
    }

    private var isMailboxLine: Bool {
        guard isFirstLine, mailboxLine != .notRecognized else { return false }
        let start = line.first == UInt8(ascii: ">") ? line.dropFirst() : line[...]
        return start.starts(with: "From ".utf8)
    }

    /// Judges a whole line. Returns bytes that begin the body where the header ends here.
    private mutating func endLine(fields: inout [HeaderField]) -> [UInt8]? {
        defer { isFirstLine = false }
        isDiscardingLine = false
        if line == MailBytes.crlf || line == [MailBytes.lf] {
            line = []
            _ = endHeader(.emptyLine, fields: &fields)
            return []
        }
        if MailBytes.isBlank(line[0]), !field.isEmpty {
            let room = max(0, limit - field.count)
            if line.count <= room { field += canonicalLine } else { isTruncated = true }
            line.removeAll(keepingCapacity: true)
            return nil
        }
        if isMailboxLine {
            if mailboxLine == .keptAsField { field = Array("X-Mailbox-Line: ".utf8) + canonicalLine }
            line.removeAll(keepingCapacity: true)
            return nil
        }
        guard HeaderField.split(line[...]) != nil else { return endHeader(.bodyLine, fields: &fields) }
        endField(fields: &fields)
        if line.count > limit + 2 {
            isTruncated = true
            line.removeSubrange(limit...)
        }
        field = canonicalLine
        line.removeAll(keepingCapacity: true)
        return nil
    }

    /// ``line`` with CRLF at its end, whatever it had.
    private var canonicalLine: [UInt8] {
        let count = line.count
        if count >= 2, line[count - 1] == MailBytes.lf, line[count - 2] == MailBytes.cr { return line }
        return (line.last == MailBytes.lf ? Array(line.dropLast()) : line) + MailBytes.crlf
    }

    private mutating func endField(fields: inout [HeaderField]) {
        if !field.isEmpty, let whole = HeaderField(raw: field) { fields.append(whole) }
        field = []
    }

    private mutating func endHeader(_ how: Ending, fields: inout [HeaderField]) -> [UInt8] {
        endField(fields: &fields)
        ending = how
        let body = line
        line = []
        return body
    }
}
