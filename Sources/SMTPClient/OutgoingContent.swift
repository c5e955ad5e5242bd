// Content on its way out in one transaction: the pieces of the source in order, converted on the way where the peer needs it.

import InternetMessage
import MailModel
import SystemKit

/// Reads a message from its beginning to its end, once.
struct OutgoingContent: Sendable {
    /// What holds of the bytes that come out.
    let facts: ContentFacts
    /// Octets for the SIZE parameter: exact, or an estimate after a conversion (RFC 1870 section 5 allows one).
    let size: Int
    private let source: MessageContent
    private var position = 0
    private var conversion: EightBitDowngrade?
    private var ahead: [UInt8]?

    init(_ source: MessageContent, facts: ContentFacts, converting plan: DowngradePlan? = nil) {
        self.source = source
        self.facts = facts
        conversion = plan.map { EightBitDowngrade($0) }
        // Base64 makes four octets of three, and line ends.
        size = plan == nil ? source.length : source.length + source.length / 2
    }

    /// The next piece, and whether it is the last; an empty last piece for empty content.
    mutating func next() throws(SystemError) -> (bytes: [UInt8], isLast: Bool) {
        let current: [UInt8]
        if let ahead { current = ahead } else { current = try produce() }
        let following = try produce()
        ahead = following
        return (current, following.isEmpty)
    }

    /// Empty at the end.
    private mutating func produce() throws(SystemError) -> [UInt8] {
        while position < source.length {
            let piece = try source.piece(at: position)
            position += piece.count
            guard conversion != nil else { return piece }
            var out: [UInt8] = []
            conversion?.consume(piece[...], into: &out)
            if position >= source.length { conversion?.finish(into: &out) }
            if !out.isEmpty { return out }
        }
        return []
    }
}
