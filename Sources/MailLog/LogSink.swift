// The open end of a log: one descriptor that all copies of a MailLog share.
//
// A daemon's lines for a file gather for one turn of its event loop and leave in one write (``defer(_:)``): a write a line was a tenth of the
// system time of a relayed message, and the programs wait for each other at the file. Urgent lines, and those of other threads, take along what
// has gathered. What a trap or SIGKILL loses is the lines of one turn.

import Synchronization
import SystemKit

/// The destination of lines, opened once.
final class LogSink: Sendable {
    private enum Form: Sendable { case syslog(String), journal(String), file(String), json(String), stderr }

    /// The file name that stands for the standard output of whoever started master.
    private static let standardOutput = "/dev/stdout"

    private let form: Form
    private let facility: Int
    /// Whether facts are written; where they are not, nobody has to make them.
    let takesFields: Bool
    private struct Outlet {
        /// The open file or socket; -1 for none. Replaced by `reopen` and when a socket's peer was restarted.
        var descriptor: Int32
        /// Whole lines that wait for the end of the turn.
        var gathered: [UInt8] = []
        var isFlushOrdered = false
        var order: (@Sendable (_ flush: @escaping @Sendable () -> Void) -> Bool)?
        /// The beginning of the lines of one second.
        var prefix: (second: Int64, text: String) = (.min, "")
    }
    private let outlet: Mutex<Outlet>
    private static let gatherLimit = 65_536
    /// Several programs write to one pipe, where only writes up to PIPE_BUF stay whole: no lines gather there.
    private let isShared: Bool
    private let processID: Int32
    private let host: String
    private let clock: @Sendable () -> Int64

    private init(form: Form, descriptor: Int32, facility: Int, processID: Int32, clock: @escaping @Sendable () -> Int64) {
        self.form = form
        self.facility = facility
        takesFields =
            switch form {
            case .journal, .json: true
            case .syslog, .file, .stderr: false
            }
        isShared =
            switch form {
            case .file(Self.standardOutput), .json(Self.standardOutput): true
            default: false
            }
        outlet = Mutex(Outlet(descriptor: descriptor))
        self.processID = processID
        self.clock = clock
        // Classic loggers write the first label of the name.
        host = String(HostName.current.prefix { $0 != "." })
    }

    deinit {
        flush()
        outlet.withLock { if $0.descriptor > 2 { _ = FileDescriptor(owning: $0.descriptor) } }
    }

    /// Opens a destination, or standard error together with the reason why not.
    static func open(
        _ destination: MailLog.Destination, facility: Int, processID: Int32, clock: @escaping @Sendable () -> Int64
    ) -> (sink: LogSink, problem: SystemError?) {
        let form: Form =
            switch destination {
            case .syslog: .syslog("/dev/log")
            case .journal: .journal("/run/systemd/journal/socket")
            case .file(let path): .file(path)
            case .jsonFile(let path): .json(path)
            case .stderr: .stderr
            }
        do {
            return (LogSink(form: form, descriptor: try openDescriptor(form), facility: facility, processID: processID, clock: clock), nil)
        } catch {
            return (LogSink(form: .stderr, descriptor: 2, facility: facility, processID: processID, clock: clock), error)
        }
    }

    private static func openDescriptor(_ form: Form) throws(SystemError) -> Int32 {
        switch form {
        case .syslog(let path), .journal(let path): try Sockets.connectUnix(path: path, kind: .datagram).release()
        // By its descriptor: a socket or a pipe of somebody else's cannot be opened by that name.
        case .file(standardOutput), .json(standardOutput):
            try FileDescriptor.borrowing(1) { output throws(SystemError) in try output.duplicate().release() }
        case .file(let path), .json(let path): try FileDescriptor.open(path, [.writeOnly, .create, .append], mode: 0o640).release()
        case .stderr: 2
        }
    }

    func reopen() throws(SystemError) {
        switch form {
        case .file(Self.standardOutput), .json(Self.standardOutput): return
        case .file, .json: break
        case .syslog, .journal, .stderr: return
        }
        let fresh = try Self.openDescriptor(form)
        flush()
        outlet.withLock { outlet in
            _ = FileDescriptor(owning: outlet.descriptor)
            outlet.descriptor = fresh
        }
    }

    /// Lines gather where `order` promises to call its argument at the end of the turn.
    func `defer`(_ order: @escaping @Sendable (_ flush: @escaping @Sendable () -> Void) -> Bool) {
        outlet.withLock { $0.order = order }
    }

    /// Writes what has gathered.
    func flush() { outlet.withLock { LogSink.flush(&$0) } }

    private static func flush(_ outlet: inout Outlet) {
        outlet.isFlushOrdered = false
        guard !outlet.gathered.isEmpty else { return }
        _ = try? RawDescriptor.write(outlet.gathered, to: outlet.descriptor)
        outlet.gathered.removeAll(keepingCapacity: true)
    }

    func write(
        _ severity: MailLog.Severity, tag: String, text: String, fields: LogFields = [:], label: String? = nil, writer: Int32? = nil
    ) {
        let processID = writer ?? processID
        let text = LogLine.safe((label ?? severity.label) + text)
        switch form {
        case .stderr:
            append(Array("\(tag)[\(processID)]: \(text)\n".utf8), isUrgent: true)
        case .file:
            append(
                LogLine.file(prefix: filePrefix(), tag: tag, processID: processID, text: text), isUrgent: severity == .critical || isShared)
        case .json:
            append(
                StructuredLine.json(
                    microseconds: clock(), host: host, tag: tag, processID: processID, severity: severity, text: text, fields: fields),
                isUrgent: severity == .critical || isShared)
        case .syslog(let path):
            send(
                LogLine.syslog(
                    severity: severity.rawValue, facility: facility, timestamp: timestamp(), tag: tag, processID: processID, text: text),
                to: path)
        case .journal(let path):
            send(
                StructuredLine.journal(
                    severity: severity.rawValue, facility: facility, tag: tag, processID: processID, text: text, fields: fields), to: path)
        }
    }

    private func timestamp() -> String {
        let now = clock()
        return LogLine.timestamp(now, offset: SystemClock.localOffset(at: now / 1_000_000))
    }

    /// Time and host, made once a second.
    private func filePrefix() -> String {
        let now = clock()
        let second = LogLine.floorDivide(now, 1_000_000)
        return outlet.withLock { outlet in
            if outlet.prefix.second != second {
                let stamp = LogLine.timestamp(now, offset: SystemClock.localOffset(at: second))
                outlet.prefix = (second, "\(stamp) \(host) ")
            }
            return outlet.prefix.text
        }
    }

    /// Whole lines in one write: with O_APPEND, lines of different processes never mix.
    private func append(_ line: [UInt8], isUrgent: Bool) {
        outlet.withLock { outlet in
            outlet.gathered += line
            if outlet.isFlushOrdered && !isUrgent && outlet.gathered.count < LogSink.gatherLimit { return }
            if !isUrgent, !outlet.isFlushOrdered, let order = outlet.order, order({ [weak self] in self?.flush() }) {
                outlet.isFlushOrdered = true
            } else {
                LogSink.flush(&outlet)
            }
        }
    }

    /// One datagram for one line; one attempt to connect anew, which fails harmlessly in a jail.
    private func send(_ line: [UInt8], to path: String) {
        outlet.withLock { outlet in
            if (try? Sockets.send(line, over: outlet.descriptor)) != nil { return }
            guard let fresh = try? Sockets.connectUnix(path: path, kind: .datagram) else { return }
            _ = FileDescriptor(owning: outlet.descriptor)
            outlet.descriptor = fresh.release()
            _ = try? Sockets.send(line, over: outlet.descriptor)
        }
    }
}
