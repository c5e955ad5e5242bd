// What a server offers, from its EHLO or LHLO reply (RFC 5321 section 4.1.1.1).
//
// Security: keywords and parameters are hostile; an unknown one is skipped, a malformed parameter counts as absent.

import MailModel

/// The extensions of one session. Replaced wholesale by each EHLO, so that nothing offered before STARTTLS survives it
/// (RFC 3207 section 4.2).
public struct ClientCapabilities: Hashable, Sendable {
    public struct Extensions: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// RFC 1870.
        public static let size = Extensions(rawValue: 1 << 0)
        /// RFC 2920.
        public static let pipelining = Extensions(rawValue: 1 << 1)
        /// RFC 6152.
        public static let eightBitMIME = Extensions(rawValue: 1 << 2)
        /// RFC 3461.
        public static let dsn = Extensions(rawValue: 1 << 3)
        /// RFC 6531.
        public static let smtpUTF8 = Extensions(rawValue: 1 << 4)
        /// RFC 3030.
        public static let chunking = Extensions(rawValue: 1 << 5)
        /// RFC 3030.
        public static let binaryMIME = Extensions(rawValue: 1 << 6)
        /// RFC 3207.
        public static let startTLS = Extensions(rawValue: 1 << 7)
        /// RFC 2034.
        public static let enhancedStatusCodes = Extensions(rawValue: 1 << 8)
    }

    public var extensions: Extensions
    /// The fixed maximum message size in octets; nil where the server states none (SIZE without number, or 0: RFC 1870 section 4).
    public var sizeLimit: Int?
    /// The domain with which the server named itself; empty where it gave none.
    public var serverName: [UInt8]
    /// Whether the server speaks ESMTP (or LMTP) at all: EHLO was accepted.
    public var isExtended: Bool

    public init(extensions: Extensions = [], sizeLimit: Int? = nil, serverName: [UInt8] = [], isExtended: Bool = false) {
        self.extensions = extensions
        self.sizeLimit = sizeLimit
        self.serverName = serverName
        self.isExtended = isExtended
    }

    public func offers(_ extension: Extensions) -> Bool { extensions.contains(`extension`) }

    private static let keywords: [(name: String, extension: Extensions)] = [
        ("SIZE", .size), ("PIPELINING", .pipelining), ("8BITMIME", .eightBitMIME), ("DSN", .dsn), ("SMTPUTF8", .smtpUTF8),
        ("CHUNKING", .chunking), ("BINARYMIME", .binaryMIME), ("STARTTLS", .startTLS), ("ENHANCEDSTATUSCODES", .enhancedStatusCodes),
    ]

    /// Reads a positive reply to EHLO, LHLO or HELO.
    ///
    /// - Parameters:
    ///   - isExtended: false for HELO, whose further lines mean nothing.
    ///   - discarded: keywords to overlook, in any case (`smtp_discard_ehlo_keywords`).
    public init(reply: ClientReply, isExtended: Bool, discarding discarded: [String] = []) {
        self.init(isExtended: isExtended)
        serverName = Array(reply.text(ofLine: 0).split(whereSeparator: ASCII.isSpace).first ?? [])
        guard isExtended else { return }
        for index in reply.lines.indices.dropFirst() {
            // `AUTH=LOGIN` and the like: the keyword ends at `=` too, as in Postfix.
            let words = reply.text(ofLine: index).split(whereSeparator: { ASCII.isSpace($0) || $0 == UInt8(ascii: "=") })
            guard let keyword = words.first else { continue }
            guard !discarded.contains(where: { ASCII.equalsIgnoringCase($0.utf8, keyword) }) else { continue }
            guard let known = ClientCapabilities.keywords.first(where: { ASCII.equalsIgnoringCase($0.name.utf8, keyword) }) else {
                continue
            }
            extensions.insert(known.extension)
            if known.extension == .size, words.count > 1, let limit = ASCII.decimal(words[1]), limit > 0 { sizeLimit = limit }
        }
    }
}
