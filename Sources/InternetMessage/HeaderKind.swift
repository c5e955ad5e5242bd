// What each known header field means to the completion of a message: the table of Postfix's header_opts for the fields that matter here.

/// The role of a header field.
enum HeaderKind: Sendable {
    case from, date, messageID
    /// Holds addresses of senders.
    case originator
    /// Holds addresses of recipients that all may see; its presence makes `undisclosed_recipients_header` unnecessary.
    case visibleRecipient
    /// Holds addresses of recipients otherwise.
    case recipient

    struct Known: Sendable {
        var kind: HeaderKind
        /// Belongs to the resent set (RFC 5322 section 3.6.6).
        var isResent: Bool
    }

    static func known(_ nameKey: String) -> Known? { table[nameKey] }

    private static let table: [String: Known] = [
        "from": Known(kind: .from, isResent: false),
        "date": Known(kind: .date, isResent: false),
        "message-id": Known(kind: .messageID, isResent: false),
        "sender": Known(kind: .originator, isResent: false),
        "reply-to": Known(kind: .originator, isResent: false),
        "errors-to": Known(kind: .originator, isResent: false),
        "return-receipt-to": Known(kind: .originator, isResent: false),
        "disposition-notification-to": Known(kind: .originator, isResent: false),
        "to": Known(kind: .visibleRecipient, isResent: false),
        "cc": Known(kind: .visibleRecipient, isResent: false),
        "bcc": Known(kind: .recipient, isResent: false),
        "apparently-to": Known(kind: .recipient, isResent: false),
        "resent-from": Known(kind: .from, isResent: true),
        "resent-date": Known(kind: .date, isResent: true),
        "resent-message-id": Known(kind: .messageID, isResent: true),
        "resent-sender": Known(kind: .originator, isResent: true),
        "resent-reply-to": Known(kind: .originator, isResent: true),
        "resent-to": Known(kind: .visibleRecipient, isResent: true),
        "resent-cc": Known(kind: .visibleRecipient, isResent: true),
        "resent-bcc": Known(kind: .recipient, isResent: true),
    ]
}
