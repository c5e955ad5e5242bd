// Options as getopt(3) reads them for Postfix's commands: clusters, arguments attached or detached, `--`, and an end at the first word
// that is no option.

/// The options of a command line, in order, and the words behind them.
struct ClassicOptions {
    private(set) var options: [(letter: Character, argument: String)] = []
    private(set) var operands: [String] = []

    /// - Parameters:
    ///   - specification: the letters; one with `:` behind it takes an argument.
    ///   - usage: what the usage line says behind `usage: NAME `.
    init(_ session: ClassicSession, _ specification: String, usage: String) throws(ClassicFailure) {
        var takesArgument: [Character: Bool] = [:]
        var last: Character?
        for character in specification {
            if character == ":", let last { takesArgument[last] = true } else { takesArgument[character] = false }
            last = character
        }
        func refuse(_ text: String) -> ClassicFailure {
            session.say(text)
            return ClassicFailure("usage: \(session.name) \(usage)")
        }
        var words = session.arguments[...]
        while let word = words.first, word.hasPrefix("-"), word != "-" {
            words.removeFirst()
            if word == "--" { break }
            var letters = word.dropFirst()
            while let letter = letters.popFirst() {
                guard letter != ":", let takes = takesArgument[letter] else { throw refuse("invalid option -- '\(letter)'") }
                guard takes else {
                    options.append((letter, ""))
                    continue
                }
                if !letters.isEmpty {
                    options.append((letter, String(letters)))
                } else if let argument = words.popFirst() {
                    options.append((letter, argument))
                } else {
                    throw refuse("option requires an argument -- '\(letter)'")
                }
                break
            }
        }
        operands = Array(words)
    }

    /// Whether an option was given.
    func has(_ letter: Character) -> Bool { options.contains { $0.letter == letter } }

    /// The last argument of an option.
    func argument(of letter: Character) -> String? { options.last { $0.letter == letter }?.argument }

    /// The letters given of a choice of which one only makes sense, in the order of the choice.
    func given(of choice: String) -> [Character] { choice.filter(has).map { $0 } }
}
