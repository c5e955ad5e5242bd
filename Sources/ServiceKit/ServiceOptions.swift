// The command line that master gives to a daemon, and the descriptors it leaves open.
//
// -n SERVICE -t inet|unix [-u] [-j] [-f] [-b] [-w MICROSECONDS] [-k] [-c DIRECTORY] [-o name=value]... [-v]   (as Postfix; -S for smtpd on stdin and stdout)
// Descriptors: 3 status (write `A`, `T`, `D` or `L`), 4 lifetime (end of file: master is gone), with -f 5 the configuration that master has checked,
// with -b the next one the broker, then the listeners.

import SystemKit

/// What a daemon was told at its start.
public struct ServiceOptions: Hashable, Sendable {
    /// The service's name in master.cf.
    public var serviceName = ""
    /// Whether it is reached over the network rather than a Unix-domain socket.
    public var isInet = false
    public var dropsPrivileges = false
    public var isJailed = false
    public var isVerbose = false
    /// Whether the configuration is on descriptor 5, as master read and checked it, so that no file is opened for it.
    public var hasConfigurationDescriptor = false
    /// Whether connections to other programs come from master.
    public var hasBroker = false
    /// nil: the built-in default or MAIL_CONFIG.
    public var configurationDirectory: String?
    /// `-o name=value`, in order.
    public var overrides: [(name: String, value: String)] { zip(overrideNames, overrideValues).map { ($0, $1) } }
    private var overrideNames: [String] = []
    private var overrideValues: [String] = []

    /// Whether it only says what is wrong with its configuration: `martlet check` asks.
    public var checksOnly = false

    /// How often master wants a sign of life of the event loop, in microseconds; nil for never.
    var livenessInterval: Int64?

    public static let statusDescriptor: Int32 = 3
    public static let lifetimeDescriptor: Int32 = 4
    static let configurationDescriptor: Int32 = 5
    var brokerDescriptor: Int32 { hasConfigurationDescriptor ? 6 : 5 }
    var firstListener: Int32 { brokerDescriptor + (hasBroker ? 1 : 0) }

    /// Throws the text of a usage error.
    public init(arguments: [String]) throws(ServiceUsageError) {
        var index = 0
        func value(_ flag: String) throws(ServiceUsageError) -> String {
            index += 1
            guard index < arguments.count else { throw ServiceUsageError("option \(flag) needs a value") }
            return arguments[index]
        }
        while index < arguments.count {
            let flag = arguments[index]
            switch flag {
            case "-n": serviceName = try value(flag)
            case "-t":
                switch try value(flag) {
                case "inet": isInet = true
                case "unix": isInet = false
                case let other: throw ServiceUsageError("unknown socket type \(other)")
                }
            case "-u": dropsPrivileges = true
            case "-j": isJailed = true
            case "-f": hasConfigurationDescriptor = true
            case "-w":
                let text = try value(flag)
                guard let interval = Int64(text), interval > 0 else { throw ServiceUsageError("option -w needs microseconds, not \(text)") }
                livenessInterval = interval
            case "-b": hasBroker = true
            case "-k": checksOnly = true
            case "-v": isVerbose = true
            case "-c": configurationDirectory = try value(flag)
            case "-s": _ = try value(flag)  // the number of listeners; they are found by looking
            case "-o":
                let text = try value(flag)
                guard let equals = text.firstIndex(of: "=") else { throw ServiceUsageError("option -o needs name=value, not \(text)") }
                overrideNames.append(ServiceOptions.trim(text[..<equals]))
                overrideValues.append(ServiceOptions.trim(text[text.index(after: equals)...]))
            default: throw ServiceUsageError("unknown argument \(flag)")
            }
            index += 1
        }
    }

    private static func trim(_ text: Substring) -> String {
        var rest = text
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}

/// A command line that no master gives.
public struct ServiceUsageError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
    init(_ description: String) { self.description = description }
}
