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
        [("SWIFT_BACKTRACE", "enable=no")] + EnvironmentList.variables(words.filter { !$0.hasPrefix("SWIFT_BACKTRACE") }, lookup: lookup)
    }
}
