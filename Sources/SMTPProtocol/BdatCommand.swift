// BDAT chunk-size [LAST] (RFC 3030 section 2).

import MailModel

/// A BDAT command whose syntax is right.
public struct BdatCommand: Hashable, Sendable {
    /// Octets that follow the command line.
    public var size: Int
    public var isLast: Bool

    /// Reads what follows `BDAT`.
    public init(_ arguments: ArraySlice<UInt8>) throws(SMTPCommandError) {
        let words = arguments.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 })
        guard let first = words.first, words.count <= 2, let size = ASCII.decimal(first, maximum: Int.max >> 1),
            words.count == 1 || ASCII.equalsIgnoringCase(words[1], "LAST".utf8)
        else { throw SMTPCommandError(501, EnhancedStatusCode(5, 5, 4), "Syntax: BDAT count [LAST]") }
        self.size = size
        isLast = words.count == 2
    }
}
