// The words of a line of master.cf, for the reader of the file and for who edits or converts it without understanding every field.

import MailModel

/// Words separated by white space; `{ text }` is one word, its inside without surrounding white space.
public enum MasterWords {
    /// Nil where a brace is not closed.
    public static func split(_ text: String) -> [String]? {
        var words: [String] = []
        var rest = Array(text.utf8)[...]
        while true {
            rest = rest.drop(while: ASCII.isSpace)
            guard let first = rest.first else { return words }
            guard first == UInt8(ascii: "{") else {
                let word = rest.prefix { !ASCII.isSpace($0) }
                words.append(String(decoding: word, as: UTF8.self))
                rest = rest.dropFirst(word.count)
                continue
            }
            var depth = 0
            var end: Int?
            for index in rest.indices {
                if rest[index] == UInt8(ascii: "{") { depth += 1 }
                if rest[index] == UInt8(ascii: "}") { depth -= 1 }
                if depth == 0 {
                    end = index
                    break
                }
            }
            guard let end else { return nil }
            let inside = rest[(rest.startIndex + 1)..<end].drop(while: ASCII.isSpace)
            let trimmed = inside.lastIndex { !ASCII.isSpace($0) }.map { inside[...$0] } ?? []
            words.append(String(decoding: trimmed, as: UTF8.self))
            rest = rest[(end + 1)...]
        }
    }
}
