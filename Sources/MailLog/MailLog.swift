// The log of a program: classic lines exactly as Postfix writes them, so that the tools that read them go on working.
//
// Security: text reaches a line only through `LogLine.safe`, which leaves no control byte; facts go to the structured forms
// alone (journald, JSON) and never into the classic line. Everything that must be opened is opened by `init`, before the program is jailed.
// Known limits: a line that no destination takes is dropped: logging never stops mail.

public import SystemKit

/// Where lines go, who writes them, and how urgent they are. A cheap value: copies share one open destination.
public struct MailLog: Sendable {
    /// Where lines go.
    public enum Destination: Hashable, Sendable {
        /// The system logger: facility `mail`, through `/dev/log`.
        case syslog
        /// journald's own protocol: the classic line with facts beside it.
        case journal
        /// A file, which gets one write with O_APPEND for each line.
        case file(String)
        /// A file of JSON objects, one a line: the classic text, and facts beside it.
        case jsonFile(String)
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

        /// The name in the structured form.
        var word: String {
            switch self {
            case .critical: "fatal"
            case .error: "error"
            case .warning: "warning"
            case .info: "info"
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
    ///   - facility: the number of `syslog_facility` (RFC 3164 section 4.1.1).
    ///   - clock: microseconds since 1970; the system's clock unless a test says otherwise.
    public init(
        program: String, syslogName: String, destination: Destination, facility: Int = 2, processID: Int32 = ProcessSpawn.currentProcessID,
        clock: @escaping @Sendable () -> Int64 = { SystemClock.now() }
    ) {
        self.syslogName = syslogName
        tag = LogLine.tag(syslogName: syslogName, program: program)
        SystemClock.loadTimeZone()
        let (sink, problem) = LogSink.open(destination, facility: facility, processID: processID, clock: clock)
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

    /// Whether the destination takes facts. Where it does not, the closures of `fields` are never called, and cost nothing.
    public var takesFields: Bool { sink.takesFields }

    /// A line of the normal course of events.
    public func info(_ line: String) { sink.write(.info, tag: tag, text: line) }

    /// The same with facts that the classic line has no room for.
    public func info(_ line: String, fields: @autoclosure () -> LogFields) {
        if sink.takesFields {
            sink.write(.info, tag: tag, text: line, fields: fields())
        } else {
            sink.write(.info, tag: tag, text: line)
        }
    }

    /// A line of another process that does not know the queue id before this one has made it (`client=` of smtpd, `uid=` of pickup), so that
    /// the lines of a message stand in the order in which Postfix writes them.
    public func info(_ line: String, tag: String, processID: Int32, fields: @autoclosure () -> LogFields) {
        sink.write(.info, tag: LogLine.safe(tag), text: line, fields: sink.takesFields ? fields() : [:], writer: processID)
    }

    /// Lets lines gather for one turn of an event loop.
    ///
    /// - Parameter order: has its argument called at the end of the turn, and says so; false where the caller is on no such loop.
    public func defersWrites(_ order: @escaping @Sendable (_ flush: @escaping @Sendable () -> Void) -> Bool) { sink.defer(order) }

    /// Writes what has gathered. To be called before the process ends.
    public func flush() { sink.flush() }

    /// Something is wrong and the program goes on.
    public func warning(_ line: String) { sink.write(.warning, tag: tag, text: line) }

    /// The same with facts.
    public func warning(_ line: String, fields: @autoclosure () -> LogFields) {
        sink.write(.warning, tag: tag, text: line, fields: sink.takesFields ? fields() : [:])
    }

    /// Something is wrong and a request could not be served.
    public func error(_ line: String) { sink.write(.error, tag: tag, text: line) }

    /// The program cannot go on. The caller ends it.
    public func fatal(_ line: String) { sink.write(.critical, tag: tag, text: line) }

    /// A state that should not exist. The caller ends the program.
    public func panic(_ line: String) { sink.write(.critical, tag: tag, text: line, label: "panic: ") }

    /// Opens the file again after log rotation moved it; the other destinations need nothing. Not possible after chroot.
    public func reopen() throws(SystemError) { try sink.reopen() }
}
