// Walks the MIME structure of a message while its bytes pass: headers, leaf bodies, and the framing between them (RFC 2046 section 5.1).
//
// Every byte of the message is handed to exactly one event, in order, so that a handler that writes back what it is given reproduces the
// message. Parts are numbered in the order in which their headers begin; two walks over the same bytes number them alike.
//
// Security: total; memory is bounded by one line piece, the boundaries on the stack (at most `nestingLimit` of 2048 octets) and one header
// field. Nesting over the limit makes the part a leaf and is reported.

import MailModel

/// Receives what a ``MIMEWalker`` finds.
protocol MIMEPartHandler {
    /// A field of the header of `part`.
    mutating func field(_ field: HeaderField, part: Int)
    /// The header of `part` is over, and with it any empty line that stood there. `isRoot`: the part is a whole message, outer or nested.
    mutating func headerEnded(part: Int, facts: MIMEHeaderFacts, isRoot: Bool)
    /// Bytes of the body of a leaf, without the line end that belongs to the delimiter after it.
    mutating func body(_ bytes: ArraySlice<UInt8>, part: Int)
    /// The body of a leaf is over.
    mutating func bodyEnded(part: Int)
    /// Bytes outside all parts: delimiters with the line end before them, preambles, epilogues.
    mutating func framing(_ bytes: ArraySlice<UInt8>)
}

struct MIMEWalker {
    private struct Level {
        var boundary: [UInt8]
        var isDigest: Bool
        var depth: Int
    }

    private enum State {
        case header
        case leaf
        case outside
    }

    private let nestingLimit: Int
    private var levels: [Level] = []
    private var depth = 0
    private var state = State.header
    private var scanner = HeaderScanner(headerSizeLimit: 1 << 24, mailboxLine: .notRecognized)
    private var facts = MIMEHeaderFacts()
    private var isRoot = true
    private var part = 0
    private var partCount = 1
    /// A line, or the piece of one, that is not judged yet.
    private var line: [UInt8] = []
    private var isAtLineStart = true
    /// The end of the last line, which belongs to a delimiter if one follows.
    private var heldLineEnd: [UInt8] = []
    /// Longer lines pass in pieces; a delimiter fits easily.
    private static let pieceSize = 8192

    /// The message nests deeper than the limit.
    private(set) var isTooDeep = false

    init(nestingLimit: Int) { self.nestingLimit = nestingLimit }

    mutating func consume(_ chunk: ArraySlice<UInt8>, _ handler: inout some MIMEPartHandler) {
        var rest = chunk
        while !rest.isEmpty {
            let window = rest.prefix(MIMEWalker.pieceSize)
            if let lf = window.firstIndex(of: MailBytes.lf) {
                line += rest[rest.startIndex...lf]
                rest = rest[(lf + 1)...]
                endPiece(isWholeLine: true, &handler)
            } else {
                line += window
                rest = rest[window.endIndex...]
                if line.count >= MIMEWalker.pieceSize { endPiece(isWholeLine: false, &handler) }
            }
        }
    }

    mutating func finish(_ handler: inout some MIMEPartHandler) {
        if !line.isEmpty { endPiece(isWholeLine: false, &handler) }
        switch state {
        case .header:
            var fields: [HeaderField] = []
            let body = scanner.finish(fields: &fields)
            for field in fields { pass(field, &handler) }
            endHeader(&handler)
            if state == .leaf {
                if !body.isEmpty { handler.body(body, part: part) }
                handler.bodyEnded(part: part)
            } else if !body.isEmpty {
                handler.framing(body)
            }
        case .leaf:
            flushHeld(&handler)
            handler.bodyEnded(part: part)
        case .outside:
            flushHeld(&handler)
        }
    }

    private mutating func endPiece(isWholeLine: Bool, _ handler: inout some MIMEPartHandler) {
        let piece = line
        let beginsLine = isAtLineStart
        line.removeAll(keepingCapacity: true)
        isAtLineStart = isWholeLine
        if beginsLine, let match = delimiter(piece) {
            passDelimiter(piece, level: match.level, isClosing: match.isClosing, &handler)
            return
        }
        switch state {
        case .header:
            var fields: [HeaderField] = []
            let body = scanner.consume(piece[...], fields: &fields)
            for field in fields { pass(field, &handler) }
            guard scanner.isInBody else { return }
            endHeader(&handler)
            if !body.isEmpty { passText(body, &handler) }
        case .leaf, .outside:
            passText(piece[...], &handler)
        }
    }

    /// Text of a body, or between parts. Its line end waits for the next line.
    private mutating func passText(_ piece: ArraySlice<UInt8>, _ handler: inout some MIMEPartHandler) {
        if state == .header {  // A nested message whose header began with this very line.
            var fields: [HeaderField] = []
            let body = scanner.consume(piece, fields: &fields)
            for field in fields { pass(field, &handler) }
            guard scanner.isInBody else { return }
            endHeader(&handler)
            if !body.isEmpty { passText(body, &handler) }
            return
        }
        flushHeld(&handler)
        var text = piece
        if text.last == MailBytes.lf {
            let length = text.dropLast().last == MailBytes.cr ? 2 : 1
            heldLineEnd = Array(text.suffix(length))
            text = text.dropLast(length)
        }
        guard !text.isEmpty else { return }
        if state == .leaf { handler.body(text, part: part) } else { handler.framing(text) }
    }

    private mutating func flushHeld(_ handler: inout some MIMEPartHandler) {
        guard !heldLineEnd.isEmpty else { return }
        let held = heldLineEnd
        heldLineEnd = []
        if state == .leaf { handler.body(held[...], part: part) } else { handler.framing(held[...]) }
    }

    private mutating func pass(_ field: HeaderField, _ handler: inout some MIMEPartHandler) {
        facts.note(field)
        handler.field(field, part: part)
    }

    /// Which delimiter a line is. The whole line counts: boundaries may begin alike (RFC 2046 section 5.1.1).
    private func delimiter(_ piece: [UInt8]) -> (level: Int, isClosing: Bool)? {
        guard !levels.isEmpty, piece.count >= 3, piece[0] == UInt8(ascii: "-"), piece[1] == UInt8(ascii: "-") else { return nil }
        var text = piece[2...]
        while let last = text.last, ASCII.isSpace(last) { text.removeLast() }
        for level in levels.indices.reversed() {
            let boundary = levels[level].boundary
            guard text.starts(with: boundary) else { continue }
            let tail = text.dropFirst(boundary.count)
            if tail.isEmpty { return (level, false) }
            if tail.elementsEqual([UInt8(ascii: "-"), UInt8(ascii: "-")]) { return (level, true) }
        }
        return nil
    }

    private mutating func passDelimiter(_ piece: [UInt8], level: Int, isClosing: Bool, _ handler: inout some MIMEPartHandler) {
        switch state {
        case .header:
            var fields: [HeaderField] = []
            let body = scanner.finish(fields: &fields)
            for field in fields { pass(field, &handler) }
            endHeader(&handler)
            if state == .leaf {
                if !body.isEmpty { handler.body(body, part: part) }
                handler.bodyEnded(part: part)
            }
        case .leaf: handler.bodyEnded(part: part)
        case .outside: break
        }
        let held = heldLineEnd
        heldLineEnd = []
        if !held.isEmpty { handler.framing(held[...]) }
        handler.framing(piece[...])
        depth = levels[level].depth
        let isDigest = levels[level].isDigest
        levels.removeSubrange((isClosing ? level : level + 1)...)
        if isClosing { state = .outside } else { beginPart(MIMEHeaderFacts(defaultIsMessage: isDigest), isRoot: false) }
    }

    private mutating func beginPart(_ facts: MIMEHeaderFacts, isRoot: Bool) {
        self.facts = facts
        self.isRoot = isRoot
        part = partCount
        partCount += 1
        scanner = HeaderScanner(headerSizeLimit: 1 << 24, mailboxLine: .notRecognized)
        state = .header
    }

    private mutating func endHeader(_ handler: inout some MIMEPartHandler) {
        if depth >= nestingLimit, facts.structure != .leaf, facts.structure != .unconvertibleMessage {
            isTooDeep = true
            facts.structure = .leaf
        }
        // RFC 2045 section 6.4: composite types have an identity encoding; where one has not, its inside cannot be seen.
        if !facts.encoding.isIdentity, facts.structure == .message { facts.structure = .leaf }
        if !facts.encoding.isIdentity, case .multipart = facts.structure { facts.structure = .leaf }
        handler.headerEnded(part: part, facts: facts, isRoot: isRoot)
        switch facts.structure {
        case .multipart(let boundary, let isDigest):
            depth += 1
            levels.append(Level(boundary: boundary, isDigest: isDigest, depth: depth))
            state = .outside
        case .message:
            depth += 1
            beginPart(MIMEHeaderFacts(), isRoot: true)
        case .leaf, .unconvertibleMessage, .unreadableMultipart:
            state = .leaf
        }
    }
}
