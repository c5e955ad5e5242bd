// Content on its way out in one transaction: the pieces of the source in order, converted on the way where the peer needs it.

import InternetMessage
import MailModel
import NIOCore
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

    /// The whole of it as a part of an open file, where it is one and nothing was taken yet.
    func filePart() throws(SystemError) -> MessageContent.FilePart? {
        guard conversion == nil, position == 0 else { return nil }
        return try source.filePart()
    }

    /// Puts the next piece into `buffer` in place of what is there; true for the last one, which is empty where the content is.
    mutating func next(_ buffer: inout ByteBuffer) throws(SystemError) -> Bool {
        buffer.clear()
        guard conversion != nil else {
            try source.read(at: position, into: &buffer)
            position += buffer.readableBytes
            return position >= source.length
        }
        let current: [UInt8]
        if let ahead { current = ahead } else { current = try convert() }
        let following = try convert()
        ahead = following
        buffer.writeBytes(current)
        return following.isEmpty
    }

    /// Empty at the end.
    private mutating func convert() throws(SystemError) -> [UInt8] {
        while position < source.length {
            let piece = try source.piece(at: position)
            position += piece.count
            var out: [UInt8] = []
            conversion?.consume(piece[...], into: &out)
            if position >= source.length { conversion?.finish(into: &out) }
            if !out.isEmpty { return out }
        }
        return []
    }
}
