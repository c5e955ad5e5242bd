// One field of a message header (RFC 5322 section 2.2), kept exactly as it came, folding included.
//
// Security: the bytes come from anyone. A field is never longer than the scanner's limit; nothing here interprets 8-bit bytes. Fields that
// this program makes go through `init(name:value:)`, which cannot be made to yield a second field by line breaks in the value.
// Limits: a name is at most 998 octets; control bytes inside a value are kept as they came.

import MailModel

/// A header field: name, colon, value, with its folding and its final CRLF.
public struct HeaderField: Hashable, Sendable {
    /// The field as it stands in the message, folding included, ended by CRLF.
    public let raw: [UInt8]
    /// Length of the name at the front of ``raw``.
    private let nameLength: Int
    /// Offset of the first byte after the colon.
    private let valueOffset: Int

    /// Takes a field as it came. nil unless it begins with a field name and a colon.
    ///
    /// A missing line end is supplied.
    public init?(raw: some Collection<UInt8>) {
        var bytes = Array(raw)
        guard let split = HeaderField.split(bytes[...]) else { return nil }
        if !bytes.hasSuffix(MailBytes.crlf) {
            if bytes.last == MailBytes.lf { bytes.removeLast() }
            bytes += MailBytes.crlf
        }
        self.raw = bytes
        nameLength = split.nameLength
        valueOffset = split.valueOffset
    }

    /// Makes a field of our own: `Name: value`. A line break in `value` that does not fold (is not followed by a space or a tab) becomes a
    /// space, so that no value can end the field; a NUL becomes `?`.
    public init(name: String, value: some Collection<UInt8>) {
        var bytes = Array(name.utf8)
        nameLength = bytes.count
        bytes.append(UInt8(ascii: ":"))
        valueOffset = bytes.count
        bytes.append(UInt8(ascii: " "))
        let value = Array(value)
        var index = 0
        while index < value.count {
            let byte = value[index]
            index += 1
            guard byte == MailBytes.cr || byte == MailBytes.lf else {
                bytes.append(byte == 0 ? UInt8(ascii: "?") : byte)
                continue
            }
            if byte == MailBytes.cr, index < value.count, value[index] == MailBytes.lf { index += 1 }
            let folds = index < value.count && MailBytes.isBlank(value[index])
            bytes += folds ? MailBytes.crlf : [UInt8(ascii: " ")]
        }
        raw = bytes + MailBytes.crlf
    }

    public init(name: String, value: String) { self.init(name: name, value: Array(value.utf8)) }

    /// The name as written, without the colon.
    public var name: ArraySlice<UInt8> { raw[..<nameLength] }

    /// Everything after the colon up to the final CRLF, folding included.
    public var foldedValue: ArraySlice<UInt8> { raw[valueOffset..<(raw.count - 2)] }

    /// The value unfolded (RFC 5322 section 2.2.3: the CRLF goes, the white space stays), without white space around it.
    public var value: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(raw.count - valueOffset)
        for byte in foldedValue where byte != MailBytes.cr && byte != MailBytes.lf { out.append(byte) }
        return Array(MailBytes.trimmed(out[...]))
    }

    /// Whether the field has this name; ASCII letters are compared without case (RFC 5322 section 1.2.2).
    public func isNamed(_ other: String) -> Bool {
        other.utf8.count == nameLength && ASCII.equalsIgnoringCase(name, other.utf8)
    }

    /// The name with ASCII letters in lower case.
    public var nameKey: String { String(decoding: name.map(ASCII.lowercased), as: UTF8.self) }

    /// The same field with another value after the colon; `folded` must contain only line breaks that fold.
    func replacingValue(_ folded: [UInt8]) -> HeaderField? { HeaderField(raw: raw[..<valueOffset] + folded + MailBytes.crlf) }

    /// Where name and value lie in a line, or nil where the line begins no field.
    ///
    /// A name is printable ASCII without colon (RFC 5322 section 3.6.8); white space before the colon is the obsolete form of section 4.5.
    static func split(_ line: ArraySlice<UInt8>) -> (nameLength: Int, valueOffset: Int)? {
        var index = line.startIndex
        while index < line.endIndex, line[index] > 0x20, line[index] < 0x7F, line[index] != UInt8(ascii: ":") { index += 1 }
        let nameLength = index - line.startIndex
        guard nameLength > 0, nameLength <= 998 else { return nil }
        while index < line.endIndex, MailBytes.isBlank(line[index]) { index += 1 }
        guard index < line.endIndex, line[index] == UInt8(ascii: ":") else { return nil }
        return (nameLength, index + 1 - line.startIndex)
    }
}

/// The few bytes that every file of this room names.
enum MailBytes {
    static let cr: UInt8 = 13
    static let lf: UInt8 = 10
    static let crlf: [UInt8] = [13, 10]

    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let first = bytes.first, ASCII.isSpace(first) { bytes.removeFirst() }
        while let last = bytes.last, ASCII.isSpace(last) { bytes.removeLast() }
        return bytes
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool { count >= suffix.count && self[(count - suffix.count)...].elementsEqual(suffix) }
}
