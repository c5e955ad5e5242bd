// A message's content on its way into the queue file: the trace field on top, the header completed, the body untouched.
//
// Pure: bytes in, bytes out. Bounded: one header field is kept at a time (header_size_limit); the body passes through as it came.

import InternetMessage
import MailModel

struct MessageRewriter {
    /// What of the configuration matters here.
    struct Policy: Sendable {
        var completion: HeaderCompletion.Policy
        var mailName: String
        var headerSizeLimit: Int
        /// `hopcount_limit`.
        var hopLimit: Int
    }

    private let policy: Policy
    private var scanner: HeaderScanner
    private var completion: HeaderCompletion
    private var inspector = ContentInspector()
    private var isHeaderWritten = false
    private var pendingTop: [UInt8]

    /// Why the message cannot be taken; nil while it can.
    private(set) var refusal: SMTPReply?

    /// - Parameter date: the text of an RFC 5322 date, for Received and a missing Date.
    init(policy: Policy, envelope: Envelope, queueID: QueueID, date: String) {
        self.policy = policy
        scanner = HeaderScanner(
            headerSizeLimit: policy.headerSizeLimit, mailboxLine: envelope.origin == .localSubmission ? .dropped : .keptAsField)
        completion = HeaderCompletion(
            policy.completion, queueID: queueID, sender: envelope.sender, fullName: envelope.fullName, date: date,
            isLocal: HeaderCompletion.isLocal(envelope.origin))
        let host = policy.completion.hostName
        let received: HeaderField
        switch envelope.origin {
        case .remoteSMTP, .localSMTP:
            // RFC 5321 section 7.2: `for` names a recipient only when there is no other to hide it from.
            let only = envelope.recipients.count == 1 ? envelope.recipients.first : nil
            received = ReceivedField.smtp(
                client: envelope.client, hostName: host, mailName: policy.mailName, queueID: queueID,
                recipient: only.map { $0.originalAddress ?? $0.address }, date: date)
        case .localSubmission:
            received = ReceivedField.submission(
                userID: envelope.userID, hostName: host, mailName: policy.mailName, queueID: queueID, date: date)
        case .notification, .forward:
            received = ReceivedField.mailSystem(hostName: host, mailName: policy.mailName, queueID: queueID, date: date)
        }
        pendingTop = received.raw
    }

    /// Takes content; returns what is to be written, the header's bytes and then the body's.
    mutating func consume(_ chunk: ArraySlice<UInt8>) -> (header: [UInt8], body: ArraySlice<UInt8>) {
        var fields: [HeaderField] = []
        let body = scanner.consume(chunk, fields: &fields)
        return (writeHeader(fields), inspectBody(body))
    }

    /// The content is over.
    mutating func finish() -> (header: [UInt8], body: ArraySlice<UInt8>) {
        var fields: [HeaderField] = []
        let body = scanner.finish(fields: &fields)
        return (writeHeader(fields), inspectBody(body))
    }

    /// The value of Message-Id for the log; nil where there is none.
    var messageID: [UInt8]? { completion.messageID }
    var facts: ContentFacts { inspector.result }
    /// Some header field was longer than `header_size_limit`, and its excess is gone.
    var isHeaderCut: Bool { scanner.isTruncated }

    private mutating func writeHeader(_ fields: [HeaderField]) -> [UInt8] {
        guard !isHeaderWritten else { return [] }
        var out = pendingTop
        pendingTop = []
        for field in fields {
            if let kept = completion.pass(field) { out += kept.raw }
        }
        // RFC 5321 section 6.3: a message with too many trace fields is taken to loop.
        if completion.hops.reaches(policy.hopLimit) && refusal == nil {
            refusal = SMTPReply(554, EnhancedStatusCode(5, 4, 0), "Error: too many hops")
        }
        if let ending = scanner.ending {
            isHeaderWritten = true
            for field in completion.finish() { out += field.raw }
            // What canonical tables would have hidden must not get out because a table could not be read.
            if completion.hasMappingFailed && refusal == nil {
                refusal = SMTPReply(451, EnhancedStatusCode(4, 3, 0), "Error: queue file write error: Temporary lookup failure")
            }
            if ending != .endOfContent { out += [13, 10] }
        }
        inspector.inspect(out[...])
        if isHeaderWritten { inspector.beginBody() }
        return out
    }

    private mutating func inspectBody(_ body: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        inspector.inspect(body)
        return body
    }
}
