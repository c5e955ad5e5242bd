// Enhanced mail system status codes (RFC 3463, registry of RFC 5248).

/// `class.subject.detail`, for example 5.1.1.
public struct EnhancedStatusCode: Hashable, Sendable, CustomStringConvertible {
    /// 2 success, 4 persistent transient failure, 5 permanent failure (RFC 3463 section 2).
    public var statusClass: UInt8
    public var subject: UInt16
    public var detail: UInt16

    public init(_ statusClass: UInt8, _ subject: UInt16, _ detail: UInt16) {
        self.statusClass = statusClass
        self.subject = subject
        self.detail = detail
    }

    public var description: String { "\(statusClass).\(subject).\(detail)" }

    /// Parses `C.SSS.DDD` at the start of `bytes`; nil unless it is followed by a space or the end. The length it took comes with it.
    public static func parse(_ bytes: some Collection<UInt8>) -> (code: EnhancedStatusCode, length: Int)? {
        var numbers: [UInt16] = []
        var current: UInt16?
        var digits = 0
        var length = 0
        for byte in bytes {
            if ASCII.isDigit(byte) {
                digits += 1
                guard digits <= 3 else { return nil }
                current = (current ?? 0) * 10 + UInt16(byte - 0x30)
            } else if byte == UInt8(ascii: "."), let value = current, numbers.count < 2 {
                numbers.append(value)
                current = nil
                digits = 0
            } else if byte == UInt8(ascii: " ") {
                break
            } else {
                return nil
            }
            length += 1
        }
        guard let last = current, numbers.count == 2, [2, 4, 5].contains(numbers[0]) else { return nil }
        return (EnhancedStatusCode(UInt8(numbers[0]), numbers[1], last), length)
    }

    public init?(_ text: String) {
        guard let (code, length) = EnhancedStatusCode.parse(Array(text.utf8)), length == text.utf8.count else { return nil }
        self = code
    }

    /// The same code in another class: 5.1.1 becomes 4.1.1 for a soft bounce.
    public func with(statusClass: UInt8) -> EnhancedStatusCode { EnhancedStatusCode(statusClass, subject, detail) }
}
