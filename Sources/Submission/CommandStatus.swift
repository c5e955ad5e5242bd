// The exit statuses of the submission commands: those of sysexits, which callers of sendmail(1) have known since 4.2BSD.

/// How a command ends. The numbers are those of `<sysexits.h>`; a caller may rely on them.
public enum CommandStatus: Int32, Sendable, Hashable {
    /// The message is durable in the queue, or the order was carried out.
    case ok = 0
    /// Wrong use of the command: an unknown option, no recipient.
    case usage = 64
    /// The input is not usable: a malformed address in a header with `-t`.
    case dataError = 65
    case noUser = 67
    case noHost = 68
    /// The mail system refused, or a part of it could not be run or reached.
    case unavailable = 69
    /// A defect of this program.
    case software = 70
    /// The system lacks what must be there: no login name for the caller's user id.
    case osError = 71
    case ioError = 74
    /// Could not be done now; the caller may try again.
    case temporaryFailure = 75
    case noPermission = 77
    case configuration = 78
}

/// Why a command ends early: a status for the caller, and a line for people.
public struct CommandFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public let status: CommandStatus
    public let description: String

    public init(_ status: CommandStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
