// Recipients in the header of a message, for `sendmail -t`; and the removal of Bcc, which `cleanup` does for every local message again.
//
// RFC 5322 section 3.6.6: where a block of Resent- fields stands, the message is being sent anew, and only those name its recipients.
// Content streams through; the header alone is gathered, up to a bound.

import MailModel

/// Watches content go by, takes the address fields out of its header, and drops the fields that no recipient may see.
struct HeaderRecipients: Sendable {
    private var line: [UInt8] = []
    private(set) var isInHeader = true
    private var field: [UInt8] = []
    private var fieldKind: Kind?
    private var headerSize = 0
    private let maximumHeaderSize: Int
    private var plain: [[UInt8]] = []
    private var resent: [[UInt8]] = []
    private var hasResentRecipientField = false

    private enum Kind: Sendable {
        case plain
        case resent
        case plainBlind
        case resentBlind
        case other

        var isBlind: Bool { self == .plainBlind || self == .resentBlind }
        var isResent: Bool { self == .resent || self == .resentBlind }
    }

    /// - Parameter maximumHeaderSize: octets of address fields that are looked at; a message with more is refused, not cut.
    init(maximumHeaderSize: Int) { self.maximumHeaderSize = maximumHeaderSize }

    /// The bodies of the fields that name recipients, unfolded, in order: those of the Resent- block where there is one. Valid at the end.
    var addressFields: [[UInt8]] { hasResentRecipientField ? resent : plain }

    /// Content (CRLF lines) in, content without Bcc fields out.
    mutating func feed(_ content: [UInt8]) throws(CommandFailure) -> [UInt8] {
        guard isInHeader else { return content }
        var out: [UInt8] = []
        for (index, byte) in content.enumerated() {
            line.append(byte)
            headerSize += 1
            guard headerSize <= maximumHeaderSize else { throw CommandFailure(.dataError, "message header is too large for -t") }
            guard byte == UInt8(ascii: "\n") else { continue }
            takeLine(into: &out)
            if !isInHeader {
                out.append(contentsOf: content[(index + 1)...])
                break
            }
        }
        return out
    }

    /// What is left at the end of the message.
    mutating func finish() -> [UInt8] {
        var out: [UInt8] = []
        if isInHeader {
            if !line.isEmpty { takeLine(into: &out) }
            endField(into: &out)
        }
        isInHeader = false
        return out
    }

    private mutating func takeLine(into out: inout [UInt8]) {
        defer { line.removeAll(keepingCapacity: true) }
        let isContinuation = line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t")
        if isContinuation && fieldKind != nil && !isBlank(line) {
            field.append(contentsOf: line)
            return
        }
        endField(into: &out)
        guard let name = fieldName(line) else {
            // The empty line, or a line that cannot be a header field: the body begins.
            isInHeader = false
            out.append(contentsOf: line)
            return
        }
        fieldKind = HeaderRecipients.kind(of: name)
        field = line
    }

    private mutating func endField(into out: inout [UInt8]) {
        guard let kind = fieldKind else { return }
        defer {
            fieldKind = nil
            field.removeAll(keepingCapacity: true)
        }
        if !kind.isBlind { out.append(contentsOf: field) }
        guard kind != .other, let colon = field.firstIndex(of: UInt8(ascii: ":")) else { return }
        let body = field[(colon + 1)...].map { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 }
        if kind.isResent {
            hasResentRecipientField = true
            resent.append(body)
        } else {
            plain.append(body)
        }
    }

    private func isBlank(_ line: [UInt8]) -> Bool { line.allSatisfy(ASCII.isSpace) }

    /// The name of the field that begins in `line`; nil where none does (RFC 5322 section 2.2; blanks before the colon are obsolete
    /// syntax).
    private func fieldName(_ line: [UInt8]) -> ArraySlice<UInt8>? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        var end = colon
        while end > 0, line[end - 1] == UInt8(ascii: " ") || line[end - 1] == UInt8(ascii: "\t") { end -= 1 }
        let name = line[..<end]
        guard !name.isEmpty, name.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        return name
    }

    private static func kind(of name: ArraySlice<UInt8>) -> Kind {
        let lower = String(decoding: name.map(ASCII.lowercased), as: UTF8.self)
        return switch lower {
        case "to", "cc": .plain
        case "bcc": .plainBlind
        case "resent-to", "resent-cc": .resent
        case "resent-bcc": .resentBlind
        default: .other
        }
    }
}
