// One reply of a peer server, as the client keeps it: the code, the enhanced status code, and the text exactly as it came.
//
// The model's SMTPReply is what *we* say; a peer's reply may give a different enhanced code on each line or none at all, and a notification
// quotes it literally, so the raw lines stay.
// Security: the lines are hostile. ``quoted`` is the only form that leaves for logs, queue files and notifications.

public import MailModel

/// A reply as received (RFC 5321 section 4.2).
public struct ClientReply: Hashable, Sendable, CustomStringConvertible {
    /// 200...599.
    public var code: UInt16
    /// The code of the last line where it fits the reply code (RFC 2034 section 4); nil where the peer sent none or one of another class.
    public var enhanced: EnhancedStatusCode?
    /// Each line with its code and without its line end; never empty.
    public var lines: [[UInt8]]

    public init(code: UInt16, enhanced: EnhancedStatusCode?, lines: [[UInt8]]) {
        self.code = code
        self.enhanced = enhanced
        self.lines = lines
    }

    public var isSuccess: Bool { code / 100 == 2 }
    public var isIntermediate: Bool { code / 100 == 3 }
    public var isTransientFailure: Bool { code / 100 == 4 }
    public var isPermanentFailure: Bool { code / 100 == 5 }

    /// The enhanced status code, or `x.0.0` of the reply's own class as Postfix fills it in; nil for 3xx, which has none
    /// (RFC 2034 section 4).
    public var status: EnhancedStatusCode? {
        if let enhanced { return enhanced }
        let replyClass = UInt8(code / 100)
        return [2, 4, 5].contains(replyClass) ? EnhancedStatusCode(replyClass, 0, 0) : nil
    }

    /// All lines as one printable line, joined with spaces, the codes of each line kept: `550-5.1.1 a 550 5.1.1 b`.
    public var quoted: String { lines.map { ASCII.printable($0, limit: 1024) }.joined(separator: " ") }

    /// The text of line `index` after the code and its separator; empty where there is none.
    public func text(ofLine index: Int) -> ArraySlice<UInt8> {
        guard lines.indices.contains(index) else { return [] }
        return lines[index].dropFirst(4)
    }

    public var description: String { quoted }
}
