// The result of an alias table: addresses separated by commas, each with an optional quoted local-part (virtual(5)).
//
// Limits: comments are not recognized; a display name before `<address>` is dropped.

import MailModel

enum AddressListText {
    /// The addresses in internal (unquoted) form, in order. Words separated by white space alone are addresses of their own.
    static func parse(_ text: [UInt8]) -> [MailAddress] {
        var out: [MailAddress] = []
        for item in items(text) {
            // `Name <user@example.org>`: what stands between the last brackets.
            if let open = item.lastIndex(where: { $0.isBare(UInt8(ascii: "<")) }),
                let close = item[open...].firstIndex(where: { $0.isBare(UInt8(ascii: ">")) })
            {
                append(item[(open + 1)..<close], to: &out)
            } else {
                for word in item.split(whereSeparator: { !$0.isQuoted && ASCII.isSpace($0.byte) }) { append(word, to: &out) }
            }
        }
        return out
    }

    private struct Mark {
        var byte: UInt8
        /// Within quotation marks, or after a backslash.
        var isQuoted: Bool

        func isBare(_ other: UInt8) -> Bool { !isQuoted && byte == other }
    }

    /// The items between commas, with quotation marks and quoted-pairs resolved.
    private static func items(_ text: [UInt8]) -> [[Mark]] {
        var items: [[Mark]] = [[]]
        var isInQuotes = false
        var isEscaped = false
        for byte in text {
            if isEscaped {
                items[items.count - 1].append(Mark(byte: byte, isQuoted: true))
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInQuotes.toggle()
            } else if byte == UInt8(ascii: ",") && !isInQuotes {
                items.append([])
            } else {
                items[items.count - 1].append(Mark(byte: byte, isQuoted: isInQuotes))
            }
        }
        return items
    }

    private static func append(_ word: ArraySlice<Mark>, to out: inout [MailAddress]) {
        let address: MailAddress
        if let at = word.lastIndex(where: { $0.isBare(UInt8(ascii: "@")) }) {
            address = MailAddress(localPart: word[..<at].map(\.byte), domain: word[(at + 1)...].map(\.byte))
        } else {
            address = MailAddress(localPart: word.map(\.byte), domain: [])
        }
        if !address.isNull { out.append(address) }
    }
}
