// The environment of the daemons: nothing but what import_environment names.

import MailConfiguration
import SystemKit

/// The environment that children get.
enum ChildEnvironment {
    /// - Parameters:
    ///   - words: import_environment: `NAME` keeps a variable of master's, `NAME=value` sets one.
    ///   - lookup: a variable of master's own environment.
    static func make(_ words: [String], lookup: (String) -> String?) -> [(String, String)] {
        // A crash is reported by the runtime's own line; its backtracer is a program that a jailed process cannot reach.
        var result: [(String, String)] = [("SWIFT_BACKTRACE", "enable=no")]
        func set(_ name: String, _ value: String) {
            result.removeAll { $0.0 == name }
            result.append((name, value))
        }
        for word in words {
            if let equals = word.firstIndex(of: "=") {
                set(String(word[..<equals]), String(word[word.index(after: equals)...]))
            } else if let value = lookup(word) {
                set(word, value)
            }
        }
        return result
    }
}
