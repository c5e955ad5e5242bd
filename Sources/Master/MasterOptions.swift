// The command line of master.

import SystemKit

/// How master is called: `master [-c DIRECTORY] [-d] [-t] [-v] [-w]`.
struct MasterOptions: Hashable, Sendable {
    /// `-c`: where main.cf and master.cf are.
    var directory: String
    /// `-d`: log lines and the children's standard error go to standard error.
    var isDebugging = false
    /// `-t`: only say, by exit status 0, that no master runs here.
    var isTest = false
    /// `-w`: go to the background, and return once the mail system is up or has failed.
    var isBackground = false

    /// - Parameters:
    ///   - arguments: without the program's name.
    ///   - defaultDirectory: where the configuration is when `-c` is not given.
    init(arguments: [String], defaultDirectory: String) throws(MasterUsageError) {
        directory = defaultDirectory
        var rest = arguments[...]
        while let flag = rest.popFirst() {
            switch flag {
            case "-c":
                guard let value = rest.popFirst(), !value.isEmpty else { throw MasterUsageError("option -c needs a directory") }
                directory = value
            case "-d": isDebugging = true
            case "-t": isTest = true
            case "-w": isBackground = true
            case "-v": break  // accepted: the log has no levels of detail
            default: throw MasterUsageError("unknown argument \(flag)")
            }
        }
    }
}

/// A command line that makes no sense.
struct MasterUsageError: Error, Hashable, Sendable, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = "\(text)\nusage: master [-c config_dir] [-d] [-t] [-v] [-w]" }
}
