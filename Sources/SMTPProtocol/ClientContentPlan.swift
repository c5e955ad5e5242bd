// Whether, and in which form, a message can go to a server with these capabilities (RFC 1870, 3030, 6152, 6531).

public import MailModel

/// What the client needs to know of a message before it says MAIL.
public struct ClientMessage: Hashable, Sendable {
    /// Octets of the content.
    public var size: Int
    public var facts: ContentFacts
    /// BODY as the submitter declared it.
    public var body: BodyType
    public var sender: MailAddress
    /// The submitter asked for SMTPUTF8.
    public var isSMTPUTF8: Bool

    public init(size: Int, facts: ContentFacts, body: BodyType, sender: MailAddress, isSMTPUTF8: Bool) {
        self.size = size
        self.facts = facts
        self.body = body
        self.sender = sender
        self.isSMTPUTF8 = isSMTPUTF8
    }
}

/// How a message goes to one server.
public enum ClientContentPlan: Hashable, Sendable {
    /// As it is, with these parameters.
    case send(body: BodyType, isSMTPUTF8: Bool, usesChunking: Bool)
    /// After conversion (RFC 6152 section 3): to what BODY=8BITMIME allows where `body` says so, else to seven bits.
    case convert(body: BodyType, isSMTPUTF8: Bool)
    /// Not at all; every recipient fails so.
    case refuse(ClientFailure)

    /// - Parameters:
    ///   - recipients: those of this transaction; an international address needs SMTPUTF8.
    ///   - peer: `mx.example[192.0.2.1]`, for the reason.
    public init(
        _ message: ClientMessage, recipients: some Sequence<MailAddress>, offered: ClientCapabilities, peer: String
    ) {
        if let limit = offered.sizeLimit, message.size > limit {
            let reason = "message size \(message.size) exceeds size limit \(limit) of server \(peer)"
            self = .refuse(ClientFailure(.message, EnhancedStatusCode(5, 3, 4), reason))
            return
        }
        // RFC 6531 section 3.2: what makes the message international is a non-ASCII address of this transaction or header; a request for
        // SMTPUTF8 alone does not, and the message may go to an ASCII-only host.
        let hasInternationalHeader = message.isSMTPUTF8 && message.facts.contains(.eightBitHeader)
        let needsUTF8 = hasInternationalHeader || message.sender.isInternationalized || recipients.contains { $0.isInternationalized }
        if needsUTF8 && !offered.offers(.smtpUTF8) {
            let reason = "SMTPUTF8 is required, but was not offered by host \(peer)"
            self = .refuse(ClientFailure(.message, EnhancedStatusCode(5, 6, 7), reason))
            return
        }
        let isSMTPUTF8 = offered.offers(.smtpUTF8) && (needsUTF8 || message.isSMTPUTF8)

        if message.facts.contains(.binary) {
            // Bare CR, LF or NUL: only BDAT carries them unchanged (RFC 3030 section 3).
            if offered.offers(.chunking) && offered.offers(.binaryMIME) && message.body == .binaryMIME {
                self = .send(body: .binaryMIME, isSMTPUTF8: isSMTPUTF8, usesChunking: true)
                return
            }
            if message.body == .binaryMIME {
                self = .convert(body: offered.offers(.eightBitMIME) ? .eightBitMIME : .unspecified, isSMTPUTF8: isSMTPUTF8)
                return
            }
        }
        let isEightBit = message.facts.contains(.eightBitBody)
        if isEightBit && !offered.offers(.eightBitMIME) {
            self = .convert(body: .unspecified, isSMTPUTF8: isSMTPUTF8)
            return
        }
        let isDeclaredEightBit = isEightBit || message.body == .eightBitMIME || isSMTPUTF8
        let body: BodyType = isDeclaredEightBit ? .eightBitMIME : message.body == .sevenBit ? .sevenBit : .unspecified
        self = .send(body: body, isSMTPUTF8: isSMTPUTF8, usesChunking: false)
    }
}
