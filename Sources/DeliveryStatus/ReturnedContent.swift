// What of the original message a report carries (RFC 3461 sections 4.3 and 6.2, RFC 6522 section 3).

import InternetMessage
public import MailModel

/// The third part of a report.
public enum ReturnedContent: Hashable, Sendable {
    /// The whole message.
    case message([UInt8])
    /// The header only, without the empty line.
    case header([UInt8])

    var bytes: [UInt8] {
        switch self {
        case .message(let bytes), .header(let bytes): bytes
        }
    }

    var isWhole: Bool {
        switch self {
        case .message: true
        case .header: false
        }
    }

    /// Whether the whole message is to be returned.
    ///
    /// - Parameters:
    ///   - length: of the content, in octets.
    ///   - limit: `bounce_size_limit`.
    public static func returnsWhole(
        _ kind: DeliveryStatusReport.Kind, audience: DeliveryStatusReport.Audience, requested: DSNReturn, length: UInt64, limit: Int,
        facts: ContentFacts
    ) -> Bool {
        // RFC 3461 section 4.3: RET speaks of failures only.
        guard kind == .failure, audience != .postmasterCopy else { return false }
        // A message within a message cannot be encoded (RFC 2046 section 5.2.1), so binary content cannot come back.
        guard requested != .headers, !facts.contains(.binary) else { return false }
        return length <= UInt64(max(0, limit))
    }

    /// The header of a message, cut at whole fields so that it has at most `limit` octets.
    public static func header(of start: ArraySlice<UInt8>, limit: Int) -> ReturnedContent {
        var scanner = HeaderScanner(headerSizeLimit: max(1000, limit), mailboxLine: .notRecognized)
        var fields: [HeaderField] = []
        _ = scanner.consume(start, fields: &fields)
        if scanner.ending == nil { _ = scanner.finish(fields: &fields) }
        var out: [UInt8] = []
        for field in fields where out.count + field.raw.count <= limit { out += field.raw }
        return .header(out)
    }
}
