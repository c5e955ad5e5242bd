// Options of the sendmail(1) tradition, letter by letter: clusters (`-it`), arguments attached (`-fbob`) or detached (`-f bob`), `--`.
//
// It works on bytes: an argument need not be UTF-8. It stops at the first argument that is no option, as every sendmail did and GNU getopt
// does not: an address that a caller got from outside (`-Xsomething@example`) must not turn into an option behind another address.

import MailModel

/// What an option letter takes.
enum OptionArgument: Sendable {
    case none
    /// The rest of the word, or else the next word.
    case required
    /// The rest of the word, if there is any.
    case attached
}

/// Takes options from the front of a command line.
struct OptionScanner: Sendable {
    private let words: [[UInt8]]
    private var index = 0
    /// Offset of the next letter inside the word at `index`; 0 between words.
    private var offset = 0
    private let argumentOf: @Sendable (UInt8) -> OptionArgument?

    /// - Parameter argumentOf: what a letter takes; nil for a letter that is no option.
    init(_ words: [[UInt8]], argumentOf: @escaping @Sendable (UInt8) -> OptionArgument?) {
        self.words = words
        self.argumentOf = argumentOf
    }

    /// The words after the options. Valid once ``next()`` has returned nil.
    var operands: ArraySlice<[UInt8]> { words[min(index, words.count)...] }

    /// The next option with its argument (empty where it takes none); nil at the end of the options.
    mutating func next() throws(CommandFailure) -> (letter: UInt8, argument: [UInt8])? {
        if offset == 0 {
            guard index < words.count, words[index].count > 1, words[index][0] == UInt8(ascii: "-") else { return nil }
            if words[index] == Array("--".utf8) {
                index += 1
                return nil
            }
            offset = 1
        }
        let word = words[index]
        let letter = word[offset]
        guard let kind = argumentOf(letter) else {
            throw CommandFailure(.usage, "unknown option: \(ASCII.printable(word, limit: 64))")
        }
        offset += 1
        if case .none = kind {
            if offset == word.count { advance() }
            return (letter, [])
        }
        if offset < word.count {
            let argument = Array(word[offset...])
            advance()
            return (letter, argument)
        }
        advance()
        guard case .required = kind else { return (letter, []) }
        guard index < words.count else {
            throw CommandFailure(.usage, "option requires an argument: -\(ASCII.printable([letter]))")
        }
        let argument = words[index]
        advance()
        return (letter, argument)
    }

    private mutating func advance() {
        index += 1
        offset = 0
    }
}
