// import_environment and export_environment: which variables pass from one program to another.

/// Lists of environment variables.
public enum EnvironmentList {
    /// The variables of a list.
    ///
    /// - Parameters:
    ///   - words: `NAME` keeps a variable, `NAME=value` sets one; of several of one name the last counts.
    ///   - lookup: a variable of this program's own environment.
    public static func variables(_ words: [String], lookup: (String) -> String?) -> [(String, String)] {
        var result: [(String, String)] = []
        func set(_ name: String, _ value: String) {
            result.removeAll { $0.0 == name }
            result.append((name, value))
        }
        for word in words {
            // Postfix: a name and value with white space stand within braces.
            let bare = word.hasPrefix("{") && word.hasSuffix("}") ? trimmed(word.dropFirst().dropLast()) : word
            if let equals = bare.firstIndex(of: "=") {
                set(trimmed(bare[..<equals]), trimmed(bare[bare.index(after: equals)...]))
            } else if let value = lookup(bare) {
                set(bare, value)
            }
        }
        return result
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var rest = text[...]
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return String(rest)
    }
}
