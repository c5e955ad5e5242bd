// Conversion of a message to seven bits for a peer without 8BITMIME (RFC 6152 section 3): what may be sent, and why not.
//
// Limits: a message is converted in memory, whole; message_size_limit bounds it.

import MailModel
import SMTPProtocol

enum ContentConversion {
    enum Refusal: Error, Hashable, Sendable {
        /// It cannot be read now.
        case unreadable
        /// Its structure does not allow it.
        case impossible

        /// What the recipients get.
        func failure(at peer: String) -> ClientFailure {
            switch self {
            case .unreadable:
                ClientFailure(.message, EnhancedStatusCode(4, 3, 0), "local data error while talking to \(peer)")
            case .impossible:
                // RFC 3463 section 3.7: X.6.3, conversion required but not supported.
                ClientFailure(
                    .message, EnhancedStatusCode(5, 6, 3),
                    "message has 8-bit content that cannot be converted for host \(peer), which does not offer 8BITMIME")
            }
        }
    }

    /// What holds of the content after conversion: seven bits, short lines; dots may begin lines now.
    static func facts(after facts: ContentFacts) -> ContentFacts {
        facts.subtracting([.eightBitBody, .longLines, .binary, .unterminated]).union([.leadingDots])
    }

    static func toSevenBits(_ source: MessageContent) -> Result<MessageContent, Refusal> {
        return .failure(.impossible)
    }
}
