// Conversion of a message for a peer without 8BITMIME or BINARYMIME (RFC 6152 section 3): what is done, and why it may be impossible.
//
// InternetMessage has the conversion itself, in two passes over the file, so that no message is held in memory.

import InternetMessage
import MailModel
import SMTPProtocol
import SystemKit

enum ContentConversion {
    enum Refusal: Error, Hashable, Sendable {
        /// It cannot be read now.
        case unreadable
        /// Its structure does not allow it.
        case impossible(EightBitExamination.Obstacle)

        /// What the recipients get.
        func failure(at peer: String) -> ClientFailure {
            switch self {
            case .unreadable:
                ClientFailure(.message, EnhancedStatusCode(4, 3, 0), "local data error while talking to \(peer)")
            case .impossible(let obstacle):
                // RFC 3463 section 3.7: X.6.3, conversion required but not supported.
                ClientFailure(.message, EnhancedStatusCode(5, 6, 3), "message cannot be converted as host \(peer) requires: \(obstacle)")
            }
        }
    }

    /// The content in the form that the peer takes.
    static func prepare(
        _ source: MessageContent, facts: ContentFacts, for body: BodyType
    ) -> Result<OutgoingContent, Refusal> {
        var examination = EightBitExamination(target: body == .eightBitMIME ? .eightBit : .sevenBit)
        var position = 0
        do throws(SystemError) {
            while position < source.length {
                let piece = try source.piece(at: position)
                examination.consume(piece[...])
                position += piece.count
            }
        } catch {
            return .failure(.unreadable)
        }
        switch examination.finish() {
        case .unneeded: return .success(OutgoingContent(source, facts: facts))
        case .impossible(let obstacle): return .failure(.impossible(obstacle))
        case .convertible(let plan):
            // Lines are made anew: dots may begin them now.
            return .success(OutgoingContent(source, facts: facts.union(.leadingDots), converting: plan))
        }
    }
}
