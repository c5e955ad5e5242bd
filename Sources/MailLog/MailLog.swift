// The log of a program: classic lines exactly as Postfix writes them, so that the tools that read them go on working.
//
// Security: text reaches a line only through `LogLine.safe`, which leaves no control byte; structured fields go to journald alone and
// never into the classic line. Everything that must be opened is opened by `init`, before the program is jailed.
// Known limits: a line that no destination takes is dropped: logging never stops mail.

public import SystemKit

/// Where lines go, who writes them, and how urgent they are. A cheap value: copies share one open destination.
public struct MailLog: Sendable {
    /// Where lines go.
    public enum Destination: Hashable, Sendable {
        /// The system logger: facility `mail`, through `/dev/log`.
        case syslog
        /// journald's own protocol: the classic line with structured fields beside it.
        case journal
        /// A file, which gets one write with O_APPEND for each line.
        case file(String)
        /// Standard error, without time and host.
        case stderr
    }

    /// The urgency of a line, in syslog's numbers (RFC 5424 section 6.2.1).
    enum Severity: Int, Sendable {
        case critical = 2, error = 3, warning = 4, info = 6

        /// What Postfix puts before the text.
        var label: String {
            switch self {
            case .critical: "fatal: "
            case .error: "error: "
            case .warning: "warning: "
            case .info: ""
            }
        }
    }

    /// `syslog_name/program`, the tag of a line without the process id.
    public let tag: String
    private let syslogName: String
    private let sink: LogSink

    /// Opens the destination. A destination that cannot be opened is replaced by standard error, with a warning there.
    ///
    /// - Parameters:
    ///   - program: the name after the slash: `qmgr`, `submission/smtpd`.
    ///   - syslogName: the value of `syslog_name`: `martlet`, `postfix`.
    ///   - clock: microseconds since 1970; the system's clock unless a test says otherwise.
    public init(
        program: String, syslogName: String, destination: Destination, processID: Int32 = ProcessSpawn.currentProcessID,
        clock: @escaping @Sendable () -> Int64 = { SystemClock.now() }
    ) {
        self.syslogName = syslogName
        tag = LogLine.tag(syslogName: syslogName, program: program)
        SystemClock.loadTimeZone()
        let (sink, problem) = LogSink.open(destination, processID: processID, clock: clock)
        self.sink = sink
        if let problem { warning("cannot open the log: \(problem)") }
    }

    private init(tag: String, syslogName: String, sink: LogSink) {
        self.tag = tag
        self.syslogName = syslogName
        self.sink = sink
    }

    /// The same destination under the name of another program: `error`, `submission/smtpd`.
    public func named(_ program: String) -> MailLog {
        MailLog(tag: LogLine.tag(syslogName: syslogName, program: program), syslogName: syslogName, sink: sink)
    }

    /// A line of the normal course of events.
    public func info(_ line: String) { sink.write(.info, tag: tag, text: line, fields: []) }

    /// The same with facts that the classic line has no room for. Names are upper-case letters, digits and `_`; others are left out.
    public func info(_ line: String, fields: [(String, String)]) { sink.write(.info, tag: tag, text: line, fields: fields) }

    /// Something is wrong and the program goes on.
    public func warning(_ line: String) { sink.write(.warning, tag: tag, text: line, fields: []) }

    /// Something is wrong and a request could not be served.
    public func error(_ line: String) { sink.write(.error, tag: tag, text: line, fields: []) }

    /// The program cannot go on. The caller ends it.
    public func fatal(_ line: String) { sink.write(.critical, tag: tag, text: line, fields: []) }

    /// A state that should not exist. The caller ends the program.
    public func panic(_ line: String) { sink.write(.critical, tag: tag, text: line, fields: [], label: "panic: ") }

    /// Opens the file again after log rotation moved it; the other destinations need nothing. Not possible after chroot.
    public func reopen() throws(SystemError) { try sink.reopen() }
}
