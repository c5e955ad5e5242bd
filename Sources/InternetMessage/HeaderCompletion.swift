// Completes and cleans the header of a message on its way into the queue, as Postfix's cleanup(8) does.
//
// Fields of `message_drop_headers` go whatever the origin. Everything else is done only for messages of this host and its own clients
// (`local_header_rewrite_clients`): a header that came from elsewhere is not ours to correct. The Resent- set is handled in parallel: where
// any Resent- field stands, the missing ones of that set are added instead (RFC 5322 section 3.6.6).
//
// Limits: as in Postfix, missing fields are added below the fields that came, and a field that occurs too often is left as it is.

public import MailModel

/// One message's header on its way through.
///
///     var completion = HeaderCompletion(policy, queueID: id, sender: sender, fullName: name, date: date, isLocal: true)
///     for field in fields { if let kept = completion.pass(field) { write(kept) } }
///     for field in completion.finish() { write(field) }
public struct HeaderCompletion: Sendable {
    /// The configuration that completion depends on.
    public struct Policy: Sendable {
        /// `myhostname`, for Message-Id.
        public var hostName: String
        public var addresses: AddressCompletion
        /// `undisclosed_recipients_header`: a whole field without line end, or empty for none.
        public var undisclosedRecipientsHeader: String
        /// `message_drop_headers`, compared without case.
        public var dropHeaders: Set<String>
        /// `always_add_missing_headers`: add them for remote messages too.
        public var alwaysAddsMissing: Bool
        /// For messages that are not ours (`remote_header_rewrite_domain`); nil leaves their addresses as they are.
        public var remoteAddresses: AddressCompletion?
        /// What canonical tables and masquerading make of a completed address; nil where they cannot be asked now. It is asked for
        /// messages whose addresses are completed.
        public var mapping: (@Sendable (_ address: MailAddress, _ isSender: Bool) -> MailAddress?)?

        public init(
            hostName: String, addresses: AddressCompletion, undisclosedRecipientsHeader: String = "",
            dropHeaders: [String] = ["bcc", "content-length", "resent-bcc", "return-path"], alwaysAddsMissing: Bool = false
        ) {
            self.hostName = hostName
            self.addresses = addresses
            self.undisclosedRecipientsHeader = undisclosedRecipientsHeader
            self.dropHeaders = Set(dropHeaders.map { $0.lowercased() })
            self.alwaysAddsMissing = alwaysAddsMissing
        }
    }

    private let policy: Policy
    private let queueID: QueueID
    private let sender: MailAddress
    private let fullName: [UInt8]
    private let date: String
    private let isLocal: Bool
    private var seen: Set<HeaderKind> = []
    private var seenResent: Set<HeaderKind> = []
    private var hasVisibleRecipient = false
    private var isResent = false
    /// Some address could not be mapped: the message must not be accepted now.
    public private(set) var hasMappingFailed = false

    /// The value of the message's (Resent-)Message-Id, for the log; nil while there is none.
    public private(set) var messageID: [UInt8]?
    /// The Received and Delivered-To fields so far.
    public private(set) var hops = HopCount()

    /// - Parameters:
    ///   - sender: the envelope sender, for a missing From.
    ///   - fullName: of the sender, for a missing From; empty for none.
    ///   - date: the text of an RFC 5322 date, for a missing Date.
    ///   - isLocal: the message comes from this host or one of its own clients.
    public init(_ policy: Policy, queueID: QueueID, sender: MailAddress, fullName: [UInt8], date: String, isLocal: Bool) {
        self.policy = policy
        self.queueID = queueID
        self.sender = sender
        self.fullName = fullName
        self.date = date
        self.isLocal = isLocal
    }

    /// Whether `origin` makes a message ours to complete.
    public static func isLocal(_ origin: MessageOrigin) -> Bool {
        switch origin {
        case .remoteSMTP: false
        // A forwarded message was completed, or left alone, when it first came in.
        case .forward: false
        case .localSMTP, .localSubmission, .notification: true
        }
    }

    /// Takes the next field. Returns it, rewritten where that is due, or nil where it is dropped.
    public mutating func pass(_ field: HeaderField) -> HeaderField? {
        hops.note(field)
        let key = field.nameKey
        if policy.dropHeaders.contains(key) { return nil }
        guard let known = HeaderKind.known(key) else { return field }
        if known.isResent {
            isResent = true
            seenResent.insert(known.kind)
        } else {
            seen.insert(known.kind)
        }
        switch known.kind {
        case .messageID:
            // The id of the resent set is the one that names this passage of the message.
            if known.isResent || messageID == nil { messageID = field.value }
            return field
        case .date: return field
        case .visibleRecipient:
            hasVisibleRecipient = true
            return rewritten(field, isSender: false)
        case .recipient: return rewritten(field, isSender: false)
        case .from, .originator: return rewritten(field, isSender: true)
        }
    }

    private mutating func rewritten(_ field: HeaderField, isSender: Bool) -> HeaderField {
        guard let addresses = isLocal ? policy.addresses : policy.remoteAddresses else { return field }
        var failed = false
        let value = addresses.rewrite(addressList: field.foldedValue) { address in
            let completed = addresses.complete(address)
            guard let mapping = policy.mapping, !completed.isNull else { return completed }
            guard let mapped = mapping(completed, isSender) else {
                failed = true
                return completed
            }
            return mapped
        }
        if failed { hasMappingFailed = true }
        return value.elementsEqual(field.foldedValue) ? field : field.replacingValue(value) ?? field
    }

    /// The header is over: the fields that were missing.
    public mutating func finish() -> [HeaderField] {
        guard isLocal || policy.alwaysAddsMissing else { return [] }
        let prefix = isResent ? "Resent-" : ""
        let present = isResent ? seenResent : seen
        var out: [HeaderField] = []
        if !present.contains(.messageID) {
            let id = Array("<\(queueID)@\(policy.hostName)>".utf8)
            out.append(HeaderField(name: prefix + "Message-Id", value: id))
            messageID = id
        }
        if !present.contains(.date) { out.append(HeaderField(name: prefix + "Date", value: date)) }
        if !present.contains(.from) { out.append(HeaderField(name: prefix + "From", value: from())) }
        if !hasVisibleRecipient, let field = HeaderField(raw: Array(policy.undisclosedRecipientsHeader.utf8)) { out.append(field) }
        return out
    }

    /// `Full Name <user@origin>`, or the bare address.
    private mutating func from() -> [UInt8] {
        let author = sender.isNull ? MailAddress(localPart: Array("MAILER-DAEMON".utf8), domain: []) : sender
        var completed = policy.addresses.complete(author)
        if let mapping = policy.mapping {
            if let mapped = mapping(completed, true) { completed = mapped } else { hasMappingFailed = true }
        }
        let address = completed.externalForm.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }
        let name = EncodedWord.phrase(fullName)
        return name.isEmpty ? address : name + Array(" <".utf8) + address + [UInt8(ascii: ">")]
    }
}
