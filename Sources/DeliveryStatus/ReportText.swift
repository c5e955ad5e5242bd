// Text for the parts of a report: made safe, folded, wrapped.
//
// Security: diagnostics and addresses come from peers. Nothing gets into a report but through `safe`, which leaves no line break and no
// control character, so a peer cannot forge fields, parts or recipients.

import MailModel

enum ReportText {
    static let crlf: [UInt8] = [13, 10]

    /// One line of text: control bytes, malformed UTF-8 and, unless `allowsUTF8`, everything outside ASCII become `?`.
    static func safe(_ bytes: some Collection<UInt8>, allowsUTF8: Bool, limit: Int = 4096) -> String {
        let text = ASCII.printable(bytes, limit: limit)
        guard !allowsUTF8 else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.isASCII ? $0 : "?" }))
    }

    static func safe(_ text: String, allowsUTF8: Bool) -> String { safe(text.utf8, allowsUTF8: allowsUTF8) }

    /// Lines of at most about `width` octets, broken at spaces, each after `indent`. A word that is longer stays whole up to 900 octets.
    static func wrapped(_ text: String, indent: String = "", width: Int = 72) -> [String] {
        var lines: [String] = []
        var line = indent
        var isEmpty = true
        for word in pieces(text) {
            if !isEmpty, line.utf8.count + 1 + word.utf8.count > width {
                lines.append(line)
                line = indent
                isEmpty = true
            }
            line += isEmpty ? word : " " + word
            isEmpty = false
        }
        if !isEmpty { lines.append(line) }
        return lines
    }

    private static func pieces(_ text: String) -> [String] {
        var out: [String] = []
        for word in text.split(separator: " ") {
            guard word.utf8.count > 900 else {
                out.append(String(word))
                continue
            }
            // RFC 5322 section 2.1.1: no line over 998 octets; a scalar has at most four.
            let scalars = Array(word.unicodeScalars)
            for start in stride(from: 0, to: scalars.count, by: 220) {
                out.append(String(String.UnicodeScalarView(scalars[start..<min(start + 220, scalars.count)])))
            }
        }
        return out
    }

    /// `Name: text`, folded at spaces; unfolding gives back the text.
    static func field(_ name: String, _ text: String) -> [UInt8] {
        let lines = wrapped(text, width: 72 - min(name.utf8.count, 40))
        return Array("\(name): \(lines.joined(separator: "\r\n "))\r\n".utf8)
    }

    /// `Name: address` on one line, spaces as they are.
    static func field(_ name: String, address: String) -> [UInt8] { Array("\(name): \(address)\r\n".utf8) }

    static func contains(_ needle: [UInt8], in haystack: ArraySlice<UInt8>) -> Bool {
        guard let first = needle.first, haystack.count >= needle.count else { return false }
        var index = haystack.startIndex
        while index + needle.count <= haystack.endIndex {
            if haystack[index] == first, haystack[index..<(index + needle.count)].elementsEqual(needle) { return true }
            index += 1
        }
        return false
    }
}
