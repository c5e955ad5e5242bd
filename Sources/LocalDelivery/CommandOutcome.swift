// What the end of a delivery command means for the message: the statuses of sysexits with the codes that Postfix gives them (sys_exits.c).

import MailModel

enum CommandOutcome {
    /// The end of a command.
    enum End: Hashable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
        /// `command_time_limit` passed, and it was killed.
        case timedOut
    }

    /// - Parameters:
    ///   - command: as the administrator or user wrote it.
    ///   - output: the first of what it wrote to standard output and error.
    static func outcome(_ end: End, command: [UInt8], output: [UInt8]) -> RecipientOutcome {
        let name = ASCII.printable(command, limit: 256)
        let trimmed = ExpansionItem.trimmed(output[...])
        let text = trimmed.isEmpty ? "" : ". Command output: \(ASCII.printable(trimmed, limit: 1024))"
        switch end {
        case .exited(0):
            return RecipientOutcome(.delivered, EnhancedStatusCode(2, 0, 0), "delivered to command: \(name)", relay: "local")
        case .exited(let status):
            guard let (code, meaning) = meanings[status] else {
                return result(EnhancedStatusCode(5, 3, 0), "Command died with status \(status): \"\(name)\"\(text)")
            }
            return result(code, "\(meaning)\(text)")
        case .killed(let signal):
            return result(EnhancedStatusCode(4, 3, 0), "Command died with signal \(signal): \"\(name)\"\(text)")
        case .timedOut:
            return result(EnhancedStatusCode(5, 3, 0), "Command time limit exceeded: \"\(name)\"\(text)")
        }
    }

    private static func result(_ code: EnhancedStatusCode, _ reason: String) -> RecipientOutcome {
        RecipientOutcome(code.statusClass == 4 ? .deferred : .bounced, code, reason, relay: "local")
    }

    private static let meanings: [Int32: (EnhancedStatusCode, String)] = [
        64: (EnhancedStatusCode(5, 3, 0), "command line usage error"),
        65: (EnhancedStatusCode(5, 6, 0), "data format error"),
        66: (EnhancedStatusCode(5, 3, 0), "cannot open input"),
        67: (EnhancedStatusCode(5, 1, 1), "user unknown"),
        68: (EnhancedStatusCode(5, 1, 2), "host name unknown"),
        69: (EnhancedStatusCode(5, 3, 0), "service unavailable"),
        70: (EnhancedStatusCode(5, 3, 0), "internal software error"),
        71: (EnhancedStatusCode(5, 3, 0), "system resource problem"),
        72: (EnhancedStatusCode(5, 3, 0), "critical OS file missing"),
        73: (EnhancedStatusCode(5, 2, 0), "can't create user output file"),
        74: (EnhancedStatusCode(5, 3, 0), "input/output error"),
        75: (EnhancedStatusCode(4, 3, 0), "temporary failure"),
        76: (EnhancedStatusCode(5, 5, 0), "remote error in protocol"),
        77: (EnhancedStatusCode(5, 7, 0), "permission denied"),
        78: (EnhancedStatusCode(5, 3, 5), "local configuration error"),
    ]
}
