// Reads the address vectors of isemail (BSD licence, see Vectors/LICENSE.md): a reader for exactly this XML and no other.

import Testing

struct AddressVector: CustomTestStringConvertible, Sendable {
    let id: String
    let address: [UInt8]
    let category: String
    /// RFC 5321 alone decides: these categories are good mailboxes, whatever DNS says about them.
    var isMailbox: Bool { ["ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"].contains(category) }
    var testDescription: String { "\(id) \(category) \(String(decoding: address, as: UTF8.self))" }

    static func parse(_ xml: String) -> [AddressVector] {
        xml.pieces(between: "<test ", and: "</test>").map { body in
            AddressVector(
                id: body.pieces(between: "id=\"", and: "\"").first ?? "?",
                address: decode(body.pieces(between: "<address>", and: "</address>").first ?? ""),
                category: body.pieces(between: "<category>", and: "</category>").first ?? "")
        }
    }

    /// Entities; U+2400 and what follows stand for control characters.
    private static func decode(_ text: String) -> [UInt8] {
        var out: [UInt8] = []
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            var value = scalar.value
            if scalar == "&", let end = rest.firstIndex(of: ";") {
                let name = String(rest[..<end])
                rest = rest[rest.index(after: end)...]
                switch name {
                case "amp": value = 0x26
                case "lt": value = 0x3C
                case "gt": value = 0x3E
                case "quot": value = 0x22
                case "apos": value = 0x27
                default: value = UInt32(name.dropFirst(2), radix: 16) ?? 0x3F
                }
            }
            if (0x2400...0x241F).contains(value) { value -= 0x2400 }
            out.append(contentsOf: String(Character(Unicode.Scalar(value) ?? "?")).utf8)
        }
        return out
    }
}

extension String {
    func pieces(between open: String, and close: String) -> [String] {
        let bytes = Array(utf8)
        let openBytes = Array(open.utf8)
        let closeBytes = Array(close.utf8)
        var out: [String] = []
        var index = 0
        func find(_ needle: [UInt8], from start: Int) -> Int? {
            var at = start
            while at + needle.count <= bytes.count {
                if bytes[at] == needle[0] && Array(bytes[at..<(at + needle.count)]) == needle { return at }
                at += 1
            }
            return nil
        }
        while let start = find(openBytes, from: index), let end = find(closeBytes, from: start + openBytes.count) {
            out.append(String(decoding: bytes[(start + openBytes.count)..<end], as: UTF8.self))
            index = end + closeBytes.count
        }
        return out
    }
}
