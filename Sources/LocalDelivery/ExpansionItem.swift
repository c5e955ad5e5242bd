// The right side of an alias, a `.forward` file and an `:include:` file: a list of addresses, files, commands and further lists.
//
// aliases(5): items are separated by commas (and by line ends in files); an item with blanks or commas in it is quoted; `#` begins a
// comment line in a file. Beyond what Postfix reads, an unquoted `|command with arguments` extends to the comma or the line end.
//
// Security: a `.forward` is written by a user, an include file by a list owner. Parsing is total; the number of items is bounded by the
// caller's limit on the size of the text. What an item may do (run a command, write a file) is decided where it is used, by who owns the
// text.

import MailModel

/// One item of an expansion.
enum ExpansionItem: Hashable, Sendable {
    case address(MailAddress)
    /// `\user`: the mailbox of a local user, without alias and `.forward`.
    case mailbox(of: [UInt8])
    /// `/path`, or `/path/` for a Maildir.
    case file([UInt8])
    /// `|command`, without the bar.
    case command([UInt8])
    /// `:include:/path`.
    case include([UInt8])
    /// What cannot be understood. It must not vanish silently: the delivery is deferred.
    case malformed([UInt8])

    /// The items of an alias's value: one line, whatever line breaks it has.
    static func list(aliasValue text: some Collection<UInt8>) -> [ExpansionItem] {
        let scanner = ItemScanner(bytes: Array(text))
        return scanner.items()
    }

    /// The items of a `.forward` or `:include:` file.
    static func list(file text: some Collection<UInt8>) -> [ExpansionItem] {
        var items: [ExpansionItem] = []
        var line: [UInt8] = []
        func takeLine() {
            // A line that begins with blanks goes on the one before in an alias file, but not here: each line stands for itself.
            if line.first != UInt8(ascii: "#") {
                let scanner = ItemScanner(bytes: line)
                items += scanner.items()
            }
            line.removeAll(keepingCapacity: true)
        }
        for byte in text {
            if byte == UInt8(ascii: "\n") { takeLine() } else { line.append(byte) }
        }
        takeLine()
        return items
    }

    /// One item, given without its separators.
    static func parse(_ text: [UInt8]) -> ExpansionItem? {
        let item = trimmed(text[...])
        guard let first = item.first else { return nil }
        if item.contains(0) { return .malformed(item) }
        if first == UInt8(ascii: "\""), let inside = wholeQuotedString(item) {
            if inside.isEmpty || inside.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return .malformed(item) }
            return special(inside) ?? .address(MailAddress(localPart: inside, domain: []))
        }
        if first == UInt8(ascii: "|"), let inside = wholeQuotedString(trimmed(item.dropFirst())) { return .command(inside) }
        if let special = special(item) { return special }
        return AddressItem.parse(item).map(ExpansionItem.address) ?? .malformed(item)
    }

    private static func special(_ text: [UInt8]) -> ExpansionItem? {
        let includeWord = Array(":include:".utf8)
        if text.first == UInt8(ascii: "|") { return .command(trimmed(text.dropFirst())) }
        if text.first == UInt8(ascii: "/") { return .file(text) }
        if text.count >= includeWord.count, ASCII.equalsIgnoringCase(text.prefix(includeWord.count), includeWord) {
            let path = trimmed(text.dropFirst(includeWord.count))
            return .include(wholeQuotedString(path) ?? path)
        }
        if text.first == UInt8(ascii: "\\"), text.count > 1, !text.contains(UInt8(ascii: "@")), !text.contains(UInt8(ascii: "\"")) {
            return .mailbox(of: Array(text.dropFirst()))
        }
        return nil
    }

    /// What is inside the quotes if `text` is one quoted-string from end to end.
    private static func wholeQuotedString(_ text: [UInt8]) -> [UInt8]? {
        guard text.first == UInt8(ascii: "\"") else { return nil }
        var out: [UInt8] = []
        var index = 1
        while index < text.count {
            switch text[index] {
            case UInt8(ascii: "\\") where index + 1 < text.count:
                out.append(text[index + 1])
                index += 2
            case UInt8(ascii: "\""): return index == text.count - 1 ? out : nil
            default:
                out.append(text[index])
                index += 1
            }
        }
        return nil
    }

    static func trimmed(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var slice = text
        while let first = slice.first, ASCII.isSpace(first) { slice.removeFirst() }
        while let last = slice.last, ASCII.isSpace(last) { slice.removeLast() }
        return Array(slice)
    }
}

/// Cuts text at commas that stand outside quotes, comments and angle brackets.
private struct ItemScanner {
    let bytes: [UInt8]

    func items() -> [ExpansionItem] {
        var items: [ExpansionItem] = []
        var current: [UInt8] = []
        var isQuoted = false
        var isEscaped = false
        var comments = 0
        for byte in bytes {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\""), comments == 0 {
                isQuoted.toggle()
            } else if !isQuoted && !isCommand(current) && byte == UInt8(ascii: "(") {
                comments += 1
            } else if !isQuoted && comments > 0 && byte == UInt8(ascii: ")") {
                comments -= 1
            } else if !isQuoted && comments == 0 && byte == UInt8(ascii: ",") {
                if let item = ExpansionItem.parse(current) { items.append(item) }
                current.removeAll()
                continue
            }
            current.append(byte)
        }
        // An open quote or comment swallowed the rest: say so instead of guessing where the items end.
        if isQuoted || comments > 0 {
            items.append(.malformed(current))
        } else if let item = ExpansionItem.parse(current) {
            items.append(item)
        }
        return items
    }

    /// In a command or path, parentheses are characters like any other.
    private func isCommand(_ text: [UInt8]) -> Bool {
        let first = text.first { !ASCII.isSpace($0) }
        return first == UInt8(ascii: "|") || first == UInt8(ascii: "/")
    }
}

/// One address as an expansion may hold it: `user`, `user@domain`, `"a b"@domain`, `Name <user@domain>`, with comments.
private enum AddressItem {
    static func parse(_ text: [UInt8]) -> MailAddress? {
        let plain = withoutComments(text)
        let spec = insideBrackets(plain) ?? plain
        var local: [UInt8] = []
        var index = 0
        var sawAt = false
        while index < spec.count {
            let byte = spec[index]
            if byte == UInt8(ascii: "\"") {
                index += 1
                while index < spec.count, spec[index] != UInt8(ascii: "\"") {
                    if spec[index] == UInt8(ascii: "\\"), index + 1 < spec.count { index += 1 }
                    local.append(spec[index])
                    index += 1
                }
                guard index < spec.count else { return nil }
            } else if byte == UInt8(ascii: "\\"), index + 1 < spec.count {
                index += 1
                local.append(spec[index])
            } else if byte == UInt8(ascii: "@") {
                sawAt = true
                break
            } else if ASCII.isSpace(byte) {
                // A blank inside an unquoted address means two words: `a b` is no address.
                if !isBlank(spec[index...]) && !local.isEmpty { return nil }
            } else {
                local.append(byte)
            }
            index += 1
        }
        guard !local.isEmpty, local.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        guard sawAt else { return MailAddress(localPart: local, domain: []) }
        let domain = ExpansionItem.trimmed(spec[(index + 1)...])
        guard !domain.isEmpty, domain.allSatisfy({ $0 > 0x20 && $0 != 0x7F && !"@,;<>\"()".utf8.contains($0) }) else { return nil }
        return MailAddress(localPart: local, domain: domain)
    }

    private static func isBlank(_ text: ArraySlice<UInt8>) -> Bool { text.allSatisfy(ASCII.isSpace) }

    private static func withoutComments(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var depth = 0
        var isQuoted = false
        var isEscaped = false
        for byte in text {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\""), depth == 0 {
                isQuoted.toggle()
            } else if !isQuoted && byte == UInt8(ascii: "(") {
                depth += 1
            } else if !isQuoted && byte == UInt8(ascii: ")") && depth > 0 {
                depth -= 1
                continue
            }
            if depth == 0 { out.append(byte) }
        }
        return ExpansionItem.trimmed(out[...])
    }

    private static func insideBrackets(_ text: [UInt8]) -> [UInt8]? {
        guard text.last == UInt8(ascii: ">"), let open = text.lastIndex(of: UInt8(ascii: "<")) else { return nil }
        return ExpansionItem.trimmed(text[(open + 1)..<(text.count - 1)])
    }
}
